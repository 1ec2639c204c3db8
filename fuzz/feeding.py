"""How every target feeds a connection, and what must hold whatever the bytes are."""

from __future__ import annotations

from fuzz.invariants import require, require_named
from qrfld.protocol.connection import Connection, State
from qrfld.protocol.errors import ErrorCode, RemoteProtocolError
from qrfld.protocol.events import ConnectionClosed, Event


def feed(connection: Connection, data: bytes) -> RemoteProtocolError | None:
    """Bytes from the peer: the named error if they break a rule, and then the state is closed."""
    try:
        connection.receive_data(data)
    except RemoteProtocolError as error:
        require_named(error)
        require(connection.state is State.CLOSED, "a broken rule closes the connection")
        return error
    return None


def require_end(events: list[Event], error: RemoteProtocolError | None) -> None:
    """An open connection tells its end once, last, and with the code of the broken rule."""
    ends = [event for event in events if isinstance(event, ConnectionClosed)]
    require(ends == events[-1:][: len(ends)], "the end is the last event, and comes once")
    if error is not None:
        require(bool(ends) and ends[0].code == error.code, "the end tells the broken rule")
        require(not ends[0].remote, "a broken rule is not the peer's CLOSE")
    require(all(0 <= end.code <= 0xFFFF for end in ends), "codes are u16")


def require_dead(connection: Connection) -> None:
    """A closed connection takes everything, says nothing and tells nothing."""
    connection.data_to_send()
    connection.events_received()
    connection.receive_data(b"QRFL\x01")
    connection.receive_eof()
    connection.close(ErrorCode.NORMAL, "again")
    require(connection.data_to_send() == [], "a closed connection says nothing")
    require(connection.events_received() == [], "a closed connection tells nothing")
