"""Two connections wired to each other in memory, and what attacks on the handshake need."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

from qrfld.crypto.identity import Identity, NodeId
from qrfld.protocol import frames, wire
from qrfld.protocol.connection import BulkSecret, Connection, Endpoint
from qrfld.protocol.cookies import CookieGate
from qrfld.protocol.events import Event
from qrfld.protocol.frames import Frame
from qrfld.protocol.session import Session
from qrfld.protocol.tickets import Ticket, TicketGate, Tickets

FEDERATION = bytes(range(32))
OTHER_FEDERATION = bytes(range(1, 33))


@cache
def identity(name: str, suite_id: int = 1) -> Identity:
    """The same identity for the same name, all through a test run."""
    return Identity.from_seed(suite_id, name.encode().ljust(32, b"."))


def endpoint(
    name: str, *, federation: bytes = FEDERATION, suite_id: int = 1, chacha: bool = False
) -> Endpoint:
    return Endpoint(identity(name, suite_id), federation, (suite_id,), prefers_chacha=chacha)


def taken(connection: Connection) -> bytes:
    """Everything the connection wants to send."""
    return b"".join(connection.data_to_send())


@dataclass
class Pair:
    """An initiator and a responder; `exchange` carries bytes until both are quiet."""

    initiator: Connection
    responder: Connection
    sessions: dict[bytes, BulkSecret] = field(default_factory=dict)
    initiator_events: list[Event] = field(default_factory=list)
    responder_events: list[Event] = field(default_factory=list)

    def exchange(self) -> None:
        while True:
            there, back = taken(self.initiator), taken(self.responder)
            if there:
                self.responder.receive_data(there)
            if back:
                self.initiator.receive_data(back)
            self.initiator_events += self.initiator.events_received()
            self.responder_events += self.responder.events_received()
            if not there and not back:
                return

    def heard(self) -> tuple[list[Event], list[Event]]:
        """Carry what waits; return the new events of initiator and responder."""
        self.exchange()
        result = self.initiator_events, self.responder_events
        self.initiator_events, self.responder_events = [], []
        return result


def fresh_pair(
    *,
    suite_id: int = 1,
    chacha: bool = False,
    responder_chacha: bool = False,
    gate: CookieGate | None = None,
) -> Pair:
    """Alice about to dial Bob."""
    bob = endpoint("bob", suite_id=suite_id, chacha=responder_chacha)
    alice = endpoint("alice", suite_id=suite_id, chacha=chacha)
    sessions: dict[bytes, BulkSecret] = {}
    return Pair(
        Connection.dial(alice, bob.identity.node_id),
        Connection.accept(bob, sessions, gate),
        sessions,
    )


def open_pair(**options: object) -> Pair:
    """Alice and Bob with an open session, their first events taken."""
    pair = fresh_pair(**options)  # type: ignore[arg-type]
    pair.heard()
    return pair


def bulk_pair(control: Pair | None = None) -> Pair:
    """A bulk connection about to be joined to an open session.

    A join forgets its secret: here a copy, so that a session of tests can be joined again.
    """
    control = control or open_pair()
    assert control.initiator.session is not None
    assert control.responder.session is not None
    sessions = {control.responder.session.session_id: replace(control.responder.session.bulk)}
    return Pair(
        Connection.dial_bulk(replace(control.initiator.session.bulk)),
        Connection.accept(endpoint("bob"), sessions, None),
        sessions,
    )


def open_bulk_pair() -> Pair:
    pair = bulk_pair()
    pair.heard()
    return pair


@dataclass
class Resumable:
    """The stores of two nodes that have had a session; ``session`` is Alice's view of it."""

    alice: Tickets
    bob: Tickets
    session: Session
    suite_id: int
    #: The newest ticket with which Alice may dial Bob; it stays in her store.
    alice_dials: Ticket = field(init=False)

    def keep(self, pair: Pair, dialler: str, dialled: str, *, now: float) -> None:
        """Both keep the tickets of a session between them."""
        for name, connection in ((dialler, pair.initiator), (dialled, pair.responder)):
            assert connection.session is not None
            self._store(name).keep(connection.session, now)
        if (ticket := self.alice._dial.get(identity("bob", self.suite_id).node_id)) is not None:
            self.alice_dials = ticket

    def pair(self, dialler: str = "alice", dialled: str = "bob", *, now: float = 1.0) -> Pair:
        """One of the two about to resume; its ticket is used up."""
        caller, listener = (endpoint(n, suite_id=self.suite_id) for n in (dialler, dialled))
        ticket = self._store(dialler).take(listener.identity.node_id, now)
        assert ticket is not None
        gate = TicketGate(self._store(dialled), now)
        return Pair(Connection.resume(caller, ticket), Connection.accept(listener, {}, None, gate))

    def _store(self, name: str) -> Tickets:
        return self.alice if name == "alice" else self.bob


def resumable(*, suite_id: int = 1, chacha: bool = False) -> Resumable:
    """Alice and Bob after a session of a full handshake at time 0, that Alice dialled."""
    pair = open_pair(suite_id=suite_id, chacha=chacha)
    assert pair.initiator.session is not None
    nodes = Resumable(Tickets(), Tickets(), pair.initiator.session, suite_id)
    nodes.keep(pair, "alice", "bob", now=0.0)
    return nodes


def with_mac1(m1: bytes, responder: NodeId, federation: bytes = FEDERATION) -> bytes:
    """M1 as one who knows federation and responder would send it after changing it."""
    body = m1[: -wire.MAC1_SIZE]
    return body + wire.mac1(federation, responder, body)


def flipped(data: bytes, at: int, mask: int = 0x01) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def inject(connection: Connection, frame: Frame | bytes) -> bytes:
    """A well-sealed record that an honest sender would not send."""
    data = frame if isinstance(frame, bytes) else frames.encode(frame)
    return bytes(connection._sealer.seal(data))
