"""The mesh on real sockets: who finds whom, which session is kept, who hears what."""

from __future__ import annotations

import asyncio

from mesh import FAST, Federation, until

from qrfld.crypto.identity import NodeId
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
