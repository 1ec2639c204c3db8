"""One authenticated peer: a control link, a bulk link, and the queue of what it said.

What came in waits in queues: messages within the protocol's credit, chunks within the streams'.
Both count bytes, and a peer can send many small things, so a link is held while too many wait.

What goes out waits in one queue, in order, until the peer gives credit. Whoever answers one peer
waits for it (`send`); whoever speaks to everybody does not (`post`). A peer that gives no credit
for `Timing.silence` seconds, or is silent for as long, loses its session.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass, field

from qrfld.crypto.certificates import Member
from qrfld.crypto.identity import NodeId, PublicIdentity
from qrfld.net.errors import SessionClosedError
from qrfld.net.link import Link
from qrfld.net.timing import DEFAULT, Timing
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.events import (
    ChunkReceived,
    ConnectionClosed,
    CreditGranted,
    Event,
    MessageReceived,
    PongReceived,
    StreamCreditGranted,
    StreamRequested,
    StreamReset,
)
from qrfld.protocol.messages import Message
from qrfld.protocol.session import Session as ProtocolSession
from qrfld.protocol.streams import MAX_STREAMS

#: How many messages and chunks may wait for us before the link is held.
MAX_WAITING_MESSAGES = 1024
MAX_WAITING_CHUNKS = 64
#: How many messages may wait for the peer's credit.
MAX_OUTBOX = 128


@dataclass(eq=False)
class IncomingStream:
    """A blob on its way in: chunks wait here, bounded by the stream's credit."""

    queue: asyncio.Queue[ChunkReceived | StreamReset | None] = field(default_factory=asyncio.Queue)


@dataclass(eq=False)
class _Outgoing:
    """A message that waits for credit, and whoever waits for it: True once it is sent."""

    message: Message
    sent: asyncio.Future[bool]


@dataclass(eq=False)
class OutgoingStream:
    """A blob on its way out: how far the peer lets us send."""

    request: StreamRequested
    limit: int
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    reset: bool = False


