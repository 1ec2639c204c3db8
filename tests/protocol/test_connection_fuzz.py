"""Any bytes, cut anywhere: the same events, or one named error."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_pair import (
    Pair,
    endpoint,
    fresh_pair,
    identity,
    inject,
    open_bulk_pair,
    open_pair,
    taken,
)

from qrfld.protocol.connection import Connection, State
from qrfld.protocol.errors import RemoteProtocolError
from qrfld.protocol.events import ConnectionClosed, Event, MessageReceived
from qrfld.protocol.messages import Digest, RoundRecordMessage, RunSync

SYNC = RunSync(run=bytes(16), next_round=3)
LARGE = RoundRecordMessage(statement=bytes(60_000))


def script(pair: Pair) -> bytes:
    """What an initiator sends on an open session that does a bit of everything."""
    pair.initiator.send_message(SYNC)
    pair.initiator.send_ping(b"01234567")
    pair.initiator.rekey()
    pair.initiator.send_message(LARGE)
    pair.initiator.send_message(Digest(members=((bytes(32), 7),)))
    pair.initiator.close(3, "done")
    return taken(pair.initiator)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_bytes_cut_anywhere_give_the_same_events(cuts: list[float]) -> None:
    pair = open_pair()
    stream = script(pair)
    places = sorted(int(cut * len(stream)) for cut in cuts)
    received: list[Event] = []
    for start, end in zip([0, *places], [*places, len(stream)], strict=True):
        pair.responder.receive_data(stream[start:end])
        received += pair.responder.events_received()
    assert [type(event) for event in received] == [MessageReceived] * 3 + [ConnectionClosed]
    assert received[1].message == LARGE  # type: ignore[union-attr]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7000))
def test_handshake_cut_anywhere_gives_the_same_session(step: int) -> None:
    pair = fresh_pair()

    def carry(source: Connection, target: Connection) -> None:
        data = taken(source)
        for at in range(0, len(data), step):
            target.receive_data(bytearray(data[at : at + step]))

    carry(pair.initiator, pair.responder)
    carry(pair.responder, pair.initiator)
    pair.initiator.send_message(SYNC)
    carry(pair.initiator, pair.responder)
    assert len(pair.responder.events_received()) == 2


def feed(connection: Connection, data: bytes) -> None:
    """Any bytes at all are events, or one named error."""
    with suppress(RemoteProtocolError):
        connection.receive_data(data)
        connection.receive_eof()
    assert connection.state is State.CLOSED


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([b"", b"Q", b"QRFL\x01", b"QRFB\x01"]), st.binary(max_size=3000))
def test_random_bytes_to_a_listener_are_a_named_error(start: bytes, data: bytes) -> None:
    connection = Connection.accept(endpoint("bob"), {}, None)
    feed(connection, start + data)
    assert taken(connection) == b""


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([b"", b"\x01\x01", b"\x00\x00"]), st.binary(max_size=8000))
def test_random_bytes_to_an_initiator_are_a_named_error(start: bytes, data: bytes) -> None:
    connection = Connection.dial(endpoint("alice"), identity("bob").node_id)
    m1 = taken(connection)
    feed(connection, start + data)
    assert m1
    assert connection.events_received() == []


@settings(max_examples=60, deadline=None)
@given(st.booleans(), st.binary(max_size=500))
def test_random_bytes_in_a_session_are_a_named_error(bulk: bool, data: bytes) -> None:
    pair = open_bulk_pair() if bulk else open_pair()
    feed(pair.responder, data)
    assert isinstance(pair.responder.events_received()[-1], ConnectionClosed)


@settings(max_examples=100, deadline=None)
@given(st.booleans(), st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6))
def test_random_frames_of_a_peer_are_events_or_a_named_error(
    bulk: bool,
    data: list[bytes],
) -> None:
    """A member with a session may seal anything it likes."""
    pair = open_bulk_pair() if bulk else open_pair()
    feed(pair.responder, b"".join(inject(pair.initiator, frame) for frame in data))
    assert isinstance(pair.responder.events_received()[-1], ConnectionClosed)
