"""Suites: which algorithms go together, and their numbers on the wire.

A suite fixes the post-quantum KEM, the signature scheme and the hash; X25519 is part of every
suite, so that the session key holds while either half holds. The AEAD is chosen beside it, by the
speed of the two machines. The wire carries one 16-bit number, ``aead << 8 | suite``.

There is no suite without a post-quantum KEM and signature, and no number for "none": what cannot be
named cannot be negotiated.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Final, Literal

from qrfld.crypto.errors import UnsupportedSuiteError
from qrfld.crypto.parameters import KemSizes, SignatureSizes, kem_sizes, signature_sizes

HashName = Literal["sha384", "sha512"]


class Aead(IntEnum):
    """The record ciphers, by their number on the wire."""

    AES_256_GCM = 1
    CHACHA20_POLY1305 = 2

    @property
    def label(self) -> str:
        """The cipher's usual name."""
        return {1: "AES-256-GCM", 2: "ChaCha20-Poly1305"}[self.value]


@dataclass(frozen=True)
class Suite:
    """One choice of algorithms: `kem` beside X25519, `signature`, and `hash` for HKDF."""

    id: int
    name: str
    kem: str
    signature: str
    hash: HashName

    @property
    def kem_sizes(self) -> KemSizes:
        """Lengths of the encapsulation key and ciphertext, in bytes."""
        return kem_sizes(self.kem)

    @property
    def signature_sizes(self) -> SignatureSizes:
        """Lengths of the public key and signature, in bytes."""
        return signature_sizes(self.signature)

    def wire_id(self, aead: Aead) -> int:
        """The 16-bit number of this suite with `aead`."""
        return aead << 8 | self.id


SUITES: Final = {
    suite.id: suite
    for suite in (
        Suite(1, "X25519+ML-KEM-768 / ML-DSA-65", "ML-KEM-768", "ML-DSA-65", "sha384"),
        Suite(2, "X25519+ML-KEM-1024 / ML-DSA-87", "ML-KEM-1024", "ML-DSA-87", "sha512"),
    )
}


def suite(suite_id: int) -> Suite:
    """The suite with this number (1 or 2); UnsupportedSuiteError otherwise."""
    try:
        return SUITES[suite_id]
    except KeyError:
        known = ", ".join(map(str, SUITES))
        raise UnsupportedSuiteError(
            f"unknown cryptographic suite {suite_id}", hint=f"this version knows suites {known}"
        ) from None


@cache
def from_wire(wire_id: int) -> tuple[Suite, Aead]:
    """The suite and AEAD of a 16-bit wire number; UnsupportedSuiteError if either is unknown."""
    try:
        aead = Aead(wire_id >> 8)
    except ValueError:
        raise UnsupportedSuiteError(
            f"unknown AEAD {wire_id >> 8} in wire suite {wire_id:#06x}",
            hint="this version knows AEADs 1 and 2",
        ) from None
    return suite(wire_id & 0xFF), aead


def suite_name(wire_id: int) -> str:
    """A wire number in words: ``X25519+ML-KEM-768 / ML-DSA-65 / AES-256-GCM``."""
    chosen, aead = from_wire(wire_id)
    return f"{chosen.name} / {aead.label}"
