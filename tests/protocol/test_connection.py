from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable

import pytest
from protocol_pair import (
    Pair,
    bulk_pair,
    fresh_pair,
    inject,
    open_bulk_pair,
    open_pair,
    taken,
)

from qrfld.protocol.connection import Connection, State
from qrfld.protocol.credit import INITIAL_CREDIT
from qrfld.protocol.errors import (
    CreditError,
    ErrorCode,
    FrameError,
    LocalProtocolError,
    MessageError,
    RecordError,
    RemoteProtocolError,
    StreamError,
    TooManyStreamsError,
    TruncatedError,
    UnexpectedFrameError,
)
from qrfld.protocol.events import (
    ChunkReceived,
    ConnectionClosed,
    CreditGranted,
    MessageReceived,
    PongReceived,
    StreamCreditGranted,
    StreamRequested,
    StreamReset,
)
from qrfld.protocol.frames import (
    Chunk,
    Credit,
    Frame,
    Get,
    MessageFrame,
    Ping,
    Reset,
    StreamCredit,
)
from qrfld.protocol.messages import Hello, RoundRecordMessage, RunSync
from qrfld.protocol.records import MAX_BULK_SEALED, MAX_CONTROL_SEALED

BLOB = b"\xab" * 32
SYNC = RunSync(run=bytes(16), next_round=3)
LARGE = RoundRecordMessage(statement=bytes(60_000))


def assert_closed_with(connection: Connection, code: ErrorCode) -> None:
    """Closed; told its owner once and the peer by one more record."""
    assert connection.state is State.CLOSED
    closed = connection.events_received()[-1]
    assert isinstance(closed, ConnectionClosed)
    assert (closed.code, closed.remote) == (code, False)
    assert len(connection.data_to_send()) == 1
    assert connection.events_received() == []


# Messages and their credit


def test_message_arrives_with_its_size() -> None:
    pair = open_pair()
    pair.initiator.send_message(SYNC)
    assert pair.heard()[1] == [MessageReceived(SYNC, len(SYNC.encode()))]


def test_messages_keep_their_order_in_both_directions() -> None:
    pair = open_pair()
    for number in range(5):
        pair.initiator.send_message(RunSync(run=bytes(16), next_round=number))
        pair.responder.send_message(RunSync(run=bytes(16), next_round=9 - number))
    ours, theirs = pair.heard()
    assert [event.message.next_round for event in theirs] == [0, 1, 2, 3, 4]  # type: ignore[union-attr]
    assert [event.message.next_round for event in ours] == [9, 8, 7, 6, 5]  # type: ignore[union-attr]


def test_largest_message_fits_in_a_record() -> None:
    pair = open_pair()
    largest = RoundRecordMessage(statement=bytes(65536 - 64))
    pair.initiator.send_message(largest)
    (received,) = pair.heard()[1]
    assert isinstance(received, MessageReceived)
    assert received.message == largest


def test_message_that_cannot_be_encoded_is_refused_locally() -> None:
    pair = open_pair()
    with pytest.raises(LocalProtocolError, match="cannot be sent"):
        pair.initiator.send_message(RunSync(run=bytes(15), next_round=3))
    pair.initiator.send_message(SYNC)
    assert len(pair.heard()[1]) == 1


def test_credit_runs_out_and_comes_back_as_messages_are_consumed() -> None:
    pair = open_pair()
    sender, receiver = pair.initiator, pair.responder
    assert sender.message_credit == INITIAL_CREDIT
    while sender.can_send(LARGE):
        sender.send_message(LARGE)
    assert sender.message_credit < len(LARGE.encode())
    with pytest.raises(LocalProtocolError, match="credit"):
        sender.send_message(LARGE)
    received = pair.heard()[1]
    assert len(received) == 4
    for event in received:
        assert isinstance(event, MessageReceived)
        receiver.consumed(event.size)
    granted = pair.heard()[0]
    assert granted
    assert all(isinstance(event, CreditGranted) for event in granted)
    assert sender.can_send(LARGE)


