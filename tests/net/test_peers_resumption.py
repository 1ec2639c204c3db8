"""Sessions that are cut come back without signatures; whatever is in the way, they come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from mesh import FAST, Federation, MeshNode, until

from qrfld.crypto import addresses
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.net.session import Session
from qrfld.protocol.messages import RunSync
from qrfld.protocol.tickets import Tickets


class Signatures:
    """How many were made and checked by anybody in this process."""

    def __init__(self) -> None:
        self.count = 0


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> Signatures:
    seen = Signatures()
    for owner, name in ((Identity, "sign"), (PublicIdentity, "verify")):
        real = getattr(owner, name)

        def counted(*args: object, real: object = real) -> object:
            seen.count += 1
            return real(*args)  # type: ignore[operator]

        monkeypatch.setattr(owner, name, counted)
    return seen


async def pair(federation: Federation) -> tuple[MeshNode, MeshNode]:
    """Two nodes with a session, that only the first has dialled: it alone knows an address."""
    b = await federation.node("b", start=False)
    a = await federation.node("a", knows=(b,))
    await together(a, b)
    return a, b


async def together(a: MeshNode, b: MeshNode) -> Session:
    """Wait until both are served on the same session; it as the first sees it."""

    def same() -> bool:
        ours, theirs = (x.peers.sessions.get(y.identity.node_id) for x, y in ((a, b), (b, a)))
        if ours is None or theirs is None or ours.closed.is_set() or theirs.closed.is_set():
            return False
        one = ours.protocol.session_id == theirs.protocol.session_id
        return one and ours.ready.is_set() and theirs.ready.is_set()

    await until("one session", same)
    return a.peers.sessions[b.identity.node_id]


async def cut(a: MeshNode, b: MeshNode) -> Session:
    """Cut what is between two nodes, and wait for what comes next."""
    old = a.peers.sessions[b.identity.node_id]
    old.abort(ConnectionResetError("cable"))
    await until("gone", lambda: b.peers.sessions.get(a.identity.node_id) is None or _new(a, b, old))
    await until("a new session", lambda: _new(a, b, old))
    return await together(a, b)


def _new(a: MeshNode, b: MeshNode, old: Session) -> bool:
    session = a.peers.sessions.get(b.identity.node_id)
    return session is not None and session is not old


async def test_session_that_is_cut_comes_back_without_a_signature(
    federation: Federation, signatures: Signatures
) -> None:
    a, b = await pair(federation)
    assert not a.peers.sessions[b.identity.node_id].protocol.resumed
    assert signatures.count >= 4
    before = signatures.count
    for _ in range(3):
        session = await cut(a, b)
        assert session.protocol.resumed
        assert b.peers.sessions[a.identity.node_id].protocol.resumed
    assert signatures.count == before
    assert a.peers.describe(b.identity.node_id, 0.0)["resumed"]


async def test_resumed_session_carries_messages_and_blobs(federation: Federation) -> None:
    a, b = await pair(federation)
    await cut(a, b)
    heard = asyncio.Event()

    async def hear(_: object, message: RunSync) -> None:
        heard.set()

    b.peers.handle(RunSync, hear)
    assert await a.peers.send(b.identity.node_id, RunSync(run=bytes(16), next_round=1))
    async with asyncio.timeout(30):
        await heard.wait()
    assert a.peers.sessions[b.identity.node_id].bulk is not None


async def test_either_side_of_a_session_resumes_it(federation: Federation) -> None:
    """The one that was dialled dials back, with the other ticket of the pair."""
    a, b = await pair(federation)
    # The end of the task that dialled is the end of its session, too.
    await asyncio.gather(*a.peers._reaching.stop(), return_exceptions=True)
    session = await together(a, b)
    assert not session.initiator
    assert session.protocol.resumed


async def test_peer_that_has_forgotten_its_tickets_is_met_by_a_full_handshake(
    federation: Federation,
) -> None:
    a, b = await pair(federation)
    b.peers.tickets = Tickets()
    session = await cut(a, b)
    assert not session.protocol.resumed
    assert a.peers.describe(b.identity.node_id, 0.0)["last_error"] == ""
    assert (await cut(a, b)).protocol.resumed


async def test_peer_that_restarts_is_found_again_and_then_resumed(federation: Federation) -> None:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    await together(b, a)
    await b.stop()
    federation.nodes.remove(b)
    again = await federation.node("b2", identity=b.identity, knows=(a,))
    assert not (await together(again, a)).protocol.resumed
    assert (await cut(again, a)).protocol.resumed


async def test_both_dial_at_once_and_keep_tickets_of_the_same_session(
    federation: Federation,
) -> None:
    a = await federation.node("a", start=False)
    b = await federation.node("b", knows=(a,), start=False)
    await a.peers.members.learn(b.certificate, b.peers.members.hello().addresses)
    for _ in range(4):
        for node in (a, b):
            node.peers.start()
        await together(a, b)
        await asyncio.sleep(2 * FAST.head_start)  # the other side has had its turn to dial
        session = await together(a, b)
        ours = a.peers.tickets._dial[b.identity.node_id]
        assert b.peers.tickets._accept[ours.name].secret == ours.secret
        session.abort(ConnectionResetError("cable"))


async def test_new_addresses_arrive_in_a_resumed_session(federation: Federation) -> None:
    a, b = await pair(federation)
    record = addresses.issue(a.identity, federation.id, 7, ["192.0.2.1:7777"])
    await a.peers.members.learn(a.certificate, record)
    await cut(a, b)
    await until(
        "known", lambda: b.peers.members.addresses(a.identity.node_id) == ["192.0.2.1:7777"]
    )


async def test_expired_tickets_leave_the_memory(federation: Federation) -> None:
    a, b = await pair(federation)
    now = asyncio.get_running_loop().time()
    for store in (a.peers.tickets, b.peers.tickets):
        store._dial = {k: replace(t, ends=now) for k, t in store._dial.items()}
        store._accept = {k: replace(t, ends=now) for k, t in store._accept.items()}
    await until("expired", lambda: len(a.peers.tickets) == 0)
    assert not (await cut(a, b)).protocol.resumed


@contextlib.asynccontextmanager
async def relay(target: MeshNode, seen: list[bytes], *, swallow: bytes) -> AsyncIterator[str]:
    """Somebody on the path, who copies all and does not let pass what begins with ``swallow``."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(4096)
        seen.append(first)
        if first.startswith(swallow):
            writer.close()
            return
        host, _, port = target.address.rpartition(":")
        there = await asyncio.open_connection(host, int(port))
        there[1].write(first)
        tasks.add(asyncio.create_task(pump(reader, there[1])))
        tasks.add(asyncio.create_task(pump(there[0], writer)))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_whoever_cuts_resumptions_or_races_them_costs_a_full_handshake(
    federation: Federation,
) -> None:
    b = await federation.node("b", start=False)
    seen: list[bytes] = []
    async with relay(b, seen, swallow=b"QRFS") as address:
        a = await federation.node("a", knows=(replace(b, address=address),))
        await together(a, b)
        for node, other in ((a, b), (b, a)):
            # What they say of themselves would lead around the relay.
            members, name = node.peers.members, other.identity.node_id
            members._known[name] = replace(members._known[name], where=())
        session = await cut(a, b)
        assert not session.protocol.resumed
        copied = [first for first in seen if first.startswith(b"QRFS")]
        assert len(copied) == 1
        host, _, port = b.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(copied[0])
        # The tickets of the session that has come since are the only ones.
        assert await reader.read() == b""
        writer.close()
        assert not session.closed.is_set()
        await a.stop()
        federation.nodes.remove(a)
