"""Models as bytes: round trips, one encoding, and manifests that lie."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from qrfld.crypto.encoding import pack
from qrfld.protocol.errors import TensorError
from qrfld.protocol.tensors import (
    MAX_MANIFEST_BYTES,
    MAX_TENSORS,
    MerkleHasher,
    blob_hash,
    decode,
    encode,
    flat_float32,
    layout,
    parse_manifest,
    unflatten,
)

LIMIT = 1 << 20

arrays = st.sampled_from(["<f2", "<f4", "<f8", "<i4", "<i8", "|u1", ">f4", ">i8"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
)
models = st.dictionaries(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30),
    arrays,
    min_size=1,
    max_size=5,
)


def blob(model: Mapping[str, NDArray[Any]]) -> bytes:
    return b"".join(encode(model))


def forge(entries: object, data: bytes = b"") -> bytes:
    """Return a blob with any manifest: what a hostile peer would send."""
    packed = entries if isinstance(entries, bytes) else pack(entries)
    head = b"QRFT" + len(packed).to_bytes(4, "big") + packed
    return head + bytes(-len(head) % 64) + data


SMALL = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "n": np.uint8([1, 2, 3]),
    "b": np.float64([0.5]),
}
FLAT = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32([7, 8])}


@given(models)
def test_model_round_trips(model: dict[str, NDArray[Any]]) -> None:
    data = blob(model)
    back = decode(data, max_bytes=len(data))
    assert list(back) == list(model)
    for name, array in model.items():
        assert back[name].shape == array.shape
        assert back[name].dtype == array.dtype.newbyteorder("<")
        assert back[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()
    assert parse_manifest(data, LIMIT) == layout(model)
    assert layout(model).total_bytes == len(data)


def test_blob_is_exactly_as_specified() -> None:
    manifest = b"\x91\x93\xa1w\xa2f4\x91\x02"
    head = b"QRFT\x00\x00\x00\x09" + manifest + bytes(64 - 17)
    assert blob({"w": np.float32([1, -2])}) == head + bytes.fromhex("0000803f000000c0")


def test_blocks_are_aligned_to_their_items_with_zeros() -> None:
    manifest = layout(SMALL)
    offsets = [tensor.offset - manifest.data_offset for tensor in manifest.tensors]
    assert offsets == [0, 24, 32]
    assert manifest.data_offset % 64 == 0


def test_decode_copies_nothing_and_cannot_be_written_through() -> None:
    data = bytearray(blob(FLAT))
    model = decode(data)
    data[-4:] = np.float32([99]).tobytes()
    assert model["b"][1] == 99
    with pytest.raises(ValueError, match="read-only"):
        model["b"][0] = 1


def test_encode_of_contiguous_arrays_copies_nothing() -> None:
    array = np.zeros(100, np.float32)
    block = encode({"w": array})[1]
    array[0] = 1
    assert bytes(block[:4]) == np.float32([1]).tobytes()


def test_encode_of_strided_and_big_endian_arrays_writes_their_values() -> None:
    array = np.arange(12, dtype=">f4").reshape(3, 4).T
    np.testing.assert_array_equal(decode(blob({"w": array}))["w"], array)


def test_flat_view_and_unflatten_are_inverse() -> None:
    data = blob(FLAT)
    manifest = parse_manifest(data, LIMIT)
    vector = flat_float32(data, manifest)
    np.testing.assert_array_equal(vector, [0, 1, 2, 3, 4, 5, 7, 8])
    back = unflatten(vector, manifest)
    assert {k: v.tolist() for k, v in back.items()} == {k: v.tolist() for k, v in FLAT.items()}
    assert manifest.head + vector.tobytes() == data


def test_flat_view_of_other_dtypes_or_another_manifest_is_refused() -> None:
    data = blob(SMALL)
    with pytest.raises(TensorError, match="'n' is u1"):
        flat_float32(data, parse_manifest(data, LIMIT))
    with pytest.raises(TensorError, match="another manifest"):
        flat_float32(blob({"v": FLAT["w"]}), layout({"w": FLAT["w"]}))
    with pytest.raises(TensorError, match="its manifest says"):
        flat_float32(blob(FLAT)[:-4], layout(FLAT))


@pytest.mark.parametrize("vector", [np.zeros(7, np.float32), np.zeros(8), np.zeros((8, 1))])
def test_unflatten_of_a_vector_that_does_not_fit_is_refused(vector: NDArray[Any]) -> None:
    with pytest.raises(TensorError, match="model takes"):
        unflatten(vector, layout(FLAT))


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"": np.zeros(1, np.float32)},
        {"a\n": np.zeros(1, np.float32)},
        {"\udc80": np.zeros(1, np.float32)},
        {"x" * 257: np.zeros(1, np.float32)},
        {"c": np.zeros(1, np.complex64)},
        {"o": np.array([None])},
        {"s": np.array(["x"])},
        {"b": np.zeros(1, bool)},
        {"d": np.zeros((1,) * 9, np.float32)},
        {str(i): np.zeros(1, np.float32) for i in range(MAX_TENSORS + 1)},
        {f"{i:0200}": np.zeros(1, np.float32) for i in range(400)},
    ],
    ids=lambda model: next(iter(model), "none")[:8],
)
def test_model_that_has_no_encoding_is_refused(model: dict[str, NDArray[Any]]) -> None:
    with pytest.raises(TensorError):
        encode(model)


LIES: dict[str, object] = {
    "no entries": [],
    "a map": {1: 2},
    "null": None,
    "too many": [["a", "f4", [0]]] * (MAX_TENSORS + 1),
    "twice": [["a", "f4", [1]], ["a", "f4", [1]]],
    "entry short": [["a", "f4"]],
    "entry long": [["a", "f4", [1], 0]],
    "offset instead of shape": [["a", "f4", 0]],
    "entry is text": ["abc"],
    "name is bytes": [[b"a", "f4", [1]]],
    "name with escape": [["\x1b[2J", "f4", [1]]],
    "name not ascii": [["é", "f4", [1]]],
    "dtype object": [["a", "O8", [1]]],
    "dtype big endian": [["a", ">f4", [1]]],
    "dtype bool": [["a", "b1", [1]]],
    "negative dim": [["a", "f4", [-1]]],
    "negative twice": [["a", "f4", [-1, -1]]],
    "dim is true": [["a", "f4", [True]]],
    "dim is float": [["a", "f4", [1.0]]],
    "dim is list": [["a", "f4", [[1]]]],
    "nine dims": [["a", "f4", [1] * 9]],
    "over the limit": [["a", "f4", [LIMIT // 4 + 1]]],
    "sum over the limit": [["a", "f4", [LIMIT // 4]], ["b", "f4", [1]]],
    "product wraps 64 bits to zero": [["a", "f4", [1 << 32, 1 << 32]]],
    "product wraps 64 bits to small": [["a", "f8", [(1 << 61) + 1]]],
    "largest dims": [["a", "f4", [(1 << 64) - 1] * 8]],
    "empty but huge": [["a", "f4", [0, 1 << 62, 1 << 62]]],
    "long form": b"\xdc\x00\x01\x93\xa1a\xa2f4\x91\x01",
    "trailing": b"\x91\x93\xa1a\xa2f4\x91\x01\x00",
    "bomb": b"\xdd\xff\xff\xff\xff" * 100,
    "deep": b"\x91" * 5000,
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_manifest_that_lies_is_refused_without_memory(lie: object) -> None:
    data = forge(lie, bytes(64))
    tracemalloc.start()
    try:
        with pytest.raises(TensorError):
            parse_manifest(data, LIMIT)
        with pytest.raises(TensorError):
            decode(data, max_bytes=LIMIT)
        assert tracemalloc.get_traced_memory()[1] < LIMIT + 20 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"QRFT",
        b"QRFX" + bytes(60),
        b"QRFT" + bytes(60),
        b"QRFT" + (MAX_MANIFEST_BYTES + 1).to_bytes(4, "big") + bytes(100),
        b"QRFT\xff\xff\xff\xff" + bytes(100),
    ],
)
def test_blob_with_a_bad_prefix_is_refused(head: bytes) -> None:
    with pytest.raises(TensorError):
        parse_manifest(head, LIMIT)


def test_blob_truncated_or_extended_anywhere_is_refused() -> None:
    data = blob(SMALL)
    for end in range(len(data)):
        with pytest.raises(TensorError):
            decode(data[:end])
    with pytest.raises(TensorError, match="its manifest says"):
        decode(data + b"\x00")


def test_blob_with_nonzero_padding_is_refused() -> None:
    data = blob(SMALL)
    manifest = layout(SMALL)
    used = {i for tensor in manifest.tensors for i in range(tensor.offset, tensor.end)}
    packed = 8 + int.from_bytes(data[4:8], "big")
    for at in set(range(packed, len(data))) - used:
        changed = bytearray(data)
        changed[at] = 1
        with pytest.raises(TensorError, match="padding"):
            decode(changed)


@given(st.integers(0, 63), st.integers(1, 255))
def test_head_with_one_byte_changed_is_refused_or_another_manifest(at: int, flip: int) -> None:
    data = bytearray(blob(SMALL))
    data[at] ^= flip
    try:
        manifest = parse_manifest(data, LIMIT)
    except TensorError:
        return
    assert manifest != layout(SMALL)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(TensorError):
        decode(data, max_bytes=LIMIT)
    with pytest.raises(TensorError):
        decode(forge(data), max_bytes=LIMIT)


def test_pieces_hash_as_the_whole() -> None:
    hasher = MerkleHasher()
    for piece in encode(SMALL):
        hasher.update(piece)
    assert hasher.digest() == blob_hash(blob(SMALL))
