"""One-way traffic between two processes: through a bulk connection, and through a bare socket.

The other process receives and counts; this one sends. Both channels run on the same event loop,
read into buffers of the same size, and wait when the socket's own buffer is full.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar, cast

from qrfld.bench.contenders import Ours
from qrfld.bench.other import Served
from qrfld.crypto.suites import Aead
from qrfld.net.link import BULK_READ_BUFFER, Link
from qrfld.protocol.bulk import BulkSecret
from qrfld.protocol.connection import Connection
from qrfld.protocol.events import (
    BulkJoined,
    ChunkReceived,
    Event,
    PongReceived,
    SessionEstablished,
    StreamRequested,
)
from qrfld.protocol.frames import MAX_OFFSET
from qrfld.protocol.session import Endpoint

HOST: Final = "127.0.0.1"
PATIENCE: Final = 30.0

E = TypeVar("E")
Send = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Sealed:
    """A session's bulk connection under one AEAD. Travels to the other process."""

    keys: Ours
    aead: Aead

    @property
    def name(self) -> str:
        """The AEAD's."""
        return self.aead.label

    def endpoints(self) -> tuple[Endpoint, Endpoint]:
        """Of the side that dials and sends, and of the other; both prefer the AEAD."""
        chacha = self.aead is Aead.CHACHA20_POLY1305
        dialling, dialled = self.keys.endpoints()
        return replace(dialling, prefers_chacha=chacha), replace(dialled, prefers_chacha=chacha)

    async def serve(self) -> Served:
        """Accept the session and its bulk connection, and ask for an endless blob on it."""
        receiver = _Receiver(self.endpoints()[1])
        return await _listen(lambda: Link(lambda _: receiver.accept(), receiver), receiver.served)

    @asynccontextmanager
    async def open(self, address: tuple[str, int]) -> AsyncIterator[Send]:
        """Dial; what it gives sends one chunk, and waits for the socket."""
        dialling, dialled = self.endpoints()
        session = Connection.dial(dialling, dialled.identity.node_id)
        async with _dial(session, address) as (control, heard):
            established = await heard.next(SessionEstablished)
            control.connection.send_ping(bytes(8))
            control.flush()
            await heard.next(PongReceived)  # by now the other side knows the session
            bulk = Connection.dial_bulk(established.session.bulk)
            async with _dial(bulk, address) as (link, heard):
                stream, offset = (await heard.next(StreamRequested)).stream, 0

                async def send(data: bytes) -> None:
                    nonlocal offset
                    link.connection.send_chunk(stream, offset, data, last=False)
                    offset += len(data)
                    link.flush()
                    await link.drain()
                    if not link.alive:
                        raise ConnectionError(f"the other side closed: {link.error}")

                yield send


@dataclass(frozen=True)
class Raw:
    """A bare socket."""

    name: str = "raw socket"

    async def serve(self) -> Served:
        """Accept and count."""
        served = Served((HOST, 0))
        return await _listen(lambda: _Count(served), served)

    @asynccontextmanager
    async def open(self, address: tuple[str, int]) -> AsyncIterator[Send]:
        """Dial; what it gives sends the bytes as they are, and waits for the socket."""
        transport, sender = await asyncio.get_running_loop().create_connection(_Sender, *address)

        async def send(data: bytes) -> None:
            transport.write(data)
            await sender.writable.wait()
            if transport.is_closing():
                raise ConnectionError("the other side closed")

        try:
            yield send
        finally:
            transport.abort()
            await sender.lost.wait()


Channel = Sealed | Raw


async def serve(channel: Channel) -> Served:
    """Receive: what runs in the other process."""
    return await channel.serve()


class _Receiver:
    """Owner of the accepted links: lets the bulk connection join, and counts what comes on it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.served = Served((HOST, 0))
        self._endpoint = endpoint
        self._waiting: dict[bytes, BulkSecret] = {}

    def accept(self) -> Connection:
        return Connection.accept(self._endpoint, self._waiting, None)

    def link_event(self, link: Link, event: Event) -> None:
        match event:
            case ChunkReceived(data=data):
                self.served.done += len(data)
            case SessionEstablished(session=session):
                self._waiting[session.session_id] = session.bulk
            case BulkJoined(session_id=session_id):
                del self._waiting[session_id]
                link.connection.send_get(link.connection.next_stream, bytes(32), 0, MAX_OFFSET)
            case _:
                pass

    def link_lost(self, link: Link, error: Exception | None) -> None:
        """The measurement is over."""


@dataclass(eq=False)
class _Heard:
    """Owner of a dialled link: keeps what comes until somebody waits for it."""

    events: asyncio.Queue[Event | None] = field(default_factory=asyncio.Queue)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def link_event(self, link: Link, event: Event) -> None:
        self.events.put_nowait(event)

    def link_lost(self, link: Link, error: Exception | None) -> None:
        self.events.put_nowait(None)
        self.lost.set()

    async def next(self, kind: type[E]) -> E:
        async with asyncio.timeout(PATIENCE):
            while (event := await self.events.get()) is not None:
                if isinstance(event, kind):
                    return event
        raise ConnectionError(f"the connection ended before a {kind.__name__}")


@asynccontextmanager
async def _dial(
    connection: Connection, address: tuple[str, int]
) -> AsyncIterator[tuple[Link, _Heard]]:
    heard = _Heard()
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(lambda: Link(lambda _: connection, heard), *address)
    try:
        yield link, heard
    finally:
        link.abort()
        await heard.lost.wait()


async def _listen(make: Callable[[], asyncio.BaseProtocol], served: Served) -> Served:
    server = await asyncio.get_running_loop().create_server(make, HOST, 0)
    served.address = server.sockets[0].getsockname()
    served.keep.append(server)
    return served


class _Count(asyncio.BufferedProtocol):
    """Counts what comes."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._view = memoryview(bytearray(BULK_READ_BUFFER))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self._served.done += nbytes


class _Sender(asyncio.Protocol):
    """Waits when the socket's buffer is full."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # As a link does.
        sock = cast(asyncio.Transport, transport).get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        self.lost.set()
