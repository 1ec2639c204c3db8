"""One authenticated peer: a control link, a bulk link, and the queue of what it said.

Messages wait in a queue that the protocol's credit bounds: the peer may have `INITIAL_CREDIT` bytes
unread with us, and gets more only as we consume. The session pings after a second of silence and
ends after `SILENCE` seconds of it.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from qrfld.crypto.certificates import Member
from qrfld.crypto.identity import NodeId, PublicIdentity
from qrfld.net.errors import SessionClosedError
from qrfld.net.link import Link
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

PING_AFTER = 1.0
SEND_SECONDS = 10.0
SILENCE = 10.0
REKEY_SECONDS = 3600.0


@dataclass(eq=False)
class IncomingStream:
    """A blob on its way in: chunks wait here, bounded by the stream's credit."""

    queue: asyncio.Queue[ChunkReceived | StreamReset | None] = field(default_factory=asyncio.Queue)


@dataclass(eq=False)
class OutgoingStream:
    """A blob on its way out: how far the peer lets us send."""

    request: StreamRequested
    limit: int
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    reset: bool = False


class Session:
    """One peer, from the end of the handshake to the end of either link."""

    def __init__(self, control: Link, session: ProtocolSession, *, address: str) -> None:
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
        # Our requests have odd numbers if we dialled, even ones if the peer did.
        self.fetching = asyncio.Semaphore(MAX_STREAMS)
        self._credit = asyncio.Event()
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
        """Send one control message, waiting for the peer's credit.

        Raises SessionClosedError; a peer that gives no credit for `SEND_SECONDS` loses its session,
        so that it cannot hold up whoever speaks to everybody.
        """
        try:
            async with asyncio.timeout(SEND_SECONDS):
                while not self.closed.is_set():
                    if self.control.connection.can_send(message):
                        self.control.connection.send_message(message)
                        self.control.flush()
                        return
                    self._credit.clear()
                    await self._credit.wait()
        except TimeoutError:
            self.abort(SessionClosedError(f"{self.address} reads no messages"))
        raise SessionClosedError(f"the session with {self.node_id.short} ended: {self.error}")

    def consumed(self, event: MessageReceived) -> None:
        """Give the peer its credit back for a message that has been dealt with."""
        if self.control.alive:
            self.control.connection.consumed(event.size)
            self.control.flush()

    def keep_alive(self, now: float) -> None:
        """Ping when idle, close when silent, step the keys. Called every second (loop time, s)."""
        if now - self._keyed >= REKEY_SECONDS:
            self._rekey(now)
        silent = now - self.control.last_received
        if silent > SILENCE:
            self.abort(SessionClosedError(f"{self.address} was silent for {silent:.0f} s"))
        elif silent >= PING_AFTER and self.control.alive:
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

    # LinkOwner

    def link_event(self, link: Link, event: Event) -> None:
        """Sort one event of either link to whoever waits for it."""
        match event:
            case MessageReceived():
                self.messages.put_nowait(event)
            case CreditGranted():
                self._credit.set()
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
        self._credit.set()
        self.messages.put_nowait(None)
        self.requests.put_nowait(None)
        for source in self.incoming.values():
            source.queue.put_nowait(None)
        for out in self.outgoing.values():
            out.reset = True
            out.changed.set()
