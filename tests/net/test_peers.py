"""The mesh on real sockets: who finds whom, which session is kept, who hears what."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from attacker import Attackers
from mesh import FAST, Federation, MeshNode, until

from qrfld.crypto.identity import Identity, NodeId
from qrfld.protocol.messages import RunSync


async def test_members_find_each_other_through_one_they_know(federation: Federation) -> None:
    first = await federation.node("first")
    others = [await federation.node(f"n{i}", knows=(first,)) for i in range(3)]
    for node in (first, *others):
        await until("a full mesh", lambda n=node: len(n.peers.connected()) == 4)
    assert {k.member.name for k in others[0].peers.members} == {"first", "n0", "n1", "n2"}


async def test_both_dial_at_once_and_one_session_is_kept(federation: Federation) -> None:
    a = await federation.node("a", start=False)
    b = await federation.node("b", knows=(a,), start=False)
    await a.peers.members.learn(b.certificate, b.peers.members.hello().addresses)
    a.peers.start()
    b.peers.start()
    await until("connected", lambda: len(a.peers.connected()) == len(b.peers.connected()) == 2)
    await asyncio.sleep(2 * FAST.head_start)  # the other side has had its turn to dial
    await until("one session", lambda: len(a.peers.sessions) == len(b.peers.sessions) == 1)
    ours, theirs = a.peers.sessions[b.identity.node_id], b.peers.sessions[a.identity.node_id]
    assert ours.protocol.session_id == theirs.protocol.session_id


async def test_message_reaches_the_handler_of_its_type(federation: Federation) -> None:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    heard: asyncio.Queue[tuple[NodeId, RunSync]] = asyncio.Queue()

    async def hear(node: NodeId, message: RunSync) -> None:
        heard.put_nowait((node, message))

    a.peers.handle(RunSync, hear)
    await until("connected", lambda: len(b.peers.connected()) == 2)
    message = RunSync(run=bytes(16), next_round=3)
    assert await b.peers.send(a.identity.node_id, message)
    assert await asyncio.wait_for(heard.get(), 10) == (b.identity.node_id, message)


async def test_send_to_a_member_without_a_session_says_so(federation: Federation) -> None:
    a = await federation.node("a")
    stranger = NodeId(bytes(32))
    assert not await a.peers.send(stranger, RunSync(run=bytes(16), next_round=1))


async def test_peer_that_restarts_is_found_again(federation: Federation) -> None:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    await until("connected", lambda: len(a.peers.connected()) == 2)
    old = a.peers.sessions[b.identity.node_id]
    old.abort(ConnectionResetError("power loss"))
    await until(
        "a new session",
        lambda: (
            a.peers.sessions.get(b.identity.node_id) not in (None, old)
            and len(a.peers.connected()) == 2
        ),
    )


async def test_simultaneous_restarts_end_in_one_session_each_time(federation: Federation) -> None:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    here, there = a.identity.node_id, b.identity.node_id
    seen: set[bytes] = set()
    for _ in range(6):
        await until("one session", lambda: _same_session(a, b) not in (None, *seen))
        seen.add(_same_session(a, b) or b"")
        for node, peer in ((a, there), (b, here)):
            node.peers.sessions[peer].abort(ConnectionResetError("power loss"))
    await until("one session", lambda: _same_session(a, b) not in (None, *seen))
    assert len(a.peers._live) == len(b.peers._live) == 1


def _same_session(a: MeshNode, b: MeshNode) -> bytes | None:
    """The ID of the one session that both are served on."""
    ours = a.peers.sessions.get(b.identity.node_id)
    theirs = b.peers.sessions.get(a.identity.node_id)
    if ours is None or theirs is None or len(a.peers.connected() | b.peers.connected()) != 2:
        return None
    if ours.bulk is None or theirs.bulk is None or ours.closed.is_set() or theirs.closed.is_set():
        return None
    same = ours.protocol.session_id == theirs.protocol.session_id
    return ours.protocol.session_id if same else None


async def test_peer_that_says_nothing_any_more_loses_its_session(federation: Federation) -> None:
    node = await federation.node("node", timing=replace(FAST, silence=0.5))
    attackers, identity = Attackers(node, federation), Identity.generate(1)
    try:
        await attackers.member(identity)
        await until("served", lambda: identity.node_id in node.peers.connected())
        session = node.peers.sessions[identity.node_id]
        await until("given up", session.closed.is_set)
        assert "was silent" in str(session.error)
    finally:
        await attackers.close()


async def test_last_free_session_is_a_whole_one(federation: Federation) -> None:
    a = await federation.node("a", max_sessions=1)
    b = await federation.node("b", knows=(a,))
    await until("connected", lambda: len(a.peers.connected()) == len(b.peers.connected()) == 2)
    c = await federation.node("c", knows=(a,))
    await until("refused", lambda: c.peers.describe(a.identity.node_id, 0.0)["last_error"])
    assert a.peers.connected() == {a.identity.node_id, b.identity.node_id}


async def test_defect_in_a_handler_costs_one_message(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    heard = asyncio.Event()

    async def hear(_: NodeId, message: RunSync) -> None:
        if message.next_round == 1:
            raise KeyError("a defect")
        heard.set()

    a.peers.handle(RunSync, hear)
    await until("connected", lambda: len(b.peers.connected()) == 2)
    session = b.peers.sessions[a.identity.node_id]
    for number in (1, 2):
        assert await b.peers.send(a.identity.node_id, RunSync(run=bytes(16), next_round=number))
    await asyncio.wait_for(heard.wait(), 10)
    assert "RunSync from b" in caplog.text
    assert b.peers.sessions[a.identity.node_id] is session


async def test_message_that_nobody_waits_for_is_logged(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    await until("connected", lambda: len(b.peers.connected()) == 2)
    await b.peers.send(a.identity.node_id, RunSync(run=bytes(16), next_round=1))
    await until("logged", lambda: "RunSync from b" in caplog.text)
    assert len(a.peers.connected()) == 2


async def test_broadcast_reaches_ourselves_too(federation: Federation) -> None:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    heard: set[str] = set()
    for name, node in (("a", a), ("b", b)):

        async def hear(_: NodeId, message: RunSync, name: str = name) -> None:
            heard.add(name)

        node.peers.handle(RunSync, hear)
    await until("connected", lambda: len(a.peers.connected()) == 2)
    everybody = [a.identity.node_id, b.identity.node_id, NodeId(bytes(32))]
    await a.peers.broadcast(everybody, RunSync(run=bytes(16), next_round=1))
    await until("both heard", lambda: heard == {"a", "b"})


async def test_node_that_stops_says_so(federation: Federation) -> None:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    await until("connected", lambda: len(a.peers.connected()) == len(b.peers.connected()) == 2)
    session = b.peers.sessions[a.identity.node_id]
    await a.stop()
    federation.nodes.remove(a)
    await until("told", session.closed.is_set)
    assert "the daemon stops (code 1)" in str(session.error)
