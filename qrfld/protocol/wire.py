"""The fixed layouts of the handshake: M1, RETRY, M2 and the payload sealed in M2 and M3.

Nothing is negotiated by length: every length follows from the bytes before it, and is known and
bounded before more bytes are taken. Integers are big-endian.

    M1      "QRFL" ‖ version u8 ‖ flags 3 ‖ count u8 ‖ count wire suites u16 ‖ random 32
            ‖ KEM key ‖ X25519 32 ‖ u16 cookie length ‖ cookie ‖ mac1 16
    RETRY   0x0000 ‖ u16 cookie length ‖ cookie
    M2      wire suite u16 ‖ random 32 ‖ KEM ciphertext ‖ X25519 32 ‖ sealed payload
    M3      sealed payload
    payload suite u8 ‖ ML-DSA public key ‖ signature ‖ extensions (the empty map, 0x80)
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from qrfld.crypto import labels
from qrfld.crypto.parameters import AEAD_TAG_SIZE, X25519_SIZE, Buffer
from qrfld.crypto.suites import Suite
from qrfld.protocol.cookies import COOKIE_SIZE
from qrfld.protocol.errors import HandshakeError, SilentRejectError, SuiteError

MAGIC: Final = b"QRFL"
VERSION: Final = 1
FLAGS: Final = bytes(3)
RETRY: Final = bytes(2)
RANDOM_SIZE: Final = 32
MAC1_SIZE: Final = 16
MAX_OFFERS: Final = 8
EXTENSIONS: Final = b"\x80"
_COUNT_AT: Final = 8
_OFFERS_AT: Final = 9


@dataclass(frozen=True)
class Hello1:
    """M1 taken apart. ``core`` is all of it up to the cookie's length."""

    offers: tuple[int, ...]
    flags: bytes
    kem_key: bytes
    dh_key: bytes
    core: bytes
    cookie: bytes


@dataclass(frozen=True)
class Hello2:
    """M2 taken apart. ``header`` is all of it up to the sealed payload."""

    kem_ciphertext: bytes
    dh_key: bytes
    header: bytes
    sealed: bytes


def mac1(federation: bytes, responder: bytes, body: bytes) -> bytes:
    """What only one who knows the federation and the responder's node ID can put under M1."""
    return hmac.digest(_mac1_key(federation, responder), body, "sha256")[:MAC1_SIZE]


# Kept, because whoever floods a node has it made for every message. It is no secret to who has it.
@lru_cache(maxsize=64)
def _mac1_key(federation: bytes, responder: bytes) -> bytes:
    return hashlib.sha256(labels.MAC1 + federation + responder).digest()


def build_m1_core(offers: tuple[int, ...], random: bytes, kem_key: bytes, dh_key: bytes) -> bytes:
    """M1 up to the cookie's length."""
    listed = b"".join(offer.to_bytes(2) for offer in offers)
    start = MAGIC + VERSION.to_bytes(1) + FLAGS + len(offers).to_bytes(1)
    return start + listed + random + kem_key + dh_key


def finish_m1(core: bytes, cookie: bytes, federation: bytes, responder: bytes) -> bytes:
    """M1 from its core and cookie."""
    body = core + len(cookie).to_bytes(2) + cookie
    return body + mac1(federation, responder, body)


def m1_size(got: Buffer, ours: Suite) -> int:
    """How many bytes of M1 are needed, as far as ``got`` tells; M1 is whole when it has as many.

    SilentRejectError as soon as a byte cannot be M1 of this version for a node of suite ``ours``:
    how long a KEM key is taken in follows from our own suite, never from what a stranger names.
    """
    start = MAGIC + VERSION.to_bytes(1)
    if bytes(got[: len(start)]) != start[: len(got)]:
        raise SilentRejectError(f"not our protocol: it begins with {bytes(got[:5]).hex()}")
    if len(got) < _OFFERS_AT:
        return _OFFERS_AT
    offers_end = _OFFERS_AT + 2 * _count(got)
    if len(got) < offers_end:
        return offers_end
    _check_suite(got, ours)
    core = offers_end + RANDOM_SIZE + ours.kem_sizes.public_key + X25519_SIZE
    if len(got) < core + 2:
        return core + 2
    cookie = int.from_bytes(got[core : core + 2])
    if cookie not in (0, COOKIE_SIZE):
        raise SilentRejectError(f"a cookie of {cookie} bytes")
    return core + 2 + cookie + MAC1_SIZE


