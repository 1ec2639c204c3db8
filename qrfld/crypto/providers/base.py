"""The small interface behind which every provider stands.

A provider offers KEMs and signature schemes by name. Callers never see a library's object, error or
key format: keys travel as raw bytes (encapsulation keys, public keys) and seeds (FIPS 203 section
3.3, FIPS 204 section 3.6), which are the same under every provider. Every length is checked here or
in the provider before a library is called. A plugin that brings algorithms of its own implements
`Provider`; `qrfld.crypto.plugins` tests it against what is said here.
"""

from __future__ import annotations

from typing import Protocol

from qrfld.crypto.parameters import Buffer


class KemKeyPair(Protocol):
    """A KEM key pair; lives for one handshake."""

    @property
    def public(self) -> bytes:
        """The encapsulation key."""

    def decapsulate(self, ciphertext: Buffer) -> bytes:
        """The shared secret in `ciphertext`.

        A ciphertext of the right length never fails: a forged one yields an unrelated secret
        (implicit rejection, FIPS 203 section 6.3). A wrong length raises InvalidKeyError.
        """


class Kem(Protocol):
    """A key encapsulation mechanism; every size in bytes."""

    @property
    def name(self) -> str:
        """The standard's name of the parameter set."""

    @property
    def public_key_size(self) -> int:
        """Length of an encapsulation key."""

    @property
    def ciphertext_size(self) -> int:
        """Length of a ciphertext."""

    @property
    def seed_size(self) -> int:
        """Length of the seed (ML-KEM: ``d ‖ z``, 64); 0 where keys have no seed."""

    @property
    def shared_size(self) -> int:
        """Length of the shared secret."""

    def keypair(self, seed: Buffer | None = None) -> KemKeyPair:
        """The key pair of a seed, or a fresh one; InvalidKeyError where keys have no seed."""

    def encapsulate(self, public_key: Buffer) -> tuple[bytes, bytes]:
        """A fresh (ciphertext, shared secret) for `public_key`; InvalidKeyError if it is not one.

        ML-KEM keys with a coefficient of q or above are refused (FIPS 203 section 7.2).
        """


class SigningKey(Protocol):
    """A signing key; safe to share between threads."""

    @property
    def public(self) -> bytes:
        """The public key."""

    @property
    def seed(self) -> bytes:
        """The 32-byte seed: the secret itself."""

    def sign(self, message: Buffer, context: bytes) -> bytes:
        """A hedged signature over `message` under `context` (at most 255 bytes)."""


class SignatureScheme(Protocol):
    """A signature scheme; every size in bytes."""

    @property
    def name(self) -> str:
        """The standard's name of the parameter set."""

    @property
    def public_key_size(self) -> int:
        """Length of a public key."""

    @property
    def signature_size(self) -> int:
        """Length of a signature."""

    @property
    def seed_size(self) -> int:
        """Length of the seed."""

    def keypair(self, seed: Buffer | None = None) -> SigningKey:
        """The signing key of a 32-byte seed, or a fresh one."""

    def verify(
        self, public_key: Buffer, message: Buffer, signature: Buffer, context: bytes
    ) -> None:
        """Return if the signature verifies; InvalidSignatureError otherwise.

        A public key or context of the wrong length is an InvalidKeyError.
        """


class Provider(Protocol):
    """A library of algorithms behind the interface above."""

    @property
    def name(self) -> str:
        """``openssl``, ``liboqs``, or the name that a plugin's own provider gives itself."""

    def kem(self, name: str) -> Kem:
        """The KEM `name`; UnsupportedSuiteError if this provider lacks it."""

    def signature(self, name: str) -> SignatureScheme:
        """The signature scheme `name`; UnsupportedSuiteError if this provider lacks it."""
