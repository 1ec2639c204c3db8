"""Whoever does not keep to the rules, on a real socket: raw bytes, or well-sealed nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mesh import PATIENCE, Federation, MeshNode, until

from qrfld.crypto.identity import Identity, NodeId
from qrfld.protocol import frames
from qrfld.protocol.connection import Connection
from qrfld.protocol.events import (
    ConnectionClosed,
    Event,
    MessageReceived,
)
from qrfld.protocol.frames import Frame
from qrfld.protocol.messages import Hello, Message, RunSync
from qrfld.protocol.session import Endpoint
from qrfld.protocol.tickets import Tickets

PAGE = 4096

E = TypeVar("E")
M = TypeVar("M", bound=Message)


def resident() -> int:
    """Bytes of memory this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@dataclass(eq=False)
class Wire:
    """One TCP connection of an attacker."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(
        cls, address: str, *, source: str | None = None, buffer: int | None = None
    ) -> Wire:
        """Connect, from a given address and with a given receive buffer if need be."""
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if "[" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            if source is not None:
                sock.bind((source, 0))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, (host.strip("[]"), int(port)))
        except BaseException:
            sock.close()
            raise
        return cls(*await asyncio.open_connection(sock=sock))

    async def send(self, *data: bytes | bytearray) -> bool:
        """Send; False when the other side has had enough."""
        try:
            for piece in data:
                self.writer.write(bytes(piece))
            await self.writer.drain()
        except OSError:
            return False
        return not self.writer.is_closing()

    async def read(self, size: int) -> bytes:
        """Exactly so much; less at the end of the connection."""
        try:
            return await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)
        except asyncio.IncompleteReadError as error:
            return error.partial
        except OSError:
            return b""

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        with contextlib.suppress(OSError):
            return await asyncio.wait_for(self.reader.read(), PATIENCE)
        return b""

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@dataclass(eq=False)
class Speaker:
    """An attacker inside the protocol: what it seals is genuine, what it says is not."""

    wire: Wire
    connection: Connection
    events: list[Event] = field(default_factory=list)

    async def flush(self) -> bool:
        return await self.wire.send(*self.connection.data_to_send())

    async def shake(self) -> None:
        """Complete the handshake, or the join of a bulk connection."""
        await self.flush()
        while self.connection.state.value == "handshake":
            if not await self.hear():
                raise ConnectionResetError("no handshake")
            await self.flush()  # a cookie may be asked for first

    async def hear(self) -> bool:
        """Read once; False at the end."""
        try:
            data = await asyncio.wait_for(self.wire.reader.read(1 << 16), PATIENCE)
        except OSError:
            return False
        if not data:
            return False
        self.connection.receive_data(data)
        self.events += self.connection.events_received()
        return True

    async def heard(self, kind: type[E]) -> E:
        """The next event of a kind."""
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    self.events.remove(event)
                    return event
            if not await self.hear():
                raise ConnectionResetError(f"ended before a {kind}")

    async def heard_message(self, kind: type[M]) -> M:
        """The next message of a kind."""
        while True:
            message = (await self.heard(MessageReceived)).message
            if isinstance(message, kind):
                return message

    async def messages(self) -> AsyncIterator[Message]:
        """What is said, giving credit for it."""
        while True:
            event = await self.heard(MessageReceived)
            self.connection.consumed(event.size)
            await self.flush()
            yield event.message

    async def end(self) -> ConnectionClosed | None:
        """Read until the other side closes; the CLOSE that it gave as a reason."""
        while await self.hear():
            pass
        closed = [e for e in self.events if isinstance(e, ConnectionClosed) and e.remote]
        return closed[0] if closed else None

    def sealed(self, frame: Frame | bytes) -> bytes:
        """A genuine record around a frame that an honest sender might not send."""
        data = frame if isinstance(frame, bytes) else frames.encode(frame)
        return bytes(self.connection._sealer.seal(data))

    async def say(self, *what: Frame | bytes) -> bool:
        return await self.wire.send(*(self.sealed(each) for each in what))

    async def tell(self, *messages: Message) -> bool:
        """Messages, whatever the credit."""
        return await self.say(*(frames.MessageFrame(message.encode()) for message in messages))

    async def say_within_credit(self, messages: Iterable[Message]) -> bool:
        """Messages as an honest member would send them; False when the session has ended."""
        for message in messages:
            while not self.connection.can_send(message):
                if not await self.hear():
                    return False
            self.connection.send_message(message)
            if not await self.flush():
                return False
        return True

    async def get(self, blob: bytes, offset: int, limit: int) -> int:
        """Ask for a blob as one should; the stream's number."""
        stream = self.connection.next_stream
        self.connection.send_get(stream, blob, offset, limit)
        await self.flush()
        return stream

    async def flood(self, pieces: Iterable[bytes]) -> int:
        """Send until all is sent or the other side closes; how many pieces went out."""
        count = 0
        for count, piece in enumerate(pieces, 1):
            if not await self.wire.send(piece):
                return count
        return count