def test_message_beyond_the_credit_closes_the_connection() -> None:
    pair = open_pair()
    body = LARGE.encode()
    for _ in range(INITIAL_CREDIT // len(body)):
        pair.responder.receive_data(inject(pair.initiator, MessageFrame(body)))
    with pytest.raises(CreditError):
        pair.responder.receive_data(inject(pair.initiator, MessageFrame(body)))
    assert_closed_with(pair.responder, ErrorCode.CREDIT_EXCEEDED)


def test_consuming_too_much_is_refused_locally() -> None:
    with pytest.raises(LocalProtocolError):
        open_pair().initiator.consumed(1)


def test_credit_that_is_taken_back_closes_the_connection() -> None:
    pair = open_pair()
    with pytest.raises(CreditError):
        pair.responder.receive_data(inject(pair.initiator, Credit(1)))
    assert_closed_with(pair.responder, ErrorCode.CREDIT_EXCEEDED)


@pytest.mark.parametrize(
    "body",
    ["00fe80", "0013ff", "001380", "0001" + "81" * 50, "0013" + "8200c4100000", "0013" + "9" * 98],
)
def test_malformed_message_closes_the_connection(body: str) -> None:
    pair = open_pair()
    with pytest.raises(MessageError):
        pair.responder.receive_data(inject(pair.initiator, MessageFrame(bytes.fromhex(body))))
    assert_closed_with(pair.responder, ErrorCode.BAD_MESSAGE)


def test_message_that_may_be_ignored_gives_its_credit_back() -> None:
    pair = open_pair()
    unknown = b"\x00\xff" + bytes(60_000)
    for _ in range(20):
        pair.responder.receive_data(inject(pair.initiator, MessageFrame(unknown)))
    assert pair.responder.events_received() == []
    assert pair.responder.state is State.OPEN


# Ping, close, keys


@pytest.mark.parametrize("make", [open_pair, open_bulk_pair])
def test_ping_is_answered_with_its_token(make: object) -> None:
    pair: Pair = make()  # type: ignore[operator]
    pair.initiator.send_ping(b"initiato")
    pair.responder.send_ping(b"responde")
    ours, theirs = pair.heard()
    assert ours == [PongReceived(b"initiato")]
    assert theirs == [PongReceived(b"responde")]


def test_ping_token_of_another_size_is_refused_locally() -> None:
    with pytest.raises(LocalProtocolError):
        open_pair().initiator.send_ping(b"short")


def test_close_reaches_the_peer_and_ends_both_sides() -> None:
    pair = open_pair()
    pair.initiator.close(ErrorCode.SHUTTING_DOWN, "good night")
    ours, theirs = pair.heard()
    assert ours == [ConnectionClosed(ErrorCode.SHUTTING_DOWN, "good night", remote=False)]
    assert theirs == [ConnectionClosed(ErrorCode.SHUTTING_DOWN, "good night", remote=True)]
    assert pair.initiator.state is pair.responder.state is State.CLOSED
    pair.responder.receive_eof()
    assert pair.responder.events_received() == []


def test_close_twice_is_close_once() -> None:
    pair = open_pair()
    pair.initiator.close(0, "first")
    pair.initiator.close(1, "second")
    assert pair.heard()[1] == [ConnectionClosed(0, "first", remote=True)]


def test_close_in_the_handshake_sends_nothing() -> None:
    connection = fresh_pair().initiator
    connection.close(0, "changed my mind")
    assert taken(connection) == b""
    assert connection.events_received() == []
    assert connection.state is State.CLOSED


def test_bytes_after_the_end_are_ignored() -> None:
    pair = open_pair()
    pair.initiator.close(0, "")
    pair.responder.receive_data(taken(pair.initiator) + b"anything" * 100)
    pair.responder.receive_data(b"more")
    assert len(pair.responder.events_received()) == 1


def test_frames_behind_a_close_are_ignored() -> None:
    pair = open_pair()
    pair.initiator.close(0, "")
    late = inject(pair.initiator, Ping(bytes(8)))
    pair.responder.receive_data(taken(pair.initiator) + late)
    assert taken(pair.responder) == b""


@pytest.mark.parametrize("make", [open_pair, open_bulk_pair])
def test_end_without_close_is_a_truncation(make: object) -> None:
    pair: Pair = make()  # type: ignore[operator]
    with pytest.raises(TruncatedError):
        pair.initiator.receive_eof()
    (closed,) = pair.initiator.events_received()
    assert isinstance(closed, ConnectionClosed)
    assert (closed.code, closed.remote) == (ErrorCode.TRUNCATED, False)
    assert taken(pair.initiator) == b""


def test_session_truncated_at_any_byte_is_a_truncation() -> None:
    pair = open_pair()
    pair.initiator.send_message(SYNC)
    pair.initiator.close(0, "bye")
    stream = taken(pair.initiator)
    target = pair.responder
    for byte in stream[:-1]:
        target.receive_data(bytes([byte]))
        assert target.state is State.OPEN
    with pytest.raises(TruncatedError):
        target.receive_eof()


def test_rekey_goes_unnoticed_by_the_owners() -> None:
    pair = open_pair()
    for _ in range(3):
        pair.initiator.rekey()
        pair.initiator.send_message(SYNC)
        pair.responder.rekey()
        pair.responder.send_ping(bytes(8))
    ours, theirs = pair.heard()
    assert len([event for event in theirs if isinstance(event, MessageReceived)]) == 3
    assert ours == []
    assert theirs[-1] == PongReceived(bytes(8))


def test_key_is_stepped_before_its_limit() -> None:
    pair = open_pair()
    pair.initiator._sealer._generation.max_records = 4
    pair.responder._reader.opener._generation.max_records = 4
    for _ in range(20):
        pair.initiator.send_message(SYNC)
    assert len(pair.heard()[1]) == 20


def test_two_directions_have_different_keys() -> None:
    pair = open_pair()
    pair.initiator.send_ping(bytes(8))
    with pytest.raises(RecordError):
        pair.initiator.receive_data(taken(pair.initiator))


# Records: replay, reorder, change, mix


def test_replayed_record_closes_the_connection() -> None:
    pair = open_pair()
    pair.initiator.send_message(SYNC)
    record = taken(pair.initiator)
    pair.responder.receive_data(record)
    with pytest.raises(RecordError):
        pair.responder.receive_data(record)
    assert_closed_with(pair.responder, ErrorCode.BAD_RECORD)


def test_reordered_records_close_the_connection() -> None:
    pair = open_pair()
    pair.initiator.send_message(SYNC)
    first = taken(pair.initiator)
    pair.initiator.send_message(SYNC)
    with pytest.raises(RecordError):
        pair.responder.receive_data(taken(pair.initiator) + first)
    assert_closed_with(pair.responder, ErrorCode.BAD_RECORD)


def test_record_of_another_session_closes_the_connection() -> None:
    one, other = open_pair(), open_pair()
    one.initiator.send_message(SYNC)
    with pytest.raises(RecordError):
        other.responder.receive_data(taken(one.initiator))
    assert_closed_with(other.responder, ErrorCode.BAD_RECORD)


def test_record_of_the_control_connection_on_the_bulk_one_closes_it() -> None:
    control = open_pair()
    bulk = bulk_pair(control)
    bulk.heard()
    control.initiator.send_ping(bytes(8))
    with pytest.raises(RecordError):
        bulk.responder.receive_data(taken(control.initiator))


@pytest.mark.parametrize("size", [0, 16, MAX_CONTROL_SEALED + 1, 1 << 31, 0xFFFFFFFF])
def test_length_out_of_bounds_is_refused_before_allocation(size: int) -> None:
    pair = open_pair()
    tracemalloc.start()
    try:
        with pytest.raises(RecordError):
            pair.responder.receive_data(size.to_bytes(4))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert_closed_with(pair.responder, ErrorCode.BAD_RECORD)


def test_bulk_takes_larger_records_than_control() -> None:
    size = (MAX_CONTROL_SEALED + 1).to_bytes(4)
    open_bulk_pair().responder.receive_data(size)
    with pytest.raises(RecordError):
        open_bulk_pair().responder.receive_data((MAX_BULK_SEALED + 1).to_bytes(4))


# Streams


def test_blob_is_pulled_in_chunks_within_the_credit() -> None:
    pair = open_bulk_pair()
    pair.initiator.send_get(1, BLOB, 0, 10)
    assert pair.heard()[1] == [StreamRequested(1, BLOB, 0, 10)]
    pair.responder.send_chunk(1, 0, b"0123456789", last=False)
    with pytest.raises(LocalProtocolError, match="up to 10"):
        pair.responder.send_chunk(1, 10, b"x", last=True)
    assert pair.heard()[0] == [ChunkReceived(1, 0, memoryview(b"0123456789"), last=False)]
    pair.initiator.send_credit(1, 16)
    assert pair.heard()[1] == [StreamCreditGranted(1, 16)]
    pair.responder.send_chunk(1, 10, memoryview(b"abcdef"), last=True)
    assert pair.heard()[0] == [ChunkReceived(1, 10, memoryview(b"abcdef"), last=True)]


def test_blobs_go_both_ways_at_once() -> None:
    pair = open_bulk_pair()
    for connection in (pair.initiator, pair.responder):
        connection.send_get(connection.next_stream, BLOB, 0, 100)
    pair.heard()
    pair.initiator.send_chunk(2, 0, b"to the responder", last=True)
    pair.responder.send_chunk(1, 0, b"to the initiator", last=True)
    ours, theirs = pair.heard()
    assert ours == [ChunkReceived(1, 0, memoryview(b"to the initiator"), last=True)]
    assert theirs == [ChunkReceived(2, 0, memoryview(b"to the responder"), last=True)]


def test_refused_request_ends_its_own_stream_only() -> None:
    pair = open_bulk_pair()
    pair.initiator.send_get(1, BLOB, 0, 100)
    pair.responder.send_get(2, BLOB, 0, 100)
    pair.heard()
    pair.responder.send_reset(1, ErrorCode.NOT_FOUND)
    assert pair.heard() == ([StreamReset(1, ErrorCode.NOT_FOUND)], [])
    pair.initiator.send_chunk(2, 0, b"x", last=True)
    assert len(pair.heard()[1]) == 1


def test_cancelled_request_is_told_once_and_its_chunks_are_dropped() -> None:
    pair = open_bulk_pair()
    pair.initiator.send_get(1, BLOB, 0, 100)
    pair.heard()
    pair.responder.send_chunk(1, 0, b"on its way", last=False)
    pair.initiator.send_reset(1, ErrorCode.CANCELLED)
    assert pair.heard() == ([], [StreamReset(1, ErrorCode.CANCELLED)])
    with pytest.raises(LocalProtocolError, match="not open"):
        pair.responder.send_chunk(1, 10, b"x", last=True)
    pair.initiator.send_get(3, BLOB, 0, 100)
    assert len(pair.heard()[1]) == 1


def test_cancelled_request_is_over_once_the_supplier_has_answered() -> None:
    pair = open_bulk_pair()
    pair.initiator.send_get(1, BLOB, 0, 100)
    pair.initiator.send_reset(1, ErrorCode.CANCELLED)
    pair.heard()
    with pytest.raises(StreamError):
        pair.initiator.receive_data(inject(pair.responder, Chunk(1, 0, False, b"late")))


def test_resetting_or_crediting_an_ended_stream_says_nothing() -> None:
    pair = open_bulk_pair()
    pair.initiator.send_get(1, BLOB, 0, 100)
    pair.heard()
    pair.responder.send_reset(1, 5)
    pair.heard()
    pair.initiator.send_reset(1, 6)
    pair.initiator.send_credit(1, 200)
    pair.responder.send_reset(1, 5)
    assert taken(pair.initiator) == taken(pair.responder) == b""


def test_resets_that_cross_are_no_error() -> None:
    pair = open_bulk_pair()
    pair.initiator.send_get(1, BLOB, 0, 100)
    pair.heard()
    pair.initiator.send_reset(1, 6)
    pair.responder.send_reset(1, 5)
    assert pair.heard() == ([], [])
    assert pair.initiator.state is pair.responder.state is State.OPEN


def test_wrong_blob_hash_is_refused_locally() -> None:
    with pytest.raises(LocalProtocolError, match="not 31"):
        open_bulk_pair().initiator.send_get(1, BLOB[1:], 0, 1)


def test_reset_with_an_impossible_code_is_refused_locally_and_changes_nothing() -> None:
    pair = open_bulk_pair()
    pair.initiator.send_get(1, BLOB, 0, 1)
    with pytest.raises(LocalProtocolError):
        pair.initiator.send_reset(1, 1 << 16)
    pair.initiator.send_credit(1, 2)
    assert len(pair.heard()[1]) == 2


GETS = [Get(1, BLOB, 0, 1), Get(3, BLOB, 0, 1)]


@pytest.mark.parametrize(
    ("injected", "error"),
    [
        ([Get(2, BLOB, 0, 1)], StreamError),
        ([Get(0, BLOB, 0, 1)], StreamError),
        ([Get(3, BLOB, 0, 1), Get(1, BLOB, 0, 1)], StreamError),
        ([Get(1, BLOB, 0, 1), Get(1, BLOB, 0, 1)], StreamError),
        ([Get(n, BLOB, 0, 1) for n in range(1, 19, 2)], TooManyStreamsError),
        ([StreamCredit(1, 1)], StreamError),
        ([Get(1, BLOB, 0, 9), StreamCredit(1, 8)], CreditError),
        ([Reset(1, 6)], StreamError),
        ([Reset(2, 6)], StreamError),
        ([Chunk(2, 0, True, b"x")], StreamError),
        ([Chunk(1, 0, True, b"x")], StreamError),
    ],
)
def test_stream_rule_that_is_broken_closes_the_connection(
    injected: list[Frame], error: type[RemoteProtocolError]
) -> None:
    pair = open_bulk_pair()
    *before, wrong = [inject(pair.initiator, frame) for frame in injected]
    pair.responder.receive_data(b"".join(before))
    with pytest.raises(error):
        pair.responder.receive_data(wrong)
    assert_closed_with(pair.responder, error.code)


def test_chunk_beyond_the_credit_closes_the_connection() -> None:
    pair = open_bulk_pair()
    pair.responder.send_get(2, BLOB, 0, 10)
    pair.heard()
    with pytest.raises(CreditError):
        pair.responder.receive_data(inject(pair.initiator, Chunk(2, 0, False, bytes(11))))
    assert_closed_with(pair.responder, ErrorCode.CREDIT_EXCEEDED)


# The wrong place or time


@pytest.mark.parametrize("frame", [Get(1, BLOB, 0, 1), Chunk(1, 0, True, b"x"), Reset(1, 1)])
def test_bulk_frame_on_a_control_connection_closes_it(frame: Frame) -> None:
    pair = open_pair()
    with pytest.raises(UnexpectedFrameError):
        pair.responder.receive_data(inject(pair.initiator, frame))
    assert_closed_with(pair.responder, ErrorCode.UNEXPECTED_FRAME)


@pytest.mark.parametrize("frame", [MessageFrame(SYNC.encode()), Credit(1 << 40), b"\x07"])
def test_control_frame_or_late_confirmation_on_a_bulk_connection_closes_it(
    frame: Frame | bytes,
) -> None:
    pair = open_bulk_pair()
    with pytest.raises(UnexpectedFrameError):
        pair.responder.receive_data(inject(pair.initiator, frame))
    assert_closed_with(pair.responder, ErrorCode.UNEXPECTED_FRAME)


def test_unknown_frame_closes_the_connection() -> None:
    pair = open_pair()
    with pytest.raises(FrameError):
        pair.responder.receive_data(inject(pair.initiator, b"\x7f"))
    assert_closed_with(pair.responder, ErrorCode.BAD_FRAME)


def test_record_before_the_handshake_is_over_is_no_record() -> None:
    pair = fresh_pair()
    pair.responder.receive_data(taken(pair.initiator))
    m2 = taken(pair.responder)
    pair.initiator.receive_data(m2)
    taken(pair.initiator)  # M3 is lost; Alice believes herself in a session
    pair.initiator.send_message(LARGE)
    with pytest.raises(RemoteProtocolError):
        pair.responder.receive_data(taken(pair.initiator))
    assert pair.responder.events_received() == []


def calls(connection: Connection) -> list[object]:
    return [
        lambda: connection.send_message(SYNC),
        lambda: connection.consumed(0),
        lambda: connection.send_get(1, BLOB, 0, 1),
        lambda: connection.send_credit(1, 1),
        lambda: connection.send_chunk(1, 0, b"x", last=True),
        lambda: connection.send_reset(1, 1),
        lambda: connection.next_stream,
    ]


@pytest.mark.parametrize("number", range(7))
def test_calls_before_or_after_the_open_state_are_refused_locally(number: int) -> None:
    early, late = fresh_pair().initiator, open_pair().initiator
    late.close(0, "")
    for connection in (early, late):
        before = taken(connection)
        with pytest.raises(LocalProtocolError, match=connection.state.value):
            calls(connection)[number]()  # type: ignore[operator]
        with pytest.raises(LocalProtocolError):
            connection.send_ping(bytes(8))
        with pytest.raises(LocalProtocolError):
            connection.rekey()
        assert before
        assert taken(connection) == b""


@pytest.mark.parametrize("number", range(7))
def test_calls_on_the_wrong_kind_of_connection_are_refused_locally(number: int) -> None:
    connection = (open_bulk_pair() if number < 2 else open_pair()).initiator
    with pytest.raises(LocalProtocolError, match="cannot do this"):
        calls(connection)[number]()  # type: ignore[operator]
    assert taken(connection) == b""


def test_nothing_can_be_sent_on_a_connection_that_is_not_open() -> None:
    connection = fresh_pair().initiator
    assert not connection.can_send(SYNC)
    assert connection.message_credit == 0
    assert connection.streams_available == 0
    assert open_bulk_pair().initiator.streams_available == 8
    assert open_bulk_pair().initiator.message_credit == 0


def test_kind_is_known_when_the_first_bytes_are() -> None:
    pair = fresh_pair()
    assert pair.initiator.kind == "control"
    assert pair.responder.kind is None
    pair.responder.receive_data(b"QRF")
    assert pair.responder.kind is None
    pair.responder.receive_data(b"L")
    assert pair.responder.kind == "control"


# What is held


def test_listener_holds_no_more_than_one_handshake_message() -> None:
    pair = fresh_pair()
    pair.responder.receive_data(taken(pair.initiator))
    for _ in range(5278):
        pair.responder.receive_data(b"x")
        assert len(pair.responder._got) < 5279


def test_megabyte_records_in_small_reads_are_not_copied_over_and_over() -> None:
    """The reader's buffer is made once and filled in place."""
    pair = open_bulk_pair()
    pair.initiator.send_get(1, BLOB, 0, 8 << 20)
    pair.heard()
    buffers = set()
    for number in range(8):
        pair.responder.send_chunk(1, number << 20, bytes(1 << 20), last=number == 7)
        record = taken(pair.responder)
        for at in range(0, len(record), 65536):
            pair.initiator.receive_data(record[at : at + 65536])
            buffers.add(id(pair.initiator._reader._buffer))
    chunks = pair.initiator.events_received()
    assert len(chunks) == 8
    assert len(buffers) == 1


def test_chunks_are_read_only() -> None:
    pair = open_bulk_pair()
    pair.initiator.send_get(1, BLOB, 0, 8)
    pair.heard()
    pair.responder.send_chunk(1, 0, b"data", last=True)
    (chunk,) = pair.heard()[0]
    assert isinstance(chunk, ChunkReceived)
    assert chunk.data.readonly


def test_hello_crosses_with_optional_fields() -> None:
    pair = open_pair()
    hello = Hello(software="qrfld 0.1", certificate=b"certificate")
    pair.responder.send_message(hello)
    (received,) = pair.heard()[0]
    assert isinstance(received, MessageReceived)
    assert received.message == hello


@pytest.mark.parametrize("make", [fresh_pair, bulk_pair])
def test_secrets_of_the_handshake_end_with_it(make: Callable[[], Pair]) -> None:
    pair = make()
    steps = [weakref.ref(side._step) for side in (pair.initiator, pair.responder)]
    pair.exchange()
    gc.collect()
    assert [step() for step in steps] == [None, None]
    assert pair.initiator.state is pair.responder.state is State.OPEN
    assert pair.initiator.kind is not None
    assert pair.initiator.kind == pair.responder.kind


def test_secrets_of_a_failed_handshake_end_with_it() -> None:
    pair = fresh_pair()
    step = weakref.ref(pair.initiator._step)
    with pytest.raises(TruncatedError):
        pair.initiator.receive_eof()
    gc.collect()
    assert step() is None
    assert pair.initiator.kind == "control"
