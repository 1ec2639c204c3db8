"""Dialling honest, dead and lying responders."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from mesh import Federation, MeshNode, until

from qrfld.crypto.identity import Identity
from qrfld.net.dialer import connect, connect_bulk
from qrfld.net.errors import PeerUnreachableError
from qrfld.net.timing import Timing
from qrfld.protocol import wire
from qrfld.protocol.errors import ErrorCode, LocalProtocolError
from qrfld.protocol.session import Endpoint
from qrfld.protocol.tickets import Tickets

SHORT = Timing(connect=0.4)
Responder = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def endpoint(federation: Federation) -> Endpoint:
    return Endpoint(Identity.generate(1), federation.id, (1,))


@contextlib.asynccontextmanager
async def responder(answer: Responder) -> AsyncIterator[str]:
    """Whoever listens at the address; gives the address."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await answer(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(10)
    writer.close()


async def babbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(1279)
    writer.write(os.urandom(8000))
    await reader.read()


async def mirroring(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)


async def lying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(1279)
    writer.write(b"\x01\x01" + os.urandom(6431))
    await reader.read()


async def retrying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(3):
        await reader.readexactly(1279)
        writer.write(wire.RETRY + wire.COOKIE_SIZE.to_bytes(2) + bytes(wire.COOKIE_SIZE))
    await reader.read()


async def trickling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(1279)
    writer.write(b"\x01\x01")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (silent, "no answer to the handshake"),
        (closing, "connection|reset"),
        (babbling, "not offered|cookie"),
        (mirroring, "not offered"),
        (lying, "does not authenticate|not a valid"),
        (retrying, "a cookie twice"),
        (trickling, "no answer to the handshake"),
    ],
)
async def test_dialler_names_what_a_false_responder_did(
    federation: Federation, answer: Responder, why: str
) -> None:
    async with responder(answer) as address:
        peer = Identity.generate(1).node_id
        with pytest.raises(PeerUnreachableError, match=why) as failure:
            await connect(endpoint(federation), peer, address, SHORT)
        assert address in failure.value.message


async def test_dialler_refuses_another_node_at_the_address(federation: Federation) -> None:
    node = await federation.node("node")
    with pytest.raises(PeerUnreachableError, match=r"not our federation or node|ended"):
        await connect(endpoint(federation), Identity.generate(1).node_id, node.address, SHORT)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:1", "refused|failed"),
        ("nonsense", "not an address"),
        (f"{'a' * 64}.example:1", "label"),
        ("a..example:1", "label|known"),
        ("no-such-host.invalid:1", "no-such-host"),
    ],
)
async def test_dialler_names_an_address_that_leads_nowhere(
    federation: Federation, address: str, why: str
) -> None:
    with pytest.raises(PeerUnreachableError, match=rf"(?i){why}"):
        await connect(endpoint(federation), Identity.generate(1).node_id, address, SHORT)


async def test_dialler_names_an_address_that_never_answers(federation: Federation) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        fill = [socket.socket() for _ in range(4)]
        try:
            for each in fill:
                each.setblocking(False)
                each.connect_ex(deaf.getsockname())
            with pytest.raises(PeerUnreachableError, match="no answer"):
                await connect(endpoint(federation), Identity.generate(1).node_id, address, SHORT)
        finally:
            for each in fill:
                each.close()


async def with_ticket(
    federation: Federation, node: MeshNode
) -> tuple[Endpoint, Tickets, Callable[[], bool]]:
    """Who has had a session with ``node``, its tickets, and whether it has one to dial with."""
    own, tickets = endpoint(federation), Tickets()
    session = await connect(own, node.identity.node_id, node.address)
    now = asyncio.get_running_loop().time()
    tickets.keep(session.protocol, now)
    session.close(ErrorCode.NORMAL, "done")
    return own, tickets, lambda: tickets.to_dial(node.identity.node_id, now) is not None


async def test_ticket_that_could_not_be_shown_to_anybody_is_kept(federation: Federation) -> None:
    node = await federation.node("node")
    own, tickets, held = await with_ticket(federation, node)
    with pytest.raises(PeerUnreachableError):
        await connect(own, node.identity.node_id, "127.0.0.1:1", SHORT, tickets)
    assert held()


async def test_dialling_ends_when_the_peer_has_dialled_us_meanwhile(
    federation: Federation,
) -> None:
    """Another session has brought other tickets before our socket was open."""
    node = await federation.node("node")
    own, tickets, held = await with_ticket(federation, node)
    newer = await connect(own, node.identity.node_id, node.address)
    dialling = asyncio.create_task(
        connect(own, node.identity.node_id, node.address, SHORT, tickets)
    )
    await asyncio.sleep(0)
    tickets.keep(newer.protocol, asyncio.get_running_loop().time())
    with pytest.raises(PeerUnreachableError):
        await dialling
    assert held()
    newer.close(ErrorCode.NORMAL, "done")


@pytest.mark.parametrize("answer", [silent, closing, mirroring])
async def test_ticket_shown_to_a_false_responder_is_gone_and_a_handshake_is_tried(
    federation: Federation, answer: Responder
) -> None:
    node = await federation.node("node")
    own, tickets, held = await with_ticket(federation, node)
    heard: list[bytes] = []

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readexactly(4))
        await answer(reader, writer)

    async with responder(listening) as address:
        with pytest.raises(PeerUnreachableError):
            await connect(own, node.identity.node_id, address, SHORT, tickets)
    assert heard == [b"QRFS", b"QRFL"]
    assert not held()


async def test_peer_that_does_not_hold_the_ticket_gets_a_full_handshake(
    federation: Federation,
) -> None:
    node = await federation.node("node")
    own, tickets, held = await with_ticket(federation, node)  # no hello was said: it keeps none
    session = await connect(own, node.identity.node_id, node.address, SHORT, tickets)
    assert not session.protocol.resumed
    assert not held()
    session.close(ErrorCode.NORMAL, "done")


async def test_node_does_not_dial_itself(federation: Federation) -> None:
    node = await federation.node("node")
    with pytest.raises(LocalProtocolError):
        await connect(node.endpoint, node.identity.node_id, node.address)


async def test_dialler_that_is_cancelled_leaves_no_connection(federation: Federation) -> None:
    ended = asyncio.Event()

    async def waiting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1279)
        dial.cancel()
        with contextlib.suppress(OSError):
            await reader.read()
        ended.set()

    async with responder(waiting) as address:
        peer = Identity.generate(1).node_id
        dial = asyncio.create_task(connect(endpoint(federation), peer, address))
        with pytest.raises(asyncio.CancelledError):
            await dial
        await asyncio.wait_for(ended.wait(), 10)


async def test_bulk_connection_waits_for_admission(federation: Federation) -> None:
    node = await federation.node("node")
    session = await connect(endpoint(federation), node.identity.node_id, node.address, SHORT)
    with pytest.raises(PeerUnreachableError):
        await connect_bulk(session, session.protocol.bulk)
    session.close(ErrorCode.NORMAL, "done")
    await until("over", lambda: not node.peers._live)
