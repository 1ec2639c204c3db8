"""Byte lengths of the algorithms, from their standards.

Lengths are checked against these tables before any library is called: a library that pads, cuts or
reads past a short input never gets the chance. Sources: FIPS 203 table 3, FIPS 204 table 2,
RFC 7748, RFC 5116 and RFC 8439; for FrodoKEM the proposal to ISO of 14 March 2023, whose FrodoKEM
(with a salt) is not the eFrodoKEM that older libraries call FrodoKEM.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from qrfld.crypto.errors import InvalidKeyError, UnsupportedSuiteError

Buffer = bytes | bytearray | memoryview

ML_KEM_SEED_SIZE: Final = 64
ML_KEM_SHARED_SIZE: Final = 32
ML_DSA_SEED_SIZE: Final = 32
X25519_SIZE: Final = 32
AEAD_KEY_SIZE: Final = 32
AEAD_NONCE_SIZE: Final = 12
AEAD_TAG_SIZE: Final = 16
CONTEXT_MAX_SIZE: Final = 255
#: What certificates and signed statements have room for, whatever the suite.
PUBLIC_KEY_MAX_SIZE: Final = 4096
SIGNATURE_MAX_SIZE: Final = 5000


@dataclass(frozen=True)
class KemSizes:
    """Lengths of a KEM's encapsulation key, ciphertext and shared secret, in bytes.

    `seed` is the length of the seed from which a key pair can be made again; 0 if there is none.
    """

    public_key: int
    ciphertext: int
    shared: int = ML_KEM_SHARED_SIZE
    seed: int = ML_KEM_SEED_SIZE


@dataclass(frozen=True)
class SignatureSizes:
    """Lengths of a signature scheme's public key and signature, in bytes."""

    public_key: int
    signature: int


KEMS: Final = {
    "ML-KEM-512": KemSizes(800, 768),
    "ML-KEM-768": KemSizes(1184, 1088),
    "ML-KEM-1024": KemSizes(1568, 1568),
    "FrodoKEM-640-AES": KemSizes(9616, 9752, shared=16, seed=0),
}
SIGNATURES: Final = {
    "ML-DSA-44": SignatureSizes(1312, 2420),
    "ML-DSA-65": SignatureSizes(1952, 3309),
    "ML-DSA-87": SignatureSizes(2592, 4627),
}


def kem_sizes(name: str) -> KemSizes:
    """The lengths of the KEM `name`; UnsupportedSuiteError if it is not known."""
    try:
        return KEMS[name]
    except KeyError:
        raise _unknown("KEM", name, KEMS) from None


def signature_sizes(name: str) -> SignatureSizes:
    """The lengths of the signature scheme `name`; UnsupportedSuiteError if it is not known."""
    try:
        return SIGNATURES[name]
    except KeyError:
        raise _unknown("signature scheme", name, SIGNATURES) from None


def exactly(what: str, value: Buffer, size: int) -> bytes:
    """`value` as bytes, if it has `size` bytes; InvalidKeyError names `what` and both lengths."""
    if not isinstance(value, Buffer):
        raise InvalidKeyError(f"{what} must be bytes, not {type(value).__name__}")
    data = bytes(value)
    if len(data) != size:
        raise InvalidKeyError(f"{what} has {len(data)} bytes instead of {size}")
    return data


def check_context(context: Buffer) -> bytes:
    """An ML-DSA context of at most 255 bytes (FIPS 204 section 5.2); InvalidKeyError if longer."""
    data = bytes(context)
    if len(data) > CONTEXT_MAX_SIZE:
        raise InvalidKeyError(f"a signature context has at most 255 bytes, not {len(data)}")
    return data


def _unknown(what: str, name: str, known: Iterable[str]) -> UnsupportedSuiteError:
    return UnsupportedSuiteError(f"unknown {what} {name!r}", hint=f"known: {', '.join(known)}")
