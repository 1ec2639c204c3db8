"""The hash that names a blob: a Merkle tree over 64 KiB leaves, bound to the length.

The tree is that of RFC 6962 section 2.1 with SHA-256: a leaf is H(0x00 ‖ data), a node is
H(0x01 ‖ left ‖ right), and a tree of n leaves splits at the largest power of two below n. The name
of a blob is H(0x02 ‖ length as u64 ‖ tree root), so that a leaf, a node and a name are never the
same hash, and no blob of another length has the same tree. An empty blob has the root H("").

A tree, not a flat hash, so that a piece of a large model can later be checked by itself. Hashing
streams: one running leaf and at most log2(n) finished subtrees are held.
"""

from __future__ import annotations

import hashlib
from typing import Final

LEAF_BYTES: Final = 64 * 1024
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"
_NAME: Final = b"\x02"

Buffer = bytes | bytearray | memoryview


class MerkleHasher:
    """Computes a blob's name from its bytes in order, in pieces of any size."""

    def __init__(self) -> None:
        self._leaf = hashlib.sha256(_LEAF)
        self._room = LEAF_BYTES  # bytes that the running leaf still takes
        self._leaves = 0
        self._subtrees: list[bytes] = []  # perfect subtrees, largest first: the bits of _leaves
        self.length = 0

    def update(self, data: Buffer) -> None:
        """Append ``data`` (C-contiguous); it is not kept."""
        view = memoryview(data).cast("B") if len(data) else memoryview(b"")
        self.length += len(view)
        while len(view):
            piece, view = view[: self._room], view[self._room :]
            self._leaf.update(piece)
            self._room -= len(piece)
            if not self._room:
                self._close_leaf()

    def digest(self) -> bytes:
        """Return the 32-byte name of what came so far; more may follow."""
        pending = list(self._subtrees)
        if self._room < LEAF_BYTES:
            pending.append(self._leaf.digest())
        root = pending.pop() if pending else hashlib.sha256().digest()
        while pending:
            root = _node(pending.pop(), root)
        return hashlib.sha256(_NAME + self.length.to_bytes(8, "big") + root).digest()

    def _close_leaf(self) -> None:
        """Add the running leaf; merge equal subtrees as a binary counter carries."""
        tree = self._leaf.digest()
        carry = self._leaves
        while carry & 1:
            tree = _node(self._subtrees.pop(), tree)
            carry >>= 1
        self._subtrees.append(tree)
        self._leaves += 1
        self._leaf = hashlib.sha256(_LEAF)
        self._room = LEAF_BYTES


def blob_hash(data: Buffer) -> bytes:
    """Return the name of the blob ``data``."""
    hasher = MerkleHasher()
    hasher.update(data)
    return hasher.digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
