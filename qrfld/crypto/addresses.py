"""Address records: where a member can be reached, in its own word.

A member signs its addresses with a sequence number; a record with a higher number replaces the one
before. Records spread from node to node, so whoever passes one on cannot change it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta

from qrfld.crypto.encoding import U63, Hash, Key, Structure
from qrfld.crypto.errors import CertificateError, CryptoError
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import open_signed, seal

ADDRESS_MAX_LENGTH: Final = 255
MAX_ADDRESSES: Final = 8

Address = Annotated[str, Meta(min_length=3, max_length=ADDRESS_MAX_LENGTH)]

_FORM: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", re.ASCII)


class AddressRecord(Structure, frozen=True, kw_only=True):
    """The body of an address record."""

    federation: Annotated[Hash, Key(0)]
    node: Annotated[Hash, Key(2)]
    sequence: Annotated[U63, Key(4)]
    addresses: Annotated[Annotated[tuple[Address, ...], Meta(max_length=MAX_ADDRESSES)], Key(6)]


def issue(identity: Identity, federation: bytes, sequence: int, addresses: Iterable[str]) -> bytes:
    """A signed record of at most 8 addresses ``host:port`` or ``[ipv6]:port``.

    CertificateError if an address is not one; EncodingError if there are too many.
    """
    listed = tuple(addresses)
    _check(listed)
    body = AddressRecord(
        federation=federation,
        node=bytes(identity.node_id),
        sequence=sequence,
        addresses=listed,
    )
    return seal(identity, Kind.ADDRESS_RECORD, body)


def check(data: bytes | memoryview, signer: PublicIdentity, federation: bytes) -> AddressRecord:
    """The record that `signer` made for this federation; CertificateError says why not."""
    try:
        body = open_signed(AddressRecord, data, kind=Kind.ADDRESS_RECORD, signer=signer)
    except CryptoError as error:
        raise CertificateError(f"the address record is refused: {error}") from error
    if body.federation != federation:
        raise CertificateError(
            f"the address record is for another federation, {body.federation.hex()[:16]}"
        )
    if body.node != signer.node_id:
        raise CertificateError("the address record names another node than its signer")
    _check(body.addresses)
    return body


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[ipv6]:port``; CertificateError if it is neither."""
    match = _FORM.fullmatch(address) if len(address) <= ADDRESS_MAX_LENGTH else None
    if match is None or not 1 <= int(match[3]) <= 65535 or not _is_ipv6(match[1]):
        raise CertificateError(
            f"{address[:80]!a} is not an address",
            hint="write host:port or [ipv6]:port, with a port from 1 to 65535",
        )
    return match[1] or match[2], int(match[3])


def _is_ipv6(host: str | None) -> bool:
    if host is None:
        return True
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _check(addresses: tuple[str, ...]) -> None:
    for address in addresses:
        split_address(address)
