"""Invariant: a blob's hash is that of RFC 6962's recursive tree, whatever pieces it comes in.

Input: a script of the blob's length and contents and of the places where it is cut.
"""

from __future__ import annotations

import hashlib

from fuzz.invariants import require
from fuzz.script import Script
from qrfld.protocol.merkle import LEAF_BYTES, MerkleHasher, blob_hash

MAX_LEN = 64


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    length = script.below(6 * LEAF_BYTES + 2, 4)
    pattern = script.take(16) or b"\0"
    blob = (pattern * (length // len(pattern) + 1))[:length]
    expected = hashlib.sha256(b"\x02" + length.to_bytes(8) + _root(blob)).digest()
    require(blob_hash(blob) == expected, "a blob's hash follows the recursive definition")
    hasher = MerkleHasher()
    for piece in script.cut(blob):
        hasher.update(piece)
        hasher.digest()
    require(hasher.digest() == expected, "pieces change nothing")


def _root(blob: bytes) -> bytes:
    """The tree of section 15.1, written as the text has it."""
    leaves = -(-len(blob) // LEAF_BYTES)
    if leaves == 0:
        return hashlib.sha256().digest()
    if leaves == 1:
        return hashlib.sha256(b"\0" + blob).digest()
    left = LEAF_BYTES << ((leaves - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + _root(blob[:left]) + _root(blob[left:])).digest()


def seeds() -> list[bytes]:
    """Lengths around the leaves' borders."""
    lengths = [0, 1, 65535, 65536, 65537, 131072, 196608, 262145, 393217]
    return [
        length.to_bytes(4) + b"0123456789abcdef\x02\x00\x10\x00\x00\xff\xff" for length in lengths
    ]
