"""Vectors of the areas ``bodies`` and ``statements``."""

from __future__ import annotations

from typing import Any

from vector_files import fields, named, same, unhex

from qrfld.crypto import addresses, certificates, genesis
from qrfld.crypto.addresses import AddressRecord
from qrfld.crypto.certificates import Admission
from qrfld.crypto.encoding import Structure
from qrfld.crypto.errors import CryptoError
from qrfld.crypto.genesis import Genesis, Limits
from qrfld.crypto.identity import PublicIdentity
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import BODY_MAX_BYTES, Signed, open_signed, statement_id
from qrfld.errors import IdentityError
from qrfld.protocol.statements import RoundRecord, RunConfig, UpdateStatement, run_id
from qrfld.rounds.errors import RecordRefusedError
from qrfld.rounds.ledger import Ledger

BODIES: dict[int, type[Structure]] = {
    1: Genesis,
    2: Admission,
    3: AddressRecord,
    16: RunConfig,
    17: UpdateStatement,
    18: RoundRecord,
}


def run_body(vector: dict[str, Any]) -> None:
    data = unhex(vector["body"])
    body = BODIES[vector["kind"]].from_bytes(data, max_bytes=BODY_MAX_BYTES)
    if "fields" in vector:
        assert same(named(body), fields(vector["fields"]))
    assert body.to_bytes() == unhex(vector.get("written", vector["body"]))


def run_statement(vector: dict[str, Any]) -> str:
    statement = unhex(vector["statement"])
    try:
        body = _opened(vector, statement)
    except (CryptoError, IdentityError, RecordRefusedError):
        return "statement"
    assert same(named(body), fields(vector["fields"]))
    assert statement_id(statement).hex() == vector["id"]
    if "run" in vector:
        assert run_id(statement).hex() == vector["run"]
    return "ok"


def _opened(vector: dict[str, Any], statement: bytes) -> Structure:
    """The body of a statement that its verifier accepts."""
    if vector["kind"] == Kind.GENESIS:
        return genesis.parse(statement)
    key = vector["signer"]
    signer = PublicIdentity(key["suite"], bytes.fromhex(key["public_key"]))
    match vector["kind"]:
        case Kind.ADMISSION:
            federation = bytes.fromhex(vector["federation"])
            genesis_body = founded(signer, tuple(vector["suites"]))
            member = certificates.check(statement, genesis_body, federation)
            assert "subject" not in vector or member.node_id.hex() == vector["subject"]
            return Admission.from_bytes(Signed.parse(statement).body)
        case Kind.ADDRESS_RECORD:
            return addresses.check(statement, signer, bytes.fromhex(vector["federation"]))
        case Kind.RUN_CONFIG:
            return Ledger.open(statement, signer, bytes.fromhex(vector["federation"])).config
        case kind:
            return open_signed(BODIES[kind], statement, kind=Kind(kind), signer=signer)


def founded(founder: PublicIdentity, suites: tuple[int, ...]) -> Genesis:
    """A genesis as one who has checked it holds it."""
    return Genesis(
        format=1,
        name="federation",
        suites=suites,
        founder_suite=founder.suite_id,
        founder_key=founder.public_key,
        validators=(founder.node_id,),
        limits=Limits(max_members=1000, max_model_bytes=1 << 28),
        created_at=0,
        nonce=bytes(16),
    )
