"""A whole handshake and bulk join with every value on the way, or with one of them changed.

`Handshake` computes lazily, message by message, so that a vector about M1 costs no signature. A
changed handshake is one whose author keeps to every rule but one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from making.keys import (
    AES,
    CHACHA,
    SUITES,
    Chain,
    Identity,
    Suite,
    encapsulate,
    expand_label,
    identity,
    kem_key,
    sha256,
    transcript,
    x25519,
    x25519_public,
)

FEDERATION = bytes(range(64, 96))
KEM_SEED = bytes(range(96, 160))
KEM_M = bytes(range(7, 39))
I_X25519, R_X25519 = bytes(range(160, 192)), bytes(range(192, 224))
I_RANDOM, R_RANDOM = b"\x1a" * 32, b"\x2b" * 32
Change = Callable[[bytes], bytes]


def ascending(count: int, first: int) -> bytes:
    return bytes(range(first, first + count))


def same(data: bytes) -> bytes:
    return data


def mac1(federation: bytes, responder: bytes, body: bytes) -> bytes:
    key = sha256(b"qrfld-1 mac1", federation, responder)
    return hmac.digest(key, body, "sha256")[:16]


def make_cookie(core: bytes) -> bytes:
    """The cookie as qrfld makes it, for a caller at 192.0.2.1 and a secret of 0x5c."""
    expiry, address = (1030).to_bytes(8), b"192.0.2.1"
    parts = bytes([len(address)]) + address + expiry + hashlib.sha256(core).digest()
    return expiry + hmac.digest(b"\x5c" * 32, parts, "sha256")


@dataclass(frozen=True)
class Handshake:
    """I dials R. ``aead`` is the one that R chooses; the hooks change what an honest node sends."""

    suite: Suite
    aead: int = AES
    first: int = AES
    cookie: bool = False
    i: Identity = field(default_factory=lambda: identity(1, 0))
    r: Identity = field(default_factory=lambda: identity(1, 32))
    # What one side takes for granted, where it errs.
    i_federation: bytes = FEDERATION
    i_peer: bytes | None = None
    # Changes of single fields.
    magic: bytes = b"QRFL\x01"
    flags: bytes = bytes(3)
    offers: tuple[int, ...] | None = None
    count: int | None = None
    i_kem_key: Change = same
    i_dh_key: Change = same
    r_ciphertext: Change = same
    r_dh_key: Change = same
    r_payload: Change = same
    i_payload: Change = same
    r_context: bytes = b"qrfld-1 responder"
    i_context: bytes = b"qrfld-1 initiator"
    r_signs: Callable[[Handshake], bytes] = lambda self: self.th1 + self.r.node_id
    i_signs: Callable[[Handshake], bytes] = lambda self: self.th2 + self.i.node_id
    r_label: str = "handshake responder"
    i_label: str = "handshake initiator"

    @property
    def wire_suite(self) -> int:
        return self.aead << 8 | self.suite.id

    # M1

    @property
    def core(self) -> bytes:
        other = CHACHA if self.first == AES else AES
        both = (self.first << 8 | self.suite.id, other << 8 | self.suite.id)
        offers = both if self.offers is None else self.offers
        count = len(offers) if self.count is None else self.count
        listed = b"".join(offer.to_bytes(2) for offer in offers)
        keys = self.i_kem_key(kem_key(self.suite, KEM_SEED)) + self.i_dh_key(
            x25519_public(I_X25519)
        )
        return self.magic + self.flags + bytes([count]) + listed + I_RANDOM + keys

    def with_cookie(self, cookie: bytes) -> bytes:
        """M1 with a cookie and its mac1."""
        body = self.core + len(cookie).to_bytes(2) + cookie
        return body + mac1(self.i_federation, self.i_peer or self.r.node_id, body)

    @property
    def m1(self) -> bytes:
        """The M1 that counts."""
        return self.with_cookie(make_cookie(self.core) if self.cookie else b"")

    # M2

    @cached_property
    def _encapsulated(self) -> tuple[bytes, bytes]:
        return encapsulate(self.suite, kem_key(self.suite, KEM_SEED), KEM_M)

    @cached_property
    def ss_mlkem(self) -> bytes:
        return self._encapsulated[1]

    @cached_property
    def ss_x25519(self) -> bytes:
        return x25519(I_X25519, x25519_public(R_X25519))

    @cached_property
    def header(self) -> bytes:
        ciphertext = self.r_ciphertext(self._encapsulated[0])
        dh_key = self.r_dh_key(x25519_public(R_X25519))
        return self.wire_suite.to_bytes(2) + R_RANDOM + ciphertext + dh_key

    @cached_property
    def th1(self) -> bytes:
        return transcript(self.suite, FEDERATION, self.m1, self.header)

    @cached_property
    def secret(self) -> bytes:
        return hmac.digest(bytes(self.suite.hlen), self.ss_mlkem + self.ss_x25519, self.suite.hash)

    def chain(self, secret: bytes, label: str, context: bytes = b"") -> Chain:
        derived = expand_label(self.suite, secret, label, context, self.suite.hlen)
        return Chain(self.suite, self.aead, derived)

    @cached_property
    def payload_responder(self) -> bytes:
        signature = self.r.sign(self.r_signs(self), self.r_context)
        return self.r_payload(bytes([self.r.suite.id]) + self.r.public_key + signature + b"\x80")

    @cached_property
    def m2(self) -> bytes:
        chain = self.chain(self.secret, self.r_label, self.th1)
        return self.header + chain.seal(0, self.payload_responder, self.th1)

    # M3

    @cached_property
    def th2(self) -> bytes:
        return transcript(self.suite, FEDERATION, self.m1, self.header, self.payload_responder)

    @cached_property
    def payload_initiator(self) -> bytes:
        signature = self.i.sign(self.i_signs(self), self.i_context)
        return self.i_payload(bytes([self.i.suite.id]) + self.i.public_key + signature + b"\x80")

    @cached_property
    def m3(self) -> bytes:
        chain = self.chain(self.secret, self.i_label, self.th1)
        return chain.seal(0, self.payload_initiator, self.th2)

    # the session

    @cached_property
    def th3(self) -> bytes:
        payloads = self.payload_responder, self.payload_initiator
        return transcript(self.suite, FEDERATION, self.m1, self.header, *payloads)

    @cached_property
    def master(self) -> bytes:
        return expand_label(self.suite, self.secret, "master", self.th3, self.suite.hlen)

    @cached_property
    def session_id(self) -> bytes:
        return expand_label(self.suite, self.master, "session id", b"", 16)

    @cached_property
    def bulk(self) -> bytes:
        return expand_label(self.suite, self.master, "bulk", b"", self.suite.hlen)

    # as JSON

    def inputs(self) -> dict[str, Any]:
        """What both sides begin with."""
        return {
            "wire_suite": self.wire_suite,
            "federation": FEDERATION.hex(),
            "initiator": {
                "identity_seed": self.i.seed.hex(),
                "node_id": self.i.node_id.hex(),
                "offers": [self.first << 8 | self.suite.id, (3 - self.first) << 8 | self.suite.id],
                "random": I_RANDOM.hex(),
                "kem_seed": KEM_SEED.hex(),
                "x25519_private": I_X25519.hex(),
            },
            "responder": {
                "identity_seed": self.r.seed.hex(),
                "node_id": self.r.node_id.hex(),
                "random": R_RANDOM.hex(),
                "kem_m": KEM_M.hex(),
                "x25519_private": R_X25519.hex(),
            },
        }

    def m2_values(self) -> dict[str, Any]:
        """What a responder that has sent M2 knows."""
        return {
            "th1": self.th1.hex(),
            "secret": self.secret.hex(),
            "handshake_initiator": self.chain(self.secret, "handshake initiator", self.th1).json(),
            "handshake_responder": self.chain(self.secret, "handshake responder", self.th1).json(),
            "th2": self.th2.hex(),
        }


def plain(suite_id: int, **changes: Any) -> Handshake:
    """An ordinary handshake of this suite, with changes."""
    sides = {"i": identity(suite_id, 0), "r": identity(suite_id, 32)}
    return Handshake(suite=SUITES[suite_id], **{**sides, **changes})
