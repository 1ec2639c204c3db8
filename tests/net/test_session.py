"""One authenticated peer: order, credit, silence, keys, and an end that nobody waits behind."""

from __future__ import annotations

import asyncio

import pytest
from attacker import Attackers, Speaker
from mesh import Federation, MeshNode, until

from qrfld.crypto.identity import Identity
from qrfld.net.errors import SessionClosedError
from qrfld.net.session import Session
from qrfld.net.timing import Timing
from qrfld.protocol.errors import ErrorCode, LocalProtocolError
from qrfld.protocol.events import CreditGranted, MessageReceived, PongReceived
from qrfld.protocol.frames import Ping
from qrfld.protocol.messages import Message, Refused, RunOffer, RunSync

#: Nobody looks after the sessions but the test, with a clock of its own.
BY_HAND = Timing(tick=1000.0, silence=10.0, head_start=0.1)
BIG = RunOffer(config=bytes(60_000))


@pytest.fixture
async def served(federation: Federation) -> tuple[Session, Speaker]:
    """A node's session and the peer at its other end, that does nothing by itself."""
    node = await federation.node("node", timing=BY_HAND)
    attackers, identity = Attackers(node, federation), Identity.generate(1)
    control, _ = await attackers.member(identity)
    await until("served", lambda: identity.node_id in node.peers.connected())
    yield node.peers.sessions[identity.node_id], control
    await attackers.close()


def small(number: int) -> RunSync:
    return RunSync(run=bytes(16), next_round=number)


async def test_messages_wait_for_credit_and_keep_their_order(
    served: tuple[Session, Speaker],
) -> None:
    session, peer = served
    sends = [asyncio.create_task(session.send(BIG)) for _ in range(6)]
    await until("credit is used up", lambda: session._outbox)
    session.post(small(1))
    sends.append(asyncio.create_task(session.send(small(2))))
    await asyncio.sleep(0)
    session.post(small(3))
    heard: list[Message] = []
    async for message in peer.messages():
        if isinstance(message, RunOffer | RunSync):
            heard.append(message)
        if message == small(3):
            break
    assert heard == [BIG] * 6 + [small(1), small(2), small(3)]
    await asyncio.gather(*sends)


async def test_message_whose_sender_gave_up_is_not_sent(served: tuple[Session, Speaker]) -> None:
    session, peer = served
    sends = [asyncio.create_task(session.send(BIG)) for _ in range(6)]
    await until("credit is used up", lambda: len(session._outbox) == 2)
    for send in sends[-2:]:
        send.cancel()
    await asyncio.gather(*sends, return_exceptions=True)
    session.post(small(7))
    heard = []
    async for message in peer.messages():
        heard.append(message)
        if message == small(7):
            break
    assert heard.count(BIG) == 4


async def test_what_is_no_message_is_the_callers_error(served: tuple[Session, Speaker]) -> None:
    session, _ = served
    broken = Refused(about=1, error=1, reason="x" * 300)
    with pytest.raises(LocalProtocolError):
        await session.send(broken)
    with pytest.raises(LocalProtocolError):
        session.post(broken)
    assert not session.closed.is_set()


async def test_whoever_waits_hears_that_the_session_ended(served: tuple[Session, Speaker]) -> None:
    session, _ = served
    sends = [asyncio.create_task(session.send(BIG)) for _ in range(6)]
    await until("credit is used up", lambda: session._outbox)
    session.abort(ConnectionResetError("cable"))
    results = await asyncio.gather(*sends, return_exceptions=True)
    assert [type(r) for r in results[-2:]] == [SessionClosedError] * 2
    assert "cable" in str(results[-1])
    with pytest.raises(SessionClosedError):
        await session.send(BIG)
    session.post(BIG)


async def test_idle_peer_is_pinged_and_measured(served: tuple[Session, Speaker]) -> None:
    session, peer = served
    session.timing = Timing(tick=1.0)
    session.keep_alive(session.control.last_received + 0.5)
    assert session._ping_sent is None
    session.keep_alive(session.control.last_received + 1.5)
    while session.rtt is None:  # the digest may come before the ping
        await peer.hear()
        await peer.flush()
        await asyncio.sleep(0.01)


async def test_silent_peer_loses_its_session(served: tuple[Session, Speaker]) -> None:
    session, _ = served
    session.keep_alive(session.control.last_received + 9.9)
    assert not session.closed.is_set()
    session.keep_alive(session.control.last_received + 10.1)
    assert session.closed.is_set()
    assert "was silent for 10 s" in str(session.error)


async def test_peer_is_not_silent_while_we_do_not_listen(served: tuple[Session, Speaker]) -> None:
    session, _ = served
    session.control.hold(True)
    session.keep_alive(session.control.last_received + 1000)
    assert not session.closed.is_set()
    session.control.hold(False)


async def test_peer_that_speaks_and_reads_nothing_loses_its_session(
    served: tuple[Session, Speaker],
) -> None:
    session, peer = served
    for _ in range(6):
        session.post(BIG)
    await peer.say(Ping(bytes(8)))
    now = asyncio.get_running_loop().time()
    session.control.last_received = now + 12
    session.keep_alive(now + 9)
    assert not session.closed.is_set()
    session.keep_alive(now + 12)
    assert session.closed.is_set()
    assert "reads no messages" in str(session.error)


async def test_keys_step_after_their_time_and_the_peer_follows(
    served: tuple[Session, Speaker],
) -> None:
    session, peer = served
    chain = session.control.connection._sealer._generation._chain
    session.timing = Timing(rekey=100.0, tick=1000, silence=1000)
    session.keep_alive(session.started + 99)
    assert session.control.connection._sealer._generation._chain is chain
    session.keep_alive(session.started + 101)
    assert session.control.connection._sealer._generation._chain is not chain
    await session.send(small(5))
    while (message := (await peer.heard(MessageReceived)).message) != small(5):
        assert not isinstance(message, RunSync)


async def test_closing_tells_the_peer_why(served: tuple[Session, Speaker]) -> None:
    session, peer = served
    session.close(ErrorCode.SHUTTING_DOWN, "night")
    closed = await peer.end()
    assert closed is not None
    assert (closed.code, closed.reason) == (ErrorCode.SHUTTING_DOWN, "night")


async def test_end_of_the_bulk_link_is_the_end_of_the_session(federation: Federation) -> None:
    node: MeshNode = await federation.node("node")
    attackers, identity = Attackers(node, federation), Identity.generate(1)
    try:
        control, bulk = await attackers.member(identity)
        await until("served", lambda: identity.node_id in node.peers.connected())
        session = node.peers.sessions[identity.node_id]
        await bulk.wire.close()
        await until("over", session.closed.is_set)
        await until("forgotten", lambda: identity.node_id not in node.peers.sessions)
        assert not any(isinstance(e, PongReceived | CreditGranted) for e in control.events)
    finally:
        await attackers.close()