class Session:
    """One peer, from the end of the handshake to the end of either link."""

    def __init__(
        self,
        control: Link,
        session: ProtocolSession,
        *,
        address: str,
        timing: Timing = DEFAULT,
    ) -> None:
        self.timing = timing
        self.control = control
        self.bulk: Link | None = None
        self.protocol = session
        self.address = address
        self.member: Member | None = None
        self.started = asyncio.get_running_loop().time()
        self._keyed = self.started
        self.rtt: float | None = None
        self.closed = asyncio.Event()
        self.ready = asyncio.Event()
        self.bulk_attached = asyncio.Event()
        self.error: Exception | None = None
        self.messages: asyncio.Queue[MessageReceived | None] = asyncio.Queue()
        self.requests: asyncio.Queue[StreamRequested | None] = asyncio.Queue()
        self.incoming: dict[int, IncomingStream] = {}
        self.outgoing: dict[int, OutgoingStream] = {}
        self.fetching = asyncio.Semaphore(MAX_STREAMS)
        self._outbox: deque[_Outgoing] = deque()
        self._moved = self.started
        self._ping_sent: tuple[bytes, float] | None = None

    @property
    def node_id(self) -> NodeId:
        """The peer's node ID, proven by the handshake."""
        return self.protocol.peer.node_id

    @property
    def identity(self) -> PublicIdentity:
        """The peer's public key and suite."""
        return self.protocol.peer

    @property
    def initiator(self) -> bool:
        """Whether this side dialled."""
        return self.protocol.initiator

    @property
    def bytes_sent(self) -> int:
        """Bytes written to both links."""
        return self.control.bytes_sent + (self.bulk.bytes_sent if self.bulk else 0)

    @property
    def bytes_received(self) -> int:
        """Bytes read from both links."""
        return self.control.bytes_received + (self.bulk.bytes_received if self.bulk else 0)

    async def send(self, message: Message) -> None:
        """Send one control message, waiting for the peer's credit. Raises SessionClosedError."""
        if not await self._queue(message):
            raise SessionClosedError(f"the session with {self.node_id.short} ended: {self.error}")

    def post(self, message: Message) -> None:
        """Send one control message without waiting; a peer for which too many wait is dropped."""
        self._queue(message)
        if len(self._outbox) > MAX_OUTBOX:
            self.abort(SessionClosedError(f"{self.address} reads no messages"))

    def _queue(self, message: Message) -> asyncio.Future[bool]:
        sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.closed.is_set():
            sent.set_result(False)
            return sent
        if self.control.connection.can_send(message) and not self._outbox:
            self.control.connection.send_message(message)
            self.control.flush()
            sent.set_result(True)
            return sent
        if not self._outbox:
            self._moved = asyncio.get_running_loop().time()
        self._outbox.append(_Outgoing(message, sent))
        return sent

    def _pump(self) -> None:
        """Send from the queue what credit allows."""
        while self._outbox and self.control.alive:
            first = self._outbox[0]
            if not first.sent.done():  # else whoever wanted it sent was cancelled
                if not self.control.connection.can_send(first.message):
                    break
                self.control.connection.send_message(first.message)
                first.sent.set_result(True)
            self._outbox.popleft()
            self._moved = asyncio.get_running_loop().time()
        self.control.flush()

    def consumed(self, event: MessageReceived) -> None:
        """Give the peer its credit back for a message that has been dealt with."""
        if self.control.alive:
            self.control.connection.consumed(event.size)
            self.control.flush()
            self.control.hold(self.messages.qsize() > MAX_WAITING_MESSAGES)

    def keep_alive(self, now: float) -> None:
        """Ping when idle, close when silent, step the keys. Called every tick (loop time, s)."""
        timing = self.timing
        if now - self._keyed >= timing.rekey:
            self._rekey(now)
        silent = 0.0 if self.control.held else now - self.control.last_received
        if silent > timing.silence:
            self.abort(SessionClosedError(f"{self.address} was silent for {silent:.0f} s"))
        elif self._outbox and now - self._moved > timing.silence:
            self.abort(SessionClosedError(f"{self.address} reads no messages"))
        elif silent >= timing.tick and self.control.alive:
            token = secrets.token_bytes(8)
            self._ping_sent = (token, now)
            self.control.connection.send_ping(token)
            self.control.flush()

    def _rekey(self, now: float) -> None:
        self._keyed = now
        for link in (self.control, self.bulk):
            if link is not None and link.alive:
                link.connection.rekey()
                link.flush()

    def close(self, code: int, reason: str) -> None:
        """End the session in order, telling the peer why."""
        if self.control.alive:
            self.control.connection.close(code, reason)
            self.control.close()
        if self.bulk is not None:
            self.bulk.close()
        self._end(None)

    def abort(self, error: Exception) -> None:
        """End the session at once."""
        self.control.abort(error)
        if self.bulk is not None:
            self.bulk.abort(error)
        self._end(error)

    # streams that we ask for

    def open_stream(self, blob: bytes, limit: int) -> int:
        """Ask for a blob from its beginning up to ``limit``; returns the stream's number.

        Raises LocalProtocolError when the bulk connection takes no request now.
        """
        bulk = self._bulk_link()
        stream = bulk.connection.next_stream
        bulk.connection.send_get(stream, blob, 0, limit)
        self.incoming[stream] = IncomingStream()
        bulk.flush()
        return stream

    def grant(self, stream: int, limit: int) -> None:
        """Let the peer send up to ``limit``."""
        bulk = self._bulk_link()
        if bulk.alive:
            bulk.connection.send_credit(stream, limit)
            bulk.flush()

    async def next_chunk(self, stream: int) -> ChunkReceived | StreamReset | None:
        """What came next on a stream of ours; None when the session has ended."""
        event = await self.incoming[stream].queue.get()
        self._balance()
        return event

    def close_stream(self, stream: int) -> None:
        """We are done with a stream, whether or not it has come to its end."""
        del self.incoming[stream]
        self._balance()
        bulk = self._bulk_link()
        if bulk.alive:
            bulk.connection.send_reset(stream, ErrorCode.CANCELLED)
            bulk.flush()

    def _balance(self) -> None:
        """Hold the bulk link while too many chunks wait for the disk."""
        waiting = sum(source.queue.qsize() for source in self.incoming.values())
        self._bulk_link().hold(waiting > MAX_WAITING_CHUNKS)

    def _bulk_link(self) -> Link:
        if self.bulk is None:
            raise SessionClosedError(f"no bulk connection to {self.node_id.short}")
        return self.bulk

    # LinkOwner

    def link_event(self, link: Link, event: Event) -> None:
        """Sort one event of either link to whoever waits for it."""
        match event:
            case MessageReceived():
                self.messages.put_nowait(event)
                if self.messages.qsize() > MAX_WAITING_MESSAGES:
                    link.hold(True)
            case CreditGranted():
                self._pump()
            case PongReceived(token=token):
                if self._ping_sent is not None and self._ping_sent[0] == token:
                    self.rtt = asyncio.get_running_loop().time() - self._ping_sent[1]
            case StreamRequested():
                self.outgoing[event.stream] = OutgoingStream(event, event.limit)
                self.requests.put_nowait(event)
            case StreamCreditGranted(stream=stream, limit=limit):
                if out := self.outgoing.get(stream):
                    out.limit = max(out.limit, limit)
                    out.changed.set()
            case ChunkReceived(stream=stream):
                if (source := self.incoming.get(stream)) is not None:
                    source.queue.put_nowait(event)
                    self._balance()
            case StreamReset(stream=stream):
                if (source := self.incoming.get(stream)) is not None:
                    source.queue.put_nowait(event)
                if out := self.outgoing.get(stream):
                    out.reset = True
                    out.changed.set()
            case ConnectionClosed(code=code, reason=reason, remote=True):
                link.close(SessionClosedError(f"peer closed the session: {reason} (code {code})"))
            case _:
                pass

    def link_lost(self, link: Link, error: Exception | None) -> None:
        """Either link's end is the session's end."""
        self._end(error)
        other = self.bulk if link is self.control else self.control
        if other is not None and other.alive:
            other.close()

    def _end(self, error: Exception | None) -> None:
        if self.closed.is_set():
            return
        self.error = error
        self.closed.set()
        self.ready.set()
        self.bulk_attached.set()
        while self._outbox:
            if not (sent := self._outbox.popleft().sent).done():
                sent.set_result(False)
        self.messages.put_nowait(None)
        self.requests.put_nowait(None)
        for source in self.incoming.values():
            source.queue.put_nowait(None)
        for out in self.outgoing.values():
            out.reset = True
            out.changed.set()
