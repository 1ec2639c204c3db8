from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.protocol.errors import KeyLimitError, RecordError
from qrfld.protocol.keys import Chain
from qrfld.protocol.records import (
    HEADER_SIZE,
    MAX_BULK_SEALED,
    MAX_CONTROL_SEALED,
    MIN_SEALED,
    Opener,
    RecordReader,
    Sealer,
)

CHAIN = Chain(0x0101, bytes(48))


def reader(max_sealed: int = MAX_CONTROL_SEALED) -> RecordReader:
    return RecordReader(Opener(CHAIN), max_sealed)


def read_all(target: RecordReader, data: bytes) -> list[bytes]:
    frames, view = [], memoryview(data)
    while len(view):
        frame, view = target.take(view)
        if frame is not None:
            frames.append(frame)
    return frames


def test_record_is_length_and_sealed_frame() -> None:
    record = Sealer(CHAIN).seal(b"frame")
    assert record[:4] == (5 + 16).to_bytes(4)
    opened = CHAIN.cipher().open(CHAIN.iv(), record[4:], record[:4])
    assert opened == b"frame"


def test_second_record_has_the_next_nonce() -> None:
    sealer = Sealer(CHAIN)
    sealer.seal(b"one")
    record = sealer.seal(b"two")
    nonce = (int.from_bytes(CHAIN.iv()) ^ 1).to_bytes(12)
    assert CHAIN.cipher().open(nonce, record[4:], record[:4]) == b"two"


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.data())
def test_records_cut_anywhere_give_the_same_frames(
    frames: list[bytes], data: st.DataObject
) -> None:
    sealer, target = Sealer(CHAIN), reader()
    stream = b"".join(sealer.seal(frame) for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    received: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += read_all(target, stream[start:end])
    assert received == frames
    assert not target.mid_record


def test_flipping_any_byte_of_a_record_is_noticed() -> None:
    record = bytes(Sealer(CHAIN).seal(b"a frame"))
    for at in range(len(record)):
        changed = record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
        target = reader()
        try:
            assert read_all(target, changed) == []
        except RecordError:
            continue
        assert target.mid_record  # a greater length waits for more, and then does not open
        with pytest.raises(RecordError):
            read_all(target, bytes(70_000))


def test_replayed_record_is_refused() -> None:
    record, target = bytes(Sealer(CHAIN).seal(b"once")), reader()
    read_all(target, record)
    with pytest.raises(RecordError, match="record 1"):
        read_all(target, record)


def test_reordered_or_dropped_record_is_refused() -> None:
    sealer = Sealer(CHAIN)
    sealer.seal(b"first")
    with pytest.raises(RecordError, match="record 0"):
        read_all(reader(), bytes(sealer.seal(b"second")))


def test_record_of_the_other_direction_is_refused() -> None:
    record = bytes(Sealer(Chain(0x0101, bytes([1]) * 48)).seal(b"frame"))
    with pytest.raises(RecordError):
        read_all(reader(), record)


@pytest.mark.parametrize("size", [0, 1, MIN_SEALED - 1, MAX_CONTROL_SEALED + 1, 0xFFFFFFFF])
def test_length_out_of_bounds_is_refused_before_allocation(size: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RecordError, match=str(size)):
            read_all(reader(), size.to_bytes(4))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [MIN_SEALED, MAX_BULK_SEALED])
def test_length_at_its_bounds_is_accepted(size: int) -> None:
    frame = bytes(size - 16)
    record = bytes(Sealer(CHAIN).seal(frame))
    target = reader(MAX_BULK_SEALED)
    assert read_all(target, record[:1000]) + read_all(target, record[1000:]) == [frame]


def test_reader_holds_at_most_one_record() -> None:
    target, sealer = reader(MAX_BULK_SEALED), Sealer(CHAIN)
    for _ in range(3):
        record = bytes(sealer.seal(bytes(1 << 20)))
        for at in range(0, len(record), 100_000):
            read_all(target, record[at : at + 100_000])
            assert len(target._buffer) <= HEADER_SIZE + MAX_BULK_SEALED


def test_step_changes_the_key_on_both_sides() -> None:
    sealer, opener = Sealer(CHAIN), Opener(CHAIN)
    before = bytes(sealer.seal(b"x"))
    opener.open(before[:4], before[4:])
    sealer.step()
    after = bytes(sealer.seal(b"x"))
    with pytest.raises(RecordError):
        opener.open(after[:4], after[4:])
    opener.step()
    assert opener.open(after[:4], after[4:]) == b"x"


def test_sealer_asks_for_a_step_before_its_limits() -> None:
    sealer = Sealer(CHAIN, max_records=3)
    assert not sealer.must_step(1)
    sealer.seal(b"x")
    assert not sealer.must_step(1)
    sealer.seal(b"x")
    assert sealer.must_step(1)  # the third record is the KEY_UPDATE's
    sealer.step()
    assert not sealer.must_step(1)
    assert Sealer(CHAIN, max_bytes=1000).must_step(1000 - 16 - 16)
    assert not Sealer(CHAIN, max_bytes=1000).must_step(1000 - 16 - 17)


def test_opener_refuses_records_beyond_the_limit() -> None:
    sealer, opener = Sealer(CHAIN), Opener(CHAIN, max_records=2)
    for _ in range(2):
        record = bytes(sealer.seal(b"x"))
        opener.open(record[:4], record[4:])
    record = bytes(sealer.seal(b"x"))
    with pytest.raises(KeyLimitError, match="2 records"):
        opener.open(record[:4], record[4:])


def test_opener_refuses_bytes_beyond_the_limit() -> None:
    record = bytes(Sealer(CHAIN).seal(bytes(100)))
    with pytest.raises(KeyLimitError):
        Opener(CHAIN, max_bytes=115).open(record[:4], record[4:])
