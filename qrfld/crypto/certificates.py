"""Admission certificates: a validator's word that a key belongs to the federation.

A certificate binds a public key and a name to one federation. Peers exchange certificates when a
session opens and check them offline, against the genesis they both hold. The founder's own is
issued by itself. A certificate does not expire; a member leaves by revocation, which names its node
ID.
"""

from __future__ import annotations

import secrets
from collections.abc import Container
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from qrfld.crypto.encoding import U8, U63, Bytes16, Hash, Key, Structure
from qrfld.crypto.errors import CertificateError, CryptoError
from qrfld.crypto.genesis import Genesis
from qrfld.crypto.identity import Identity, NodeId, PublicIdentity
from qrfld.crypto.labels import Kind
from qrfld.crypto.names import Name, name_flaw
from qrfld.crypto.parameters import PUBLIC_KEY_MAX_SIZE
from qrfld.crypto.signed import open_signed, seal


class Admission(Structure, frozen=True, kw_only=True):
    """The body of an admission certificate."""

    federation: Annotated[Hash, Key(0)]
    suite_id: Annotated[U8, Key(2)]
    public_key: Annotated[Annotated[bytes, Meta(max_length=PUBLIC_KEY_MAX_SIZE)], Key(4)]
    name: Annotated[Name, Key(6)]
    issued_at: Annotated[U63, Key(8)]
    issuer: Annotated[Hash, Key(10)]
    serial: Annotated[Bytes16, Key(12)]


@dataclass(frozen=True)
class Member:
    """A node that the federation admitted."""

    identity: PublicIdentity
    name: str
    issued_at: int

    @property
    def node_id(self) -> NodeId:
        """The member's node ID."""
        return self.identity.node_id


def issue(
    issuer: Identity,
    federation: bytes,
    subject: PublicIdentity,
    name: str,
    *,
    now: int,
    serial: bytes | None = None,
) -> bytes:
    """A certificate that admits `subject` under `name`; `now` is in seconds since 1970.

    CertificateError if the name is not one.
    """
    if flaw := name_flaw(name):
        raise CertificateError(f"not a member's name: {flaw}")
    body = Admission(
        federation=federation,
        suite_id=subject.suite_id,
        public_key=subject.public_key,
        name=name,
        issued_at=now,
        issuer=bytes(issuer.node_id),
        serial=secrets.token_bytes(16) if serial is None else serial,
    )
    return seal(issuer, Kind.ADMISSION, body)


def check(
    data: bytes | memoryview,
    genesis: Genesis,
    federation: bytes,
    revoked: Container[bytes] = frozenset(),
) -> Member:
    """The member that a certificate admits to this federation.

    `revoked` holds the node IDs that were put out. CertificateError says why a certificate is
    refused: its form, its issuer or signature, another federation, suite or name, revocation.
    """
    try:
        # The genesis of this format knows one validator, its founder.
        body = open_signed(Admission, data, kind=Kind.ADMISSION, signer=genesis.founder)
        subject = PublicIdentity(body.suite_id, body.public_key)
    except CryptoError as error:
        raise CertificateError(f"the admission certificate is refused: {error}") from error
    if flaw := _flaw(body, subject, genesis, federation, revoked):
        raise CertificateError(f"the admission certificate is refused: {flaw}")
    return Member(subject, body.name, body.issued_at)


def _flaw(
    body: Admission,
    subject: PublicIdentity,
    genesis: Genesis,
    federation: bytes,
    revoked: Container[bytes],
) -> str:
    if body.federation != federation:
        return f"it is for another federation, {body.federation.hex()[:16]}"
    if body.issuer != genesis.founder.node_id:
        return "it names another issuer than its signer"
    if body.suite_id not in genesis.suites:
        return f"suite {body.suite_id} is not allowed in this federation"
    if subject.node_id in revoked:
        return f"{subject.node_id.short} was revoked"
    return name_flaw(body.name)
