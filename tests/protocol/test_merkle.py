"""A blob's name: the RFC 6962 tree, and what must never have the same name."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrfld.protocol.merkle import LEAF_BYTES, MerkleHasher, blob_hash


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return sha(b"\x00" + leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


def name(data: bytes) -> bytes:
    leaves = [data[i : i + LEAF_BYTES] for i in range(0, len(data), LEAF_BYTES)]
    return sha(b"\x02" + len(data).to_bytes(8, "big") + root(leaves))


@pytest.mark.parametrize("leaves", range(18))
@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_name_equals_the_recursive_definition(leaves: int, extra: int) -> None:
    data = bytes(i % 251 for i in range(997)) * (18 * LEAF_BYTES // 997)
    data = data[: max(0, leaves * LEAF_BYTES + extra)]
    assert blob_hash(data) == name(data)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3 * LEAF_BYTES), max_size=6))
def test_name_does_not_depend_on_the_pieces(cuts: list[int]) -> None:
    data = b"qrfld" * LEAF_BYTES
    hasher = MerkleHasher()
    at = 0
    for cut in cuts:
        hasher.update(memoryview(data)[at : at + cut])
        at += cut
        assert hasher.digest() == blob_hash(data[:at])
    hasher.update(data[at:])
    assert hasher.digest() == blob_hash(data)
    assert hasher.length == len(data)


def test_name_of_two_leaves_is_not_the_name_of_their_hashes() -> None:
    left, right = b"l" * LEAF_BYTES, b"r" * LEAF_BYTES
    forged = sha(b"\x00" + left) + sha(b"\x00" + right)
    for candidate in (forged, b"\x01" + forged, b"\x00" + forged, sha(b"\x01" + forged)):
        assert blob_hash(left + right) != blob_hash(candidate)


def test_name_differs_from_leaf_node_and_flat_hash_of_the_same_bytes() -> None:
    data = b"x" * 100
    assert blob_hash(data) not in {sha(data), sha(b"\x00" + data), sha(b"\x01" + data)}


def test_name_binds_the_length() -> None:
    zeros = [blob_hash(bytes(n)) for n in (0, 1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1)]
    assert len(set(zeros)) == 5


def test_name_does_not_duplicate_a_last_odd_leaf() -> None:
    """The second preimage of trees that pair an odd leaf with itself (CVE-2012-2459)."""
    a, b = b"a" * LEAF_BYTES, b"b" * LEAF_BYTES
    assert blob_hash(a + b + b) != blob_hash(a + b + b + b)
    assert blob_hash(a + a) != blob_hash(a)


def test_hashing_holds_no_more_than_a_leaf() -> None:
    piece = bytes(LEAF_BYTES)
    hasher = MerkleHasher()
    tracemalloc.start()
    try:
        for _ in range(200):
            hasher.update(piece)
        hasher.digest()
        assert tracemalloc.get_traced_memory()[1] < LEAF_BYTES
    finally:
        tracemalloc.stop()


def test_hasher_takes_arrays_of_other_items_as_bytes() -> None:
    assert blob_hash(memoryview(b"\x01\x00\x02\x00").cast("H")) == blob_hash(b"\x01\x00\x02\x00")
