"""The key schedule's primitives: HKDF (RFC 5869) and the transcript hash.

All derivations use the suite's hash. `Source.label` is the only way a key is made from a secret; it
binds three things without ambiguity, so that no two uses can give the same key:

    info = u16 length ‖ u8 len(label) ‖ label ‖ u8 len(context) ‖ context

A transcript hashes the raw bytes of each part behind its length, so that no two sequences of parts
give the same hash.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

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


class Source:
    """What keys are made from: a pseudorandom key, with which HMAC is keyed once for all of them.

    The library's HKDFExpand would key it anew for each, and a handshake makes some twenty.
    """

    def __init__(self, name: HashName, secret: Buffer) -> None:
        self.size = hash_size(name)
        self._mac = HMAC(bytes(secret), _HASHES[name])

    def expand(self, info: bytes, length: int) -> bytes:
        """HKDF-Expand (RFC 5869, 2.3): `length` bytes, at most 255 hashes (else ValueError)."""
        output = block = b""
        for counter in range(1, -(-length // self.size) + 1):
            mac = self._mac.copy()
            mac.update(block + info + bytes((counter,)))
            block = mac.finalize()
            output += block
        return output[:length]

    def label(self, label: bytes, context: Buffer = b"", length: int | None = None) -> bytes:
        """The key that `label` and `context` (each at most 255 bytes) name: Expand-Label.

        As long as the hash unless `length` says otherwise.
        """
        length = self.size if length is None else length
        named = len(label).to_bytes(1) + label + len(context).to_bytes(1) + bytes(context)
        return self.expand(length.to_bytes(2) + named, length)


def expand_label(
    name: HashName, secret: Buffer, label: bytes, context: Buffer, length: int
) -> bytes:
    """One key of `length` bytes from a secret of which no others are made."""
    return Source(name, secret).label(label, context, length)


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
