"""Tickets: the right to resume a session once, kept in memory and nowhere else.

Both sides compute a session's two tickets (`session.TicketSecrets`), one for each side to dial
with; nothing about them is sent before one is used. A store keeps the pair of the newest session
with each peer: what we may dial it with, by node ID, and what it may dial us with, by name.

A ticket is used once and ends a day after the last full handshake, however often sessions were
resumed since. It is forgotten with its use, its end, the next session, and the peer's admission.
Time is the caller's: seconds of a clock that never goes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeVar

from qrfld.crypto.identity import NodeId, PublicIdentity
from qrfld.protocol.session import Session, TicketSecret

#: Seconds from a full handshake to the end of the tickets that follow from it.
LIFETIME: Final = 86_400.0
#: As many as a federation has members.
MAX_PEERS: Final = 1_000

K = TypeVar("K")


@dataclass(frozen=True)
class Ticket:
    """One right to resume: with whom, under which wire suite, and until when (``ends``)."""

    peer: PublicIdentity
    suite: int
    name: bytes
    secret: bytes = field(repr=False)
    ends: float


class Tickets:
    """The tickets of one node; at most ``MAX_PEERS`` of each kind, the oldest give way."""

    def __init__(self) -> None:
        self._dial: dict[NodeId, Ticket] = {}
        self._accept: dict[bytes, Ticket] = {}

    def __len__(self) -> int:
        return len(self._dial) + len(self._accept)

    def keep(self, session: Session, now: float) -> None:
        """Take over the tickets of a session; those of older ones with its peer are forgotten.

        ``now`` is the end of its handshake. LocalProtocolError if they have been taken already.
        """
        dial, accept = session.tickets.take()
        self.forget(session.node_id)
        self.expire(now)
        ends = now + LIFETIME if session.resumed_until is None else session.resumed_until
        if ends <= now:
            return
        _put(self._dial, session.node_id, _ticket(session, dial, ends))
        _put(self._accept, accept.name, _ticket(session, accept, ends))

    def to_dial(self, peer: NodeId, now: float) -> Ticket | None:
        """What ``peer`` may be dialled with; it stays here until it is taken."""
        ticket = self._dial.get(peer)
        return ticket if ticket is not None and now < ticket.ends else None

    def take(self, peer: NodeId, now: float) -> Ticket | None:
        """What ``peer`` may be dialled with; it is forgotten here, used or not."""
        ticket = self.to_dial(peer, now)
        self._dial.pop(peer, None)
        return ticket

    def find(self, name: bytes, now: float) -> Ticket | None:
        """What a caller may resume a session with."""
        ticket = self._accept.get(name)
        return ticket if ticket is not None and now < ticket.ends else None

    def use(self, ticket: Ticket) -> None:
        """Forget a ticket that a caller has dialled us with."""
        self._accept.pop(ticket.name, None)

    def forget(self, peer: NodeId) -> None:
        """Forget the tickets of a peer: it is not admitted any more, or has newer ones."""
        self._dial.pop(peer, None)
        for name in [n for n, ticket in self._accept.items() if ticket.peer.node_id == peer]:
            del self._accept[name]

    def expire(self, now: float) -> None:
        """Forget what has ended."""
        self._dial = {peer: ticket for peer, ticket in self._dial.items() if now < ticket.ends}
        self._accept = {name: ticket for name, ticket in self._accept.items() if now < ticket.ends}


@dataclass(frozen=True)
class TicketGate:
    """The store as one accepted connection sees it; ``now`` is when it was accepted."""

    tickets: Tickets
    now: float

    def find(self, name: bytes) -> Ticket | None:
        """What a caller may resume a session with."""
        return self.tickets.find(name, self.now)

    def use(self, ticket: Ticket) -> None:
        """Forget a ticket that a caller has proven to hold."""
        self.tickets.use(ticket)


def _ticket(session: Session, part: TicketSecret, ends: float) -> Ticket:
    return Ticket(session.peer, session.suite, part.name, part.secret, ends)


def _put(held: dict[K, Ticket], key: K, ticket: Ticket) -> None:
    if len(held) >= MAX_PEERS:
        del held[next(iter(held))]
    held[key] = ticket
