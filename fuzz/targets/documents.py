"""Invariant: a genesis, certificate, address record or run's statement is accepted only if the
bytes are ones that the right node signed; anything else is refused by name.

Input: a script that chooses a document, then either changes its bytes, or changes its body and has
it signed anew by the right node, by another one, or as a document of another kind.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from fuzz import examples
from fuzz.invariants import Refused, attempt, require
from fuzz.script import Script
from fuzz.world import FEDERATION, identity
from qrfld.crypto import addresses, certificates, genesis
from qrfld.crypto.errors import CertificateError, CryptoError, GenesisError
from qrfld.crypto.genesis import Genesis
from qrfld.crypto.identity import Identity
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import BODY_MAX_BYTES, Signed, open_signed, seal
from qrfld.protocol.statements import RoundRecord, RunConfig, UpdateStatement

SHARE = 2
_KINDS = list(Kind)
_SIGNERS = ("founder", "founder", "member", "founder", "founder", "founder")


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    number = script.below(len(_KINDS))
    kind, signer = _KINDS[number], identity(_SIGNERS[number])
    genuine = _document(number)
    if script.number() & 1:
        document = script.changed(genuine)
        allowed = document == genuine
    else:
        body = script.changed(Signed.parse(genuine).body)[:BODY_MAX_BYTES]
        author = identity("mallory") if script.below(4) == 1 else signer
        stated = _KINDS[script.below(len(_KINDS))] if script.below(4) == 1 else kind
        document = _signed(author, stated, body)
        allowed = author is signer and stated is kind
    accepted = attempt(
        lambda: _readers()[number](document), GenesisError, CertificateError, CryptoError
    )
    if not isinstance(accepted, Refused):
        require(allowed, f"a {kind.name} that {signer.node_id.short} did not sign is refused")


@cache
def _document(number: int) -> bytes:
    return seal(identity(_SIGNERS[number]), _KINDS[number], examples.all_structures()[number])


def _signed(author: Identity, kind: Kind, body: bytes) -> bytes:
    """A statement over any body, as `seal` makes it over an honest one."""
    node_id = bytes(author.node_id)
    unsigned = Signed(kind=int(kind), body=body, signer=node_id, signature=b"")
    signature = author.sign(unsigned.statement, kind.context)
    return Signed(kind=int(kind), body=body, signer=node_id, signature=signature).to_bytes()


@cache
def _readers() -> tuple[Callable[[bytes], object], ...]:
    founder, member = identity("founder").public, identity("member").public
    founding = examples.all_structures()[0]
    assert isinstance(founding, Genesis)

    def statement(
        cls: type[RunConfig | UpdateStatement | RoundRecord], kind: Kind
    ) -> Callable[[bytes], object]:
        return lambda data: open_signed(cls, data, kind=kind, signer=founder)

    return (
        lambda data: genesis.parse(data),
        lambda data: certificates.check(data, founding, FEDERATION),
        lambda data: addresses.check(data, member, FEDERATION),
        statement(RunConfig, Kind.RUN_CONFIG),
        statement(UpdateStatement, Kind.UPDATE),
        statement(RoundRecord, Kind.ROUND_RECORD),
    )


def seeds() -> list[bytes]:
    """Each document as it is, changed, with another body, by another author, of another kind."""
    steps = [
        b"\1\0",
        b"\1\1\0\x10\0\1",
        b"\0\0\0\0",
        b"\0\1\0\3\0\1\0\0",
        b"\0\0\1\0",
        b"\0\0\0\1\4",
    ]
    return [bytes([number]) + step for number in range(len(_KINDS)) for step in steps]
