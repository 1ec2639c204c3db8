from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from protocol_pair import Pair, bulk_pair, endpoint, flipped, open_bulk_pair, open_pair, taken

from qrfld.protocol.bulk import B1_SIZE, B2_SIZE, B3_SIZE
from qrfld.protocol.connection import BulkSecret, Connection, State
from qrfld.protocol.errors import (
    BulkJoinError,
    LocalProtocolError,
    RemoteProtocolError,
    SilentRejectError,
    TruncatedError,
)
from qrfld.protocol.events import BulkJoined
from qrfld.protocol.keys import Chain
from qrfld.protocol.records import Sealer


def accepting(sessions: dict[bytes, BulkSecret]) -> Connection:
    return Connection.accept(endpoint("bob"), sessions, None)


@cache
def control_pair() -> Pair:
    """One session for tests that join it many times."""
    return open_pair()


def assert_dead_and_silent(connection: Connection) -> None:
    assert connection.state is State.CLOSED
    assert taken(connection) == b""
    assert connection.events_received() == []


def test_join_has_the_sizes_of_the_spec() -> None:
    pair = bulk_pair()
    b1 = taken(pair.initiator)
    pair.responder.receive_data(b1)
    b2 = taken(pair.responder)
    pair.initiator.receive_data(b2)
    b3 = taken(pair.initiator)
    assert (len(b1), len(b2), len(b3)) == (B1_SIZE, B2_SIZE, B3_SIZE) == (85, 64, 21)


def test_both_sides_join_the_same_session() -> None:
    pair = bulk_pair()
    (session_id,) = pair.sessions
    ours, theirs = pair.heard()
    assert ours == theirs == [BulkJoined(session_id)]
    assert pair.initiator.kind == pair.responder.kind == "bulk"
    assert pair.initiator.session is None


def test_only_the_initiator_of_the_session_dials() -> None:
    session = open_pair().responder.session
    assert session is not None
    with pytest.raises(LocalProtocolError):
        Connection.dial_bulk(session.bulk)


def test_b1_reflected_to_its_author_gets_silence() -> None:
    control = open_pair()
    assert control.initiator.session is not None
    own = control.initiator.session.bulk
    b1 = taken(Connection.dial_bulk(own))
    listener = accepting({own.session_id: own})
    with pytest.raises(SilentRejectError):
        listener.receive_data(b1)
    assert_dead_and_silent(listener)


def test_flipping_any_byte_of_b1_gets_silence() -> None:
    pair = bulk_pair()
    b1 = taken(pair.initiator)
    for at in range(len(b1)):
        connection = accepting(pair.sessions)
        with pytest.raises(SilentRejectError):
            connection.receive_data(flipped(b1, at))
        assert_dead_and_silent(connection)


def test_unknown_session_gets_silence() -> None:
    connection = accepting({})
    with pytest.raises(SilentRejectError, match="no session"):
        connection.receive_data(taken(bulk_pair().initiator))
    assert_dead_and_silent(connection)


def test_flipping_any_byte_of_b2_is_noticed() -> None:
    for at in range(B2_SIZE):
        pair = bulk_pair(control_pair())
        pair.responder.receive_data(taken(pair.initiator))
        with pytest.raises(BulkJoinError):
            pair.initiator.receive_data(flipped(taken(pair.responder), at))
        assert_dead_and_silent(pair.initiator)


def test_flipping_any_byte_of_b3_is_noticed() -> None:
    for at in range(B3_SIZE):
        pair = bulk_pair(control_pair())
        pair.responder.receive_data(taken(pair.initiator))
        pair.initiator.receive_data(taken(pair.responder))
        with pytest.raises(BulkJoinError):
            pair.responder.receive_data(flipped(taken(pair.initiator), at))
        assert_dead_and_silent(pair.responder)


@pytest.mark.parametrize("length", range(0, B1_SIZE, 7))
def test_truncated_b1_is_an_error_at_its_end(length: int) -> None:
    pair = bulk_pair()
    pair.responder.receive_data(taken(pair.initiator)[:length])
    with pytest.raises(TruncatedError):
        pair.responder.receive_eof()
    assert_dead_and_silent(pair.responder)


def test_copied_b1_does_not_take_the_place_of_the_session() -> None:
    pair = bulk_pair()
    b1 = taken(pair.initiator)
    thief = accepting(pair.sessions)
    thief.receive_data(b1)
    assert len(taken(thief)) == B2_SIZE
    assert thief.events_received() == []
    with pytest.raises(BulkJoinError):
        thief.receive_data(bytes(B3_SIZE))
    pair.responder.receive_data(b1)
    assert pair.heard()[1] == [BulkJoined(*pair.sessions)]


