from __future__ import annotations

import tracemalloc

import pytest
from protocol_pair import Resumable, identity, open_pair, resumable

from qrfld.crypto.identity import PublicIdentity
from qrfld.protocol.errors import LocalProtocolError
from qrfld.protocol.session import Session, TicketSecret, TicketSecrets
from qrfld.protocol.tickets import LIFETIME, MAX_PEERS, TicketGate, Tickets

ALICE, BOB = identity("alice").node_id, identity("bob").node_id


def test_both_sides_hold_the_same_two_tickets_in_opposite_roles() -> None:
    nodes = resumable()
    ours, theirs = nodes.alice.take(BOB, 0.0), nodes.bob.take(ALICE, 0.0)
    assert ours is not None
    assert theirs is not None
    assert ours.name != theirs.name
    assert ours.secret != theirs.secret
    for ticket, store in ((ours, nodes.bob), (theirs, nodes.alice)):
        held = store.find(ticket.name, 0.0)
        assert held is not None
        assert (held.secret, held.suite, held.ends) == (ticket.secret, ticket.suite, ticket.ends)
    assert (ours.peer.node_id, theirs.peer.node_id) == (BOB, ALICE)


@pytest.mark.parametrize(("suite_id", "hlen"), [(1, 48), (2, 64)])
def test_ticket_has_the_sizes_of_the_spec(suite_id: int, hlen: int) -> None:
    ticket = resumable(suite_id=suite_id).alice_dials
    assert (len(ticket.name), len(ticket.secret)) == (16, hlen)


def test_tickets_of_one_session_are_kept_once() -> None:
    pair = open_pair()
    assert pair.initiator.session is not None
    Tickets().keep(pair.initiator.session, 0.0)
    with pytest.raises(LocalProtocolError):
        Tickets().keep(pair.initiator.session, 0.0)


def test_session_gives_its_ticket_secrets_up_when_they_are_kept() -> None:
    session = open_pair().initiator.session
    assert session is not None
    Tickets().keep(session, 0.0)
    assert session.tickets.secrets is None


def test_tickets_of_the_newest_session_replace_the_older_ones() -> None:
    nodes = resumable()
    older = nodes.alice_dials
    nodes.keep(open_pair(), "alice", "bob", now=5.0)
    assert nodes.bob.find(older.name, 5.0) is None
    newer = nodes.alice.take(BOB, 5.0)
    assert newer is not None
    assert newer.name != older.name
    assert nodes.bob.find(newer.name, 5.0) is not None
    assert len(nodes.bob) == 2


def test_ticket_ends_a_day_after_the_full_handshake() -> None:
    nodes = resumable()
    name = nodes.alice_dials.name
    assert LIFETIME == 86_400
    assert nodes.bob.find(name, LIFETIME - 0.1) is not None
    assert nodes.bob.find(name, LIFETIME) is None
    assert nodes.alice.take(BOB, LIFETIME) is None


def test_resumption_does_not_prolong_a_ticket() -> None:
    nodes = resumable()
    for now in (10_000.0, 50_000.0, 80_000.0):
        pair = nodes.pair(now=now)
        pair.heard()
        nodes.keep(pair, "alice", "bob", now=now)
    assert nodes.alice_dials.ends == LIFETIME
    assert nodes.alice.take(BOB, LIFETIME) is None


def test_session_resumed_just_before_the_end_leaves_nothing_after_it() -> None:
    nodes = resumable()
    pair = nodes.pair()
    pair.heard()
    nodes.keep(pair, "alice", "bob", now=LIFETIME)
    assert len(nodes.alice) == len(nodes.bob) == 0


def test_expired_secrets_leave_the_memory() -> None:
    nodes = resumable()
    nodes.bob.expire(LIFETIME - 0.1)
    assert len(nodes.bob) == 2
    nodes.bob.expire(LIFETIME)
    assert len(nodes.bob) == 0


def test_keeping_a_ticket_drops_the_expired_ones() -> None:
    store = Tickets()
    for at in (0.0, LIFETIME):
        store.keep(session_with(int(at)), at)
    assert len(store) == 2


def test_forgotten_peer_leaves_nothing_and_the_others_stay() -> None:
    nodes = resumable()
    store = nodes.alice
    store.keep(session_with(7), 0.0)
    store.forget(BOB)
    assert len(store) == 2
    assert store.take(BOB, 0.0) is None
    assert store.take(session_with(7).node_id, 0.0) is not None
    store.forget(BOB)


def test_peer_may_be_dialled_with_a_ticket_until_that_is_taken_or_ends() -> None:
    store = resumable().alice
    ticket = store.to_dial(BOB, 0.0)
    assert ticket is not None
    assert store.to_dial(BOB, LIFETIME) is None
    assert store.to_dial(ALICE, 0.0) is None
    assert store.take(BOB, 0.0) is ticket
    assert store.to_dial(BOB, 0.0) is None


def test_used_ticket_is_gone_and_may_be_gone_already() -> None:
    nodes = resumable()
    gate, name = TicketGate(nodes.bob, 1.0), nodes.alice_dials.name
    ticket = gate.find(name)
    assert ticket is not None
    gate.use(ticket)
    gate.use(ticket)
    assert gate.find(name) is None


def test_many_peers_displace_the_oldest_and_bound_the_memory() -> None:
    store, sessions = Tickets(), [session_with(n) for n in range(MAX_PEERS + 50)]
    tracemalloc.start()
    try:
        for session in sessions:
            store.keep(session, 0.0)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert len(store) == 2 * MAX_PEERS
    assert store.take(sessions[49].node_id, 0.0) is None
    assert store.take(sessions[50].node_id, 0.0) is not None


def test_secrets_stay_out_of_repr() -> None:
    nodes: Resumable = resumable()
    ticket = nodes.alice_dials
    session = open_pair().initiator.session
    assert session is not None
    assert session.tickets.secrets is not None
    shown = repr((ticket, nodes.alice, session, session.tickets.secrets))
    for secret in (ticket.secret, *(each.secret for each in session.tickets.secrets)):
        assert repr(secret)[2:20] not in shown
        assert secret.hex() not in shown


def session_with(number: int) -> Session:
    """A session with the peer of this number, without a handshake."""
    seed = number.to_bytes(8)
    template = open_template()
    dial, accept = (TicketSecret((role + seed).ljust(16), bytes(48)) for role in (b"d", b"a"))
    return Session(
        peer=PublicIdentity(1, seed.ljust(1952, b".")),
        suite=template.suite,
        session_id=bytes(16),
        initiator=True,
        bulk=template.bulk,
        exporter_secret=bytes(48),
        tickets=TicketSecrets((dial, accept)),
    )


def open_template() -> Session:
    session = open_pair().initiator.session
    assert session is not None
    return session
