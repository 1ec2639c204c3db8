"""Suites: which algorithms go together, and their numbers on the wire.

A suite fixes the post-quantum KEM, the signature scheme and the hash; X25519 is part of every
suite, so that the session key holds while either half holds. The AEAD is chosen beside it, by the
speed of the two machines. The wire carries one 16-bit number, ``aead << 8 | suite``.

Suites 1 to 4 are the specification's; 1 and 2 work everywhere, 3 and 4 where liboqs is installed
(see `qrfld.crypto.providers`). Numbers 64 to 255 are private: a plugin may give them a meaning on
the machines it is installed on (see `qrfld.crypto.plugins`).

There is no suite without a post-quantum KEM and signature, and no number for "none": what cannot be
named cannot be negotiated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, Self

from qrfld.crypto.errors import UnsupportedSuiteError
from qrfld.crypto.parameters import KemSizes, SignatureSizes, kem_sizes, signature_sizes

if TYPE_CHECKING:
    from qrfld.crypto.providers.base import Provider

HashName = Literal["sha384", "sha512"]

PRIVATE: Final = range(64, 256)


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
    """One choice of algorithms: `kem` beside X25519, `signature`, and `hash` for HKDF.

    `category` is the lower of the security categories (1 to 5, of NIST's call of 2016) that the
    authors of its two post-quantum algorithms claim. `provider` makes the provider of a private
    suite's own algorithms; without one, openssl and liboqs are asked.
    """

    id: int
    kem: str
    kem_sizes: KemSizes
    signature: str
    signature_sizes: SignatureSizes
    hash: HashName
    category: int
    provider: Callable[[], Provider] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, suite_id: int, kem: str, signature: str, hash_name: HashName, *, category: int
    ) -> Self:
        """A suite of algorithms that qrfld knows; UnsupportedSuiteError for another."""
        sizes = kem_sizes(kem), signature_sizes(signature)
        return cls(suite_id, kem, sizes[0], signature, sizes[1], hash_name, category)

    @property
    def name(self) -> str:
        """The suite in words, without its AEAD."""
        return f"X25519+{self.kem} / {self.signature}"

    def wire_id(self, aead: Aead) -> int:
        """The 16-bit number of this suite with `aead`."""
        return aead << 8 | self.id


SUITES: Final = {
    suite.id: suite
    for suite in (
        Suite.of(1, "ML-KEM-768", "ML-DSA-65", "sha384", category=3),
        Suite.of(2, "ML-KEM-1024", "ML-DSA-87", "sha512", category=5),
        Suite.of(3, "ML-KEM-512", "ML-DSA-44", "sha384", category=1),
        Suite.of(4, "FrodoKEM-640-AES", "ML-DSA-65", "sha384", category=1),
    )
}


def suite(suite_id: int) -> Suite:
    """The suite with this number: 1 to 4, or the private one of an installed plugin.

    UnsupportedSuiteError if the number means nothing here, SuitePluginError if its plugin is
    broken. Whether a provider here can serve the suite, `providers.provider_for` says.
    """
    if known := SUITES.get(suite_id):
        return known
    if suite_id in PRIVATE:
        # Not at the top: plugins need suites, and most processes never need a plugin.
        from qrfld.crypto import plugins

        return plugins.load(suite_id)
    raise UnsupportedSuiteError(
        f"unknown cryptographic suite {suite_id}",
        hint=f"this version knows suites {', '.join(map(str, SUITES))}: see qrfl crypto list",
    )


def known(suite_id: int) -> bool:
    """Whether `suite` has one for this number."""
    try:
        suite(suite_id)
    except UnsupportedSuiteError:
        return False
    return True


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