def parse_m1(message: bytes, ours: Suite, federation: bytes, responder: bytes) -> Hello1:
    """Take apart a whole M1 (see `m1_size`); SilentRejectError unless mac1 is right."""
    body, tag = message[:-MAC1_SIZE], message[-MAC1_SIZE:]
    if not hmac.compare_digest(tag, mac1(federation, responder, body)):
        raise SilentRejectError("mac1 is wrong: not for this node and federation")
    kem_at = _OFFERS_AT + 2 * _count(message) + RANDOM_SIZE
    dh_at = kem_at + ours.kem_sizes.public_key
    core = dh_at + X25519_SIZE
    return Hello1(
        offers=_offers(message),
        flags=message[5:_COUNT_AT],
        kem_key=message[kem_at:dh_at],
        dh_key=message[dh_at:core],
        core=message[:core],
        cookie=body[core + 2 :],
    )


def whole_m1_size(suite: Suite, offers: int = 2, cookie: int = 0) -> int:
    """The length of M1: 1,279 bytes in suite 1 with both AEADs and no cookie."""
    keys = suite.kem_sizes.public_key + X25519_SIZE
    return _OFFERS_AT + 2 * offers + RANDOM_SIZE + keys + 2 + cookie + MAC1_SIZE


def m2_size(suite: Suite) -> int:
    """The length of M2: 6,433 bytes in suite 1."""
    return 2 + RANDOM_SIZE + suite.kem_sizes.ciphertext + X25519_SIZE + sealed_size(suite)


def parse_m2(message: bytes, suite: Suite) -> Hello2:
    """Take apart an M2 of `m2_size` bytes."""
    kem_at = 2 + RANDOM_SIZE
    dh_at = kem_at + suite.kem_sizes.ciphertext
    end = dh_at + X25519_SIZE
    return Hello2(
        kem_ciphertext=message[kem_at:dh_at],
        dh_key=message[dh_at:end],
        header=message[:end],
        sealed=message[end:],
    )


def sealed_size(suite: Suite) -> int:
    """The length of a sealed payload, which is that of M3: 5,279 bytes in suite 1."""
    sizes = suite.signature_sizes
    return 1 + sizes.public_key + sizes.signature + len(EXTENSIONS) + AEAD_TAG_SIZE


def build_payload(suite_id: int, public_key: bytes, signature: bytes) -> bytes:
    """The payload of M2 or M3 before it is sealed."""
    return suite_id.to_bytes(1) + public_key + signature + EXTENSIONS


def parse_payload(payload: bytes, suite: Suite) -> tuple[bytes, bytes]:
    """Public key and signature of an opened payload of ``sealed_size(suite) - 16`` bytes.

    SuiteError if the signer's suite is not the session's; HandshakeError if there are extensions.
    """
    if payload[0] != suite.id:
        raise SuiteError(f"the peer signs with suite {payload[0]} in a session of suite {suite.id}")
    key_end = 1 + suite.signature_sizes.public_key
    signature_end = key_end + suite.signature_sizes.signature
    if payload[signature_end:] != EXTENSIONS:
        raise HandshakeError(f"extensions {payload[signature_end:].hex()}, this version has none")
    return payload[1:key_end], payload[key_end:signature_end]


def _count(m1: Buffer) -> int:
    count = m1[_COUNT_AT]
    if not 1 <= count <= MAX_OFFERS:
        raise SilentRejectError(f"{count} suites offered, not 1 to {MAX_OFFERS}")
    return count


def _offers(m1: Buffer) -> tuple[int, ...]:
    return struct.unpack_from(f">{_count(m1)}H", m1, _OFFERS_AT)


def _check_suite(m1: Buffer, ours: Suite) -> None:
    """All offers are of our suite, with one or more AEADs."""
    suite_ids = {offer & 0xFF for offer in _offers(m1)}
    if suite_ids != {ours.id}:
        raise SilentRejectError(f"offers of suites {sorted(suite_ids)}, we speak {ours.id}")