def test_replayed_join_of_an_earlier_connection_is_refused() -> None:
    pair = bulk_pair()
    waiting = {session_id: replace(bulk) for session_id, bulk in pair.sessions.items()}
    b1 = taken(pair.initiator)
    pair.responder.receive_data(b1)
    pair.initiator.receive_data(taken(pair.responder))
    b3 = taken(pair.initiator)
    pair.responder.receive_data(b3)
    again = accepting(waiting)
    again.receive_data(b1)
    with pytest.raises(BulkJoinError):
        again.receive_data(b3)


def test_join_forgets_the_secret_on_both_sides() -> None:
    control = open_pair()
    assert control.initiator.session is not None
    assert control.responder.session is not None
    ours, theirs = control.initiator.session.bulk, control.responder.session.bulk
    sessions = {theirs.session_id: theirs}
    pair = Pair(Connection.dial_bulk(ours), accepting(sessions), sessions)
    late, overtaken = Connection.dial_bulk(ours), accepting(sessions)
    overtaken.receive_data(taken(late))
    b2 = taken(overtaken)
    assert len(b2) == B2_SIZE
    pair.heard()
    assert pair.initiator.state is State.OPEN
    assert pair.responder.state is State.OPEN
    assert (ours.secret, theirs.secret) == (None, None)
    with pytest.raises(LocalProtocolError, match="has had"):
        Connection.dial_bulk(ours)
    with pytest.raises(BulkJoinError, match="has had"):
        late.receive_data(b2)


def test_session_has_one_bulk_connection_in_its_life() -> None:
    first, second, third = (bulk_pair(control_pair()) for _ in range(3))
    second.responder = accepting(first.sessions)
    second.responder.receive_data(taken(second.initiator))
    second.initiator.receive_data(taken(second.responder))
    first.heard()
    assert first.responder.state is State.OPEN
    with pytest.raises(BulkJoinError, match="waits no longer"):
        second.responder.receive_data(taken(second.initiator))
    listener = accepting(first.sessions)
    with pytest.raises(SilentRejectError, match="no session"):
        listener.receive_data(taken(third.initiator))
    assert_dead_and_silent(listener)


def test_session_that_was_joined_meanwhile_is_refused() -> None:
    pair = bulk_pair()
    pair.responder.receive_data(taken(pair.initiator))
    pair.initiator.receive_data(taken(pair.responder))
    pair.sessions.clear()
    with pytest.raises(BulkJoinError, match="waits no longer"):
        pair.responder.receive_data(taken(pair.initiator))


def test_first_record_must_be_the_confirmation() -> None:
    pair = bulk_pair()
    pair.responder.receive_data(taken(pair.initiator))
    pair.initiator.receive_data(taken(pair.responder))
    taken(pair.initiator)
    assert pair.initiator.kind == "bulk"
    generation = pair.initiator._sealer._generation
    key_update = Sealer(Chain(generation._chain.wire_id, generation._chain.secret)).seal(b"\x05")
    with pytest.raises(BulkJoinError, match="0x05"):
        pair.responder.receive_data(key_update)


def test_bulk_secret_of_another_session_is_refused() -> None:
    pair, other = bulk_pair(), bulk_pair()
    (session_id,) = pair.sessions
    (secret,) = other.sessions.values()
    connection = accepting({session_id: secret})
    with pytest.raises(SilentRejectError, match="mac"):
        connection.receive_data(taken(pair.initiator))


def test_two_joins_of_one_session_share_no_key() -> None:
    control = open_pair()
    first, second = bulk_pair(control), bulk_pair(control)
    first.heard()
    second.heard()
    first.initiator.send_ping(bytes(8))
    with pytest.raises(RemoteProtocolError):
        second.responder.receive_data(taken(first.initiator))


def test_join_byte_by_byte() -> None:
    pair = bulk_pair()
    for byte in taken(pair.initiator):
        assert taken(pair.responder) == b""
        pair.responder.receive_data(bytes([byte]))
    for byte in taken(pair.responder):
        pair.initiator.receive_data(bytes([byte]))
    for byte in taken(pair.initiator):
        assert pair.responder.events_received() == []
        pair.responder.receive_data(bytes([byte]))
    assert len(pair.responder.events_received()) == 1


def test_bulk_works_in_both_directions() -> None:
    pair = open_bulk_pair()
    assert (pair.initiator.next_stream, pair.responder.next_stream) == (1, 2)
