"""Suites, key derivation, AEADs, and ML-DSA and ML-KEM with their randomness given (section 3)."""

from __future__ import annotations

import copy
import hashlib
import hmac
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from dilithium_py.ml_dsa import ML_DSA_65, ML_DSA_87
from kyber_py.ml_kem import ML_KEM_768, ML_KEM_1024


@dataclass(frozen=True)
class Suite:
    """A row of the table of suites."""

    id: int
    kem: Any
    kem_key: int
    ciphertext: int
    dsa: Any
    public_key: int
    signature: int
    hash: str
    hlen: int


SUITES = {
    1: Suite(1, ML_KEM_768, 1184, 1088, ML_DSA_65, 1952, 3309, "sha384", 48),
    2: Suite(2, ML_KEM_1024, 1568, 1568, ML_DSA_87, 2592, 4627, "sha512", 64),
}
AES, CHACHA = 1, 2


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def expand_label(suite: Suite, secret: bytes, label: str, context: bytes, size: int) -> bytes:
    """At most one block of HKDF-Expand: no label of this protocol asks for more."""
    name = label.encode()
    info = size.to_bytes(2) + bytes([len(name)]) + name + bytes([len(context)]) + context
    return hmac.digest(secret, info + b"\x01", suite.hash)[:size]


def transcript(suite: Suite, *parts: bytes) -> bytes:
    joined = b"".join(len(part).to_bytes(8) + part for part in parts)
    return hashlib.new(suite.hash, joined).digest()


@dataclass(frozen=True)
class Chain:
    """One direction's secret, and what follows from it."""

    suite: Suite
    aead: int
    secret: bytes

    @property
    def key(self) -> bytes:
        return expand_label(self.suite, self.secret, "key", b"", 32)

    @property
    def iv(self) -> bytes:
        return expand_label(self.suite, self.secret, "iv", b"", 12)

    def seal(self, counter: int, data: bytes, aad: bytes) -> bytes:
        cipher = AESGCM(self.key) if self.aead == AES else ChaCha20Poly1305(self.key)
        nonce = (int.from_bytes(self.iv) ^ counter).to_bytes(12)
        return cipher.encrypt(nonce, data, aad)

    def record(self, counter: int, frame: bytes) -> bytes:
        """A record of section 6."""
        size = (len(frame) + 16).to_bytes(4)
        return size + self.seal(counter, frame, size)

    def next(self) -> Chain:
        secret = expand_label(self.suite, self.secret, "rekey", b"", self.suite.hlen)
        return Chain(self.suite, self.aead, secret)

    def json(self) -> dict[str, str]:
        return {"chain": self.secret.hex(), "key": self.key.hex(), "iv": self.iv.hex()}


@dataclass(frozen=True)
class Identity:
    """An ML-DSA key pair from its seed. It signs with 32 zero bytes as the standard's rnd."""

    suite: Suite
    seed: bytes

    @cached_property
    def _keys(self) -> tuple[bytes, bytes]:
        public, private = self.suite.dsa.key_derive(self.seed)
        return public, private

    @property
    def public_key(self) -> bytes:
        return self._keys[0]

    @property
    def node_id(self) -> bytes:
        return sha256(b"qrfld-1 node id", bytes([self.suite.id]), self.public_key)

    def sign(self, message: bytes, context: bytes) -> bytes:
        return _signature(self, message, context)

    def json(self) -> dict[str, Any]:
        return {"suite": self.suite.id, "public_key": self.public_key.hex()}


@cache
def identity(suite_id: int, first: int) -> Identity:
    """The identity whose seed is 32 ascending bytes from ``first`` on."""
    return Identity(SUITES[suite_id], bytes(range(first, first + 32)))


@cache
def _signature(who: Identity, message: bytes, context: bytes) -> bytes:
    signed: bytes = who.suite.dsa.sign(who._keys[1], message, ctx=context, deterministic=True)
    return signed


def kem_key(suite: Suite, seed: bytes) -> bytes:
    """The encapsulation key of a seed d ‖ z."""
    public: bytes = suite.kem.key_derive(seed)[0]
    return public


def encapsulate(suite: Suite, key: bytes, m: bytes) -> tuple[bytes, bytes]:
    """Ciphertext and shared secret, with ``m`` as the standard's randomness."""
    kem = copy.copy(suite.kem)
    kem.random_bytes = lambda _: m
    shared, ciphertext = kem.encaps(key)
    return ciphertext, shared


def x25519_public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def x25519(private: bytes, public: bytes) -> bytes:
    ours = X25519PrivateKey.from_private_bytes(private)
    return ours.exchange(X25519PublicKey.from_public_bytes(public))
