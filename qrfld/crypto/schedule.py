"""The key schedule's primitives: HKDF (RFC 5869) and the transcript hash.

All derivations use the suite's hash. `expand_label` is the only way a key is made from a secret; it
binds three things without ambiguity, so that no two uses can give the same key:

    info = u16 length ‖ u8 len(label) ‖ label ‖ u8 len(context) ‖ context

A transcript hashes the raw bytes of each part behind its length, so that no two sequences of parts
give the same hash.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from qrfld.crypto.parameters import Buffer
from qrfld.crypto.suites import HashName

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def hash_size(name: HashName) -> int:
    """Length of the hash in bytes: 48 or 64."""
    return _HASHES[name].digest_size


def extract(name: HashName, salt: Buffer, secret: Buffer) -> bytes:
    """HKDF-Extract: a pseudorandom key as long as the hash. An empty salt means zeros."""
    return HKDF.extract(_HASHES[name], bytes(salt) or None, secret)


def expand(name: HashName, key: Buffer, info: Buffer, length: int) -> bytes:
    """HKDF-Expand: `length` bytes, at most 255 times the length of the hash (else ValueError)."""
    return HKDFExpand(_HASHES[name], length, bytes(info)).derive(key)


def expand_label(
    name: HashName, secret: Buffer, label: bytes, context: Buffer, length: int
) -> bytes:
    """The `length` bytes of key that `label` and `context` (each at most 255 bytes) name."""
    context = bytes(context)
    info = b"".join(
        (
            length.to_bytes(2),
            len(label).to_bytes(1),
            label,
            len(context).to_bytes(1),
            context,
        )
    )
    return expand(name, secret, info, length)


class Transcript:
    """A running hash over the parts of a conversation."""

    def __init__(self, name: HashName) -> None:
        self._hash = hashlib.new(name)

    def add(self, part: Buffer) -> None:
        """Hash one part: its length as u64, then its bytes."""
        self._hash.update(memoryview(part).nbytes.to_bytes(8))
        self._hash.update(part)

    def digest(self) -> bytes:
        """The hash over all parts so far; more may follow."""
        return self._hash.copy().digest()
