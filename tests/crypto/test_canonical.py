"""The bounded msgpack reader: one spelling per value, and no memory for promises."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.crypto.canonical import MAX_DEPTH, pack, pack_text, unpack, unpack_text
from qrfld.crypto.errors import EncodingError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.binary(max_size=300)
)


def nested(keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=20) | st.dictionaries(keys, inner, max_size=20),
        max_leaves=30,
    )


numbered = nested(st.integers(0, 65535))


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def read(data: bytes) -> object:
    return unpack(data, max_bytes=1 << 20)


@given(numbered)
def test_value_round_trips_and_an_independent_reader_agrees(value: object) -> None:
    if depth(value) > MAX_DEPTH:
        with pytest.raises(EncodingError, match="containers inside"):
            pack(value)
        return
    data = pack(value)
    assert repr(read(data)) == repr(read(memoryview(data)))  # repr tells 1, 1.0 and True apart
    assert read(data) == value
    assert msgpack.unpackb(data, strict_map_key=False) == value
    assert pack(read(data)) == data


@given(st.binary(max_size=64))
def test_whatever_is_read_has_exactly_the_bytes_that_came(data: bytes) -> None:
    try:
        value = read(data)
    except EncodingError:
        return
    assert pack(value) == data


@given(numbered.filter(lambda v: depth(v) <= MAX_DEPTH), st.data())
def test_one_changed_byte_is_refused_or_read_as_another_value(
    value: object, data: st.DataObject
) -> None:
    encoded = bytearray(pack(value))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        changed = read(bytes(encoded))
    except EncodingError:
        return
    assert pack(changed) == bytes(encoded)


@given(numbered.filter(lambda v: depth(v) <= MAX_DEPTH))
def test_truncation_anywhere_and_trailing_bytes_are_refused(value: object) -> None:
    data = pack(value)
    for end in range(len(data)):
        with pytest.raises(EncodingError):
            read(data[:end])
    with pytest.raises(EncodingError, match="1 bytes follow"):
        read(data + b"\x00")


SIZES = [0, 1, 15, 16, 31, 32, 127, 128, 255, 256, 65535, 65536]


@pytest.mark.parametrize("size", SIZES)
def test_lengths_at_the_borders_of_the_forms_round_trip(size: int) -> None:
    for value in (b"x" * size, "x" * size, [None] * size, dict.fromkeys(range(size))):
        if not isinstance(value, dict) or size <= 65536:
            assert read(pack(value)) == value


@pytest.mark.parametrize("bits", [*range(0, 65)])
def test_integers_at_the_borders_of_the_forms_round_trip(bits: int) -> None:
    for number in {(1 << bits) - 1, 1 << bits, (1 << bits) + 1, -(1 << bits), -(1 << bits) - 1}:
        if -(1 << 63) <= number < 1 << 64:
            assert read(pack(number)) == number


LONG_FORMS = {
    "uint8 of 127": "cc7f",
    "uint16 of 255": "cd00ff",
    "uint32 of 65535": "ce0000ffff",
    "uint64 of 2^32-1": "cf00000000ffffffff",
    "int8 of 0": "d000",
    "int8 of -32": "d0e0",
    "int16 of -128": "d1ff80",
    "int16 of 5": "d10005",
    "int32 of -32768": "d2ffff8000",
    "int64 of -2^31": "d3ffffffff80000000",
    "int64 of 1": "d30000000000000001",
    "str8 of 31": "d91f" + "61" * 31,
    "str16 of 1": "da000161",
    "str32 of 1": "db0000000161",
    "bin16 of 1": "c5000161",
    "bin32 of 1": "c60000000161",
    "array16 of 1": "dc0001c0",
    "array32 of 1": "dd00000001c0",
    "map16 of 1": "de00010000",
    "map32 of 1": "df000000010000",
}


@pytest.mark.parametrize("spelling", LONG_FORMS.values(), ids=LONG_FORMS.keys())
def test_longer_form_is_refused(spelling: str) -> None:
    msgpack.unpackb(bytes.fromhex(spelling), strict_map_key=False)  # valid msgpack, that is
    with pytest.raises(EncodingError, match="shortest form"):
        read(bytes.fromhex(spelling))


REFUSED = {
    "float32": "ca3f800000",
    "nan": "cb7ff8000000000000",
    "infinity": "cb7ff0000000000000",
    "minus infinity": "cbfff0000000000000",
    "never used": "c1",
    "fixext": "d40100",
    "ext8": "c7000100",
    "timestamp": "d6ff00000000",
    "not utf-8": "a1ff",
    "surrogate": "a3eda080",
    "keys not ascending": "8202000100",
    "key twice": "8201000100",
    "key negative": "81ff00",
    "key over 65535": "81ce0001000000",
    "key text": "81a16100",
    "key true": "81c300",
    "key null": "81c000",
    "key float": "81cb000000000000000000",
    "key bytes": "81c4016100",
    "key list": "819000",
    "key map": "818000",
}


@pytest.mark.parametrize("spelling", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_canonical_is_refused(spelling: str) -> None:
    with pytest.raises(EncodingError):
        read(bytes.fromhex(spelling))


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        1 << 64,
        -(1 << 63) - 1,
        "\ud800",
        {"a": 1},
        {-1: 1},
        {65536: 1},
        {True: 1},
        {1.0: 1},
        {None: 1},
        {1: 1, "a": 2},
        object(),
        bytearray(b"x"),
        {1, 2},
        1j,
    ],
    ids=lambda value: type(value).__name__ if type(value) is object else repr(value),
)
def test_value_without_an_encoding_is_refused(value: object) -> None:
    for wrapped in (value, [value], {1: value}):
        with pytest.raises(EncodingError):
            pack(wrapped)


def test_depth_of_eight_is_allowed_and_nine_is_not() -> None:
    assert read(b"\x91" * 7 + b"\x90") == [[[[[[[[]]]]]]]]
    with pytest.raises(EncodingError, match="8 containers"):
        read(b"\x91" * 8 + b"\x90")
    with pytest.raises(EncodingError, match="8 containers"):
        read(b"\x81\x00" * 8 + b"\x80")


def test_input_over_its_size_is_refused_before_it_is_read() -> None:
    with pytest.raises(EncodingError, match="3 bytes where at most 2"):
        unpack(b"\xc1\xc1\xc1", max_bytes=2)


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\x00\x00\xf0\x00" * 13000,
        b"\xdc\xff\x00" * 21000,
        b"\xdf\x7f\xff\xff\xff" + bytes(65000),
        b"\x91" * 65000,
        b"\xc6\xff\xff\xff\xff" * 13000,
    ],
)
def test_hostile_64_kilobytes_take_no_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        for reader in (unpack, unpack_text):
            with pytest.raises(EncodingError):
                reader(data, max_bytes=65536)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(nested(TEXT).filter(lambda v: depth(v) <= MAX_DEPTH))
def test_text_dialect_round_trips_and_reads_what_others_write(value: object) -> None:
    assert unpack_text(pack_text(value), max_bytes=1 << 20) == value
    assert unpack_text(msgpack.packb(value), max_bytes=1 << 20) == value


@pytest.mark.parametrize("spelling", LONG_FORMS.values(), ids=LONG_FORMS.keys())
def test_text_dialect_reads_longer_forms(spelling: str) -> None:
    data = bytes.fromhex(spelling)
    if data[0] in (0xDE, 0xDF):
        data = data[:-2] + b"\xa1a\x00"
    assert unpack_text(data, max_bytes=100) == msgpack.unpackb(data)


def test_text_dialect_reads_32_bit_floats_and_unordered_keys() -> None:
    assert unpack_text(bytes.fromhex("ca3f800000"), max_bytes=9) == 1.0
    assert unpack_text(b"\x82\xa1b\x01\xa1a\x02", max_bytes=9) == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x01\x02",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\xc4\x01a\x01",
        b"\xca\x7f\xc0\x00\x00",
        b"\xcb\x7f\xf0" + bytes(6),
        b"\xd4\x01\x00",
        b"\xc1",
        b"\x80\x80",
        b"\x91" * 9,
        b"",
    ],
)
def test_text_dialect_refuses_the_rest(data: bytes) -> None:
    with pytest.raises(EncodingError):
        unpack_text(data, max_bytes=100)


@pytest.mark.parametrize("value", [{1: 2}, {b"a": 1}, {"a": math.nan}, [object()]])
def test_text_dialect_writes_text_keys_only(value: object) -> None:
    with pytest.raises(EncodingError):
        pack_text(value)
