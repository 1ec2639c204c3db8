"""Invariant: a text is refused as an address or peer by name, or consists of a host without blanks,
brackets apart, and a port from 1 to 65535, and is read alike when it is put together again.
"""

from __future__ import annotations

from fuzz.invariants import attempt, require
from qrfld.config import ConfigValueError, parse_address, parse_peer
from qrfld.crypto.addresses import split_address
from qrfld.crypto.errors import CertificateError

MAX_LEN = 512


def check(data: bytes) -> None:
    """See the module."""
    text = data.decode(errors="surrogateescape")
    signed = attempt(lambda: split_address(text), CertificateError)
    if isinstance(signed, tuple):
        _require_whole(*signed)
        require(split_address(_joined(*signed)) == signed, "an address has one reading")
    typed = attempt(lambda: parse_address(text), ConfigValueError)
    if isinstance(typed, tuple):
        _require_whole(*typed)
        require(parse_address(_joined(*typed)) == typed, "an address has one reading")
    peer = attempt(lambda: parse_peer(text), ConfigValueError)
    if isinstance(peer, tuple):
        _require_whole(*peer[1:])
        again = parse_peer(f"{peer[0]}@{_joined(*peer[1:])}")
        require(again == peer, "a peer has one reading")


def _require_whole(host: str, port: int) -> None:
    require(0 < len(host) <= 255 and host.isascii() and host.isprintable(), "a host is plain text")
    require(not set(host) & set("[]@ "), "a host is only a host")
    require(1 <= port <= 65535, "a port is a port")


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def seeds() -> list[bytes]:
    """Addresses and a peer."""
    return [
        b"node.example:7483",
        b"192.0.2.1:1",
        b"[2001:db8::1]:65535",
        b"[::ffff:192.0.2.1]:7",
        b"[fe80::1%eth0]:7",
        b"VFTKUMK-3JIAZQH@node.example.:7483",
    ]
