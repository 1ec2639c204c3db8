from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.protocol.errors import FrameError, LocalProtocolError, UnexpectedFrameError
from qrfld.protocol.frames import (
    ALLOWED,
    MAX_CHUNK,
    MAX_OFFSET,
    Chunk,
    Close,
    Credit,
    Frame,
    FrameType,
    Get,
    KeyUpdate,
    Kind,
    MessageFrame,
    Ping,
    Pong,
    Reset,
    StreamCredit,
    decode,
    encode,
)

KINDS: list[Kind] = ["control", "bulk"]
u16, u32, offsets = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, MAX_OFFSET)
tokens = st.binary(min_size=8, max_size=8)
both = st.one_of(
    st.builds(Ping, tokens),
    st.builds(Pong, tokens),
    st.builds(Close, u16, st.text(max_size=60)),
    st.builds(KeyUpdate),
)
bulk = st.one_of(
    st.builds(
        lambda stream, blob, ends: Get(stream, blob, min(ends), max(ends)),
        u32,
        st.binary(min_size=32, max_size=32),
        st.tuples(offsets, offsets),
    ),
    st.builds(Chunk, u32, offsets, st.booleans(), st.binary(min_size=1, max_size=99)),
    st.builds(StreamCredit, u32, offsets),
    st.builds(Reset, u32, u16),
)
control = st.one_of(st.builds(MessageFrame, st.binary(min_size=3)), st.builds(Credit, offsets))


@given(st.one_of(both, control))
def test_control_frame_decodes_to_itself(frame: Frame) -> None:
    assert decode("control", encode(frame)) == frame


@given(st.one_of(both, bulk))
def test_bulk_frame_decodes_to_itself(frame: Frame) -> None:
    assert decode("bulk", encode(frame)) == frame


@given(st.sampled_from(KINDS), st.binary(min_size=1, max_size=80))
def test_random_bytes_are_a_frame_or_a_frame_error(kind: Kind, data: bytes) -> None:
    try:
        frame = decode(kind, data)
    except (FrameError, UnexpectedFrameError):
        return
    assert encode(frame) == data  # one encoding per frame


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (MessageFrame(b"\x00\x01\x80"), "01000180"),
        (Ping(b"12345678"), "023132333435363738"),
        (Pong(b"12345678"), "033132333435363738"),
        (Close(5, "no"), "0400056e6f"),
        (KeyUpdate(), "05"),
        (Credit(0x40000), "060000000000040000"),
        (Get(3, b"\xaa" * 32, 1, 2), "1000000003" + "aa" * 32 + "00" * 7 + "01" + "00" * 7 + "02"),
        (Chunk(3, 256, True, b"hi"), "1100000003000000000000010001" + "6869"),
        (StreamCredit(3, 4), "12000000030000000000000004"),
        (Reset(3, 6), "13000000030006"),
    ],
)
def test_frame_has_the_layout_of_the_spec(frame: Frame, expected: str) -> None:
    assert encode(frame).hex() == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frame_type", FrameType)
def test_frame_on_the_wrong_kind_of_connection_is_refused(
    kind: Kind, frame_type: FrameType
) -> None:
    if frame_type not in ALLOWED[kind]:
        with pytest.raises(UnexpectedFrameError, match=frame_type.name):
            decode(kind, bytes([frame_type]) + bytes(60))


def test_confirmation_is_a_frame_of_no_open_connection() -> None:
    for kind in KINDS:
        with pytest.raises(UnexpectedFrameError):
            decode(kind, bytes([FrameType.BULK_CONFIRM]))


@pytest.mark.parametrize("unknown", [0x00, 0x09, 0x0F, 0x14, 0x7F, 0xFF])
def test_unknown_frame_is_refused(unknown: int) -> None:
    with pytest.raises(FrameError, match=f"0x{unknown:02x}"):
        decode("control", bytes([unknown]) + b"rest")


SIZED: list[tuple[Kind, Frame]] = [
    ("control", Ping(bytes(8))),
    ("control", Pong(bytes(8))),
    ("control", KeyUpdate()),
    ("control", Credit(1)),
    ("bulk", Get(1, bytes(32), 0, 9)),
    ("bulk", StreamCredit(1, 9)),
    ("bulk", Reset(1, 6)),
]


@pytest.mark.parametrize(("kind", "frame"), SIZED)
def test_frame_of_any_other_size_is_refused(kind: Kind, frame: Frame) -> None:
    data = encode(frame)
    for length in range(1, len(data)):
        with pytest.raises(FrameError):
            decode(kind, data[:length])
    with pytest.raises(FrameError):
        decode(kind, data + b"\x00")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("control", "01" + "0001"),
        ("control", "01" + "00" * 65539),
        ("control", "04" + "00"),
        ("control", "04" + "0000" + "61" * 256),
        ("control", "04" + "0000" + "ff"),
        ("control", "06" + "80" + "00" * 7),
        ("bulk", "10" + "00" * 36 + "00" * 7 + "02" + "00" * 7 + "01"),
        ("bulk", "10" + "00" * 36 + "00" * 8 + "80" + "00" * 7),
        ("bulk", "11" + "00" * 12),
        ("bulk", "11" + "00" * 12 + "00"),
        ("bulk", "11" + "00" * 12 + "02" + "61"),
        ("bulk", "11" + "00" * 4 + "80" + "00" * 7 + "00" + "61"),
        ("bulk", "11" + "00" * 13 + "00" * (MAX_CHUNK + 1)),
        ("bulk", "12" + "00" * 4 + "80" + "00" * 7),
    ],
)
def test_frame_with_a_value_out_of_bounds_is_refused(kind: Kind, data: str) -> None:
    with pytest.raises(FrameError):
        decode(kind, bytes.fromhex(data))


def test_reason_is_cut_between_characters() -> None:
    close = decode("control", encode(Close(1, "ä" * 200)))
    assert isinstance(close, Close)
    assert close.reason == "ä" * 127


def test_field_out_of_bounds_is_refused_locally() -> None:
    with pytest.raises(LocalProtocolError):
        encode(Reset(1, 0x10000))


def test_chunk_keeps_its_bytes_out_of_repr() -> None:
    assert "secret" not in repr(Chunk(1, 0, True, b"secret"))
