"""Invariant: a session is resumed only with the three messages of one resumption, unchanged and in
order, with the ticket's peer; a ticket opens one session at most and is gone with the first right
MAC; S1 without one gets no answer.

Input: a byte for the suite, then a script of the resumptions.
"""

from __future__ import annotations

import hmac

from fuzz import joins
from fuzz.invariants import require
from fuzz.script import Script
from fuzz.world import endpoint, identity
from qrfld.crypto import labels
from qrfld.crypto.suites import from_wire
from qrfld.protocol.connection import Connection
from qrfld.protocol.keys import derive
from qrfld.protocol.resumption import MAC_SIZE, S3_SIZE, s1_size, s2_size
from qrfld.protocol.session import open_session
from qrfld.protocol.tickets import TicketGate, Tickets

SHARE = 3
MAX_LEN = 8192


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    wire_suite = (0x0201, 0x0102)[script.below(2)]
    suite = from_wire(wire_suite)[0]
    alice, bob = identity("alice", suite.id), identity("bob", suite.id)
    theirs, ours = Tickets(), Tickets()
    for tickets, peer, initiator in ((theirs, bob, True), (ours, alice, False)):
        session = open_session(wire_suite, bytes(48), peer.public, initiator=initiator).session
        assert session is not None
        tickets.keep(session, 0.0)
    ticket = theirs.take(bob.node_id, 1.0)
    assert ticket is not None

    def with_mac(s1: bytes) -> bytes:
        body = s1[:-MAC_SIZE]
        key = derive(wire_suite, ticket.secret, labels.RESUME_MAC)
        return body + hmac.digest(key, body, "sha256")

    gate = TicketGate(ours, 1.0)
    join = joins.Join.of(
        [Connection.resume(endpoint("alice", suite.id), ticket) for _ in range(2)],
        [Connection.accept(endpoint("bob", suite.id), {}, None, gate) for _ in range(3)],
        (s1_size(suite), s2_size(suite), S3_SIZE),
        with_mac,
    )
    for listener in join.run(script):
        session = listener.connection.session
        require(session is not None and session.resumed, "what opens is a resumed session")
        require(session is not None and session.node_id == alice.node_id, "with the ticket's peer")
    answered = [listener for listener in join.listeners if listener.said]
    require(len(answered) <= 1, "a ticket is answered once")
    require(not answered or ours.find(ticket.name, 1.0) is None, "a ticket is gone with its use")


def seeds() -> list[bytes]:
    """See `joins.scripts`, in both suites."""
    return [bytes([suite]) + script for suite in range(2) for script in joins.scripts()]
