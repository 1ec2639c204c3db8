from __future__ import annotations

import pytest

from qrfld.protocol.errors import (
    CreditError,
    LocalProtocolError,
    StreamError,
    TooManyStreamsError,
)
from qrfld.protocol.frames import MAX_CHUNK, MAX_OFFSET, Chunk, Get
from qrfld.protocol.streams import MAX_STREAM, MAX_STREAMS, Fetches, Supplies

BLOB = bytes(32)


def fetching(limit: int = 100) -> Fetches:
    fetches = Fetches(initiator=True)
    fetches.get(Get(1, BLOB, 0, limit))
    return fetches


def supplying(limit: int = 100) -> Supplies:
    supplies = Supplies(initiator=False)
    supplies.get(Get(1, BLOB, 0, limit))
    return supplies


def chunk(offset: int, size: int, *, stream: int = 1, last: bool = False) -> Chunk:
    return Chunk(stream, offset, last, bytes(size))


# What we asked for


def test_numbers_are_odd_for_the_initiator_and_even_for_the_responder() -> None:
    for initiator, first in ((True, 1), (False, 2)):
        fetches = Fetches(initiator=initiator)
        assert fetches.next_stream == first
        fetches.get(Get(first, BLOB, 0, 1))
        assert fetches.next_stream == first + 2
        assert fetches.ours(first)
        assert not fetches.ours(first + 1)
        assert not fetches.ours(first + 2)


@pytest.mark.parametrize("stream", [-1, 0, 1, 2, 4, MAX_STREAM + 2])
def test_asking_with_a_wrong_number_is_refused_locally(stream: int) -> None:
    with pytest.raises(LocalProtocolError):
        fetching().get(Get(stream, BLOB, 0, 1))


@pytest.mark.parametrize(("offset", "limit"), [(-1, 0), (2, 1), (0, MAX_OFFSET + 1)])
def test_asking_for_impossible_bounds_is_refused_locally(offset: int, limit: int) -> None:
    with pytest.raises(LocalProtocolError):
        Fetches(initiator=True).get(Get(1, BLOB, offset, limit))


def test_asking_for_too_many_blobs_is_refused_locally() -> None:
    fetches = Fetches(initiator=False)
    for stream in range(2, 2 + 2 * MAX_STREAMS, 2):
        fetches.get(Get(stream, BLOB, 0, 1))
    assert fetches.room == 0
    with pytest.raises(LocalProtocolError):
        fetches.get(Get(fetches.next_stream, BLOB, 0, 1))
    fetches.reset(2)
    assert fetches.room == 1


def test_chunks_in_order_are_wanted_until_the_last() -> None:
    fetches = fetching()
    assert fetches.chunk(chunk(0, 60))
    assert fetches.chunk(chunk(60, 40, last=True))
    with pytest.raises(StreamError):
        fetches.chunk(chunk(100, 1))


@pytest.mark.parametrize("offset", [0, 9, 11, MAX_OFFSET])
def test_chunk_out_of_order_is_refused(offset: int) -> None:
    fetches = fetching()
    fetches.chunk(chunk(0, 10))
    with pytest.raises(StreamError):
        fetches.chunk(chunk(offset, 10))


def test_chunk_beyond_the_credit_is_refused() -> None:
    fetches = fetching(limit=10)
    with pytest.raises(CreditError):
        fetches.chunk(chunk(0, 11))
    assert fetches.credit(1, 11)
    assert fetches.chunk(chunk(0, 11))


def test_credit_does_not_shrink() -> None:
    with pytest.raises(LocalProtocolError):
        fetching().credit(1, 99)


def test_credit_for_an_ended_stream_says_nothing() -> None:
    fetches = fetching()
    fetches.reset(1)
    assert not fetches.credit(1, 200)


def test_chunk_of_a_stream_that_never_was_is_refused() -> None:
    with pytest.raises(StreamError):
        fetching().chunk(chunk(0, 1, stream=3))


def test_cancelled_stream_drops_what_is_on_its_way_within_its_credit() -> None:
    fetches = fetching(limit=20)
    assert fetches.cancel(1)
    assert not fetches.cancel(1)
    assert fetches.room == MAX_STREAMS
    assert not fetches.chunk(chunk(0, 10))
    with pytest.raises(CreditError):
        fetches.chunk(chunk(10, 11))


@pytest.mark.parametrize("end", ["last", "reset"])
def test_cancelled_stream_is_over_when_the_supplier_says_so(end: str) -> None:
    fetches = fetching()
    fetches.cancel(1)
    if end == "last":
        assert not fetches.chunk(chunk(0, 10, last=True))
    else:
        assert not fetches.reset(1)
    with pytest.raises(StreamError):
        fetches.chunk(chunk(0, 1))


# What the peer asked for


@pytest.mark.parametrize("stream", [0, 1, 2, 4])
def test_request_with_a_wrong_number_is_refused(stream: int) -> None:
    with pytest.raises(StreamError):
        supplying().get(Get(stream, BLOB, 0, 1))


def test_request_with_a_decreasing_number_is_refused() -> None:
    supplies = supplying()
    supplies.get(Get(9, BLOB, 0, 1))
    with pytest.raises(StreamError):
        supplies.get(Get(7, BLOB, 0, 1))


def test_too_many_requests_are_refused() -> None:
    supplies = Supplies(initiator=False)
    for stream in range(1, 1 + 2 * MAX_STREAMS, 2):
        supplies.get(Get(stream, BLOB, 0, 1))
    with pytest.raises(TooManyStreamsError):
        supplies.get(Get(99, BLOB, 0, 1))


def test_ended_requests_make_room() -> None:
    supplies = Supplies(initiator=False)
    for stream in range(1, 101, 2):
        supplies.get(Get(stream, BLOB, 0, 1))
        assert supplies.end(stream)
        assert not supplies.end(stream)


def test_supplying_in_order_and_within_the_credit() -> None:
    supplies = supplying(limit=10)
    supplies.chunk(chunk(0, 10))
    with pytest.raises(LocalProtocolError):
        supplies.chunk(chunk(10, 1))
    assert supplies.credit(1, 20)
    supplies.chunk(chunk(10, 10, last=True))
    with pytest.raises(LocalProtocolError):
        supplies.chunk(chunk(20, 1))


@pytest.mark.parametrize(
    "wrong",
    [chunk(1, 1), chunk(0, 1, stream=3), chunk(0, 0), chunk(0, MAX_CHUNK + 1)],
    ids=["offset", "stream", "empty", "large"],
)
def test_supplying_against_the_rules_is_refused_locally(wrong: Chunk) -> None:
    with pytest.raises(LocalProtocolError):
        supplying(limit=1 << 30).chunk(wrong)


def test_empty_blob_is_an_empty_last_chunk() -> None:
    supplies, fetches = supplying(limit=0), fetching(limit=0)
    supplies.chunk(chunk(0, 0, last=True))
    assert fetches.chunk(chunk(0, 0, last=True))


def test_credit_that_is_taken_back_is_refused() -> None:
    supplies = supplying(limit=10)
    assert supplies.credit(1, 10)
    with pytest.raises(CreditError):
        supplies.credit(1, 9)


def test_credit_that_crosses_the_end_is_no_error() -> None:
    supplies = supplying()
    supplies.end(1)
    assert not supplies.credit(1, 200)
    with pytest.raises(StreamError):
        supplies.credit(3, 200)