@dataclass(eq=False)
class Attackers:
    """Opens connections of all kinds to one node, and closes them in the end."""

    target: MeshNode
    federation: Federation
    wires: list[Wire] = field(default_factory=list)

    async def wire(self, *, source: str | None = None, buffer: int | None = None) -> Wire:
        wire = await Wire.open(self.target.address, source=source, buffer=buffer)
        self.wires.append(wire)
        return wire

    async def stranger(
        self,
        identity: Identity | None = None,
        *,
        source: str | None = None,
        buffer: int | None = None,
    ) -> Speaker:
        """A genuine handshake of whoever knows federation and node ID."""
        endpoint = Endpoint(
            identity or Identity.generate(1), self.federation.id, self.federation.genesis.suites
        )
        connection = Connection.dial(endpoint, self.target.identity.node_id)
        speaker = Speaker(await self.wire(source=source, buffer=buffer), connection)
        await speaker.shake()
        return speaker

    async def member(
        self, identity: Identity | None = None, *, buffer: int | None = None
    ) -> tuple[Speaker, Speaker]:
        """An admitted member's control and bulk connection, after their hellos."""
        identity = identity or Identity.generate(1)
        control = await self.stranger(identity, buffer=buffer)
        await control.say_within_credit([self.hello(identity)])
        await control.heard_message(Hello)
        return control, await self.bulk(control, buffer=buffer)

    async def resumed(self, identity: Identity, control: Speaker) -> Speaker:
        """A session that continues an earlier one; nothing has been said in it."""
        session, store = control.connection.session, Tickets()
        assert session is not None
        store.keep(session, 0.0)
        ticket = store.take(self.target.identity.node_id, 0.0)
        assert ticket is not None
        endpoint = Endpoint(identity, self.federation.id, self.federation.genesis.suites)
        speaker = Speaker(await self.wire(), Connection.resume(endpoint, ticket))
        await speaker.shake()
        return speaker

    async def bulk(self, control: Speaker, *, buffer: int | None = None) -> Speaker:
        session = control.connection.session
        assert session is not None
        speaker = Speaker(await self.wire(buffer=buffer), Connection.dial_bulk(session.bulk))
        await speaker.shake()
        return speaker

    def hello(self, identity: Identity) -> Hello:
        return Hello(software="attack/1", certificate=self.federation.certificate(identity))

    async def close(self) -> None:
        for wire in self.wires:
            await wire.close()


@dataclass(eq=False)
class Talk:
    """Two honest members that keep exchanging messages, whatever happens beside them."""

    one: MeshNode
    other: MeshNode
    heard: int = 0

    async def run(self) -> None:
        async def hear(_: NodeId, message: RunSync) -> None:
            self.heard += 1

        self.one.peers.handle(RunSync, hear)
        while True:
            await self.other.peers.send(
                self.one.identity.node_id, RunSync(run=bytes(16), next_round=self.heard)
            )
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def undisturbed(
    one: MeshNode, other: MeshNode, *, cap: int = 64 << 20
) -> AsyncIterator[Callable[[], int]]:
    """What the attack inside must not touch: the session of two others, memory, the spool.

    Gives a function that counts the messages exchanged so far.
    """
    await until("connected", lambda: len(one.peers.connected()) >= 2)
    await until("connected", lambda: one.identity.node_id in other.peers.connected())
    node = other.identity.node_id
    session, before = one.peers.sessions[node], resident()
    talk = Talk(one, other)
    task = asyncio.create_task(talk.run())
    try:
        yield lambda: talk.heard
        during = talk.heard
        await until("the others go on", lambda: talk.heard >= during + 3 or task.done())
        assert not task.done(), task.exception()
        assert one.peers.sessions[node] is session
        assert not session.closed.is_set()
        assert resident() - before < cap, f"{(resident() - before) >> 20} MiB more"
        assert list(one.blobs._spool.iterdir()) == []
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
