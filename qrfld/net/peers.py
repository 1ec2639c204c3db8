"""The mesh: every admitted member, the sessions with them, and who hears which message.

Below ten nodes the overlay is a full mesh: each node keeps one session with every other member.
Either side may dial (`reaching`), so that a node behind NAT takes part. When two sessions with one
member exist, both sides keep the one that the lower node ID dialled, and among those the newest.

A caller has to show its certificate before it sees ours or may open a bulk link. Callers that have
not are few (`MAX_STRANGERS`) and compete only with each other; sessions belong to members. A member
that keeps sending what makes no sense loses its session, and is not heard again for a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from qrfld.crypto.identity import NodeId, PublicIdentity
from qrfld.crypto.suites import suite_name
from qrfld.errors import QrfldError
from qrfld.net.admission import Issuer
from qrfld.net.dialer import connect_bulk
from qrfld.net.errors import (
    NetError,
    RateLimitError,
    SessionClosedError,
    TransferError,
)
from qrfld.net.gossip import Gossip
from qrfld.net.hellos import believe, greeting
from qrfld.net.limits import OFFENCES, RateLimiter
from qrfld.net.link import Link
from qrfld.net.members import Members
from qrfld.net.offers import Offers
from qrfld.net.reaching import Reaching
from qrfld.net.session import Session
from qrfld.net.timing import DEFAULT, Timing
from qrfld.net.transfer import Transfers
from qrfld.protocol.bulk import BulkSecret
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.messages import Digest, Hello, Join, Message, Refused
from qrfld.protocol.messages import Members as MembersMessage
from qrfld.protocol.session import Endpoint
from qrfld.protocol.tickets import Tickets

log = logging.getLogger("qrfld.peers")

#: How many callers may have a session without having said who they are.
MAX_STRANGERS = 64

M = TypeVar("M", bound=Message)
Handler = Callable[[NodeId, M], Awaitable[None]]
Callback = Callable[[NodeId], Coroutine[None, None, None]]


@dataclass(eq=False)
class Traffic:
    """Bytes of sessions that have ended."""

    sent: int = 0
    received: int = 0


@dataclass(eq=False)
class Peers:
    """Sessions with all members; the one door through which services send and hear messages."""

    endpoint: Endpoint
    members: Members
    transfers: Transfers
    issuer: Issuer
    max_sessions: int
    timing: Timing = DEFAULT
    offers: Offers = field(default_factory=Offers)
    sessions: dict[NodeId, Session] = field(default_factory=dict)
    bulk_secrets: dict[bytes, BulkSecret] = field(default_factory=dict)
    tickets: Tickets = field(default_factory=Tickets)
    traffic: Traffic = field(default_factory=Traffic)

    def __post_init__(self) -> None:
        self._handlers: dict[type[Message], Handler[Message]] = {}
        self._on_connected: list[Callback] = []
        self._on_disconnected: list[Callable[[NodeId], None]] = []
        self._live: dict[bytes, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reaching = Reaching(self.endpoint, self.members, self, self.timing)
        self._offences = RateLimiter(OFFENCES)
        self._gossip = Gossip(self.members, self)
        self.handle(Digest, self._gossip.hear_digest)
        self.handle(MembersMessage, self._gossip.hear_members)
        self.handle(Refused, self._hear_refused)

    # the surface for services

    @property
    def node_id(self) -> NodeId:
        """Our own node ID."""
        return self.endpoint.identity.node_id

    def handle(self, kind: type[M], handler: Handler[M]) -> None:
        """Name the one handler of a message type."""
        self._handlers[kind] = handler  # type: ignore[assignment]  # keyed by its own type

    def on_connected(self, callback: Callback) -> None:
        """Have ``callback`` awaited for every member whose session becomes ready."""
        self._on_connected.append(callback)

    def on_disconnected(self, callback: Callable[[NodeId], None]) -> None:
        """Have ``callback`` called for every member whose session ends."""
        self._on_disconnected.append(callback)

    def connected(self) -> set[NodeId]:
        """Members we have a ready session with, and ourselves."""
        ready = {n for n, s in self.sessions.items() if s.ready.is_set() and not s.closed.is_set()}
        return ready | {self.node_id}

    def identity_of(self, node: NodeId) -> PublicIdentity | None:
        """The public key of an admitted member, None for a stranger."""
        known = self.members.get(node)
        return known.member.identity if known else None

    async def send(self, node: NodeId, message: Message) -> bool:
        """Send to one member, or to ourselves; False when there is no session to carry it."""
        if node == self.node_id:
            self.spawn(self._deliver(node, message))
            return True
        session = self.sessions.get(node)
        if session is None or not session.ready.is_set():
            return False
        try:
            await session.send(message)
        except SessionClosedError:
            return False
        return True

    async def broadcast(self, nodes: Iterable[NodeId], message: Message) -> None:
        """Send to many at once, waiting for no reader.

        Those without a session hear it when they ask or reconnect.
        """
        for node in list(nodes):
            session = self.sessions.get(node)
            if node == self.node_id:
                await self.send(node, message)
            elif session is not None and session.ready.is_set():
                session.post(message)

    async def fetch(self, node: NodeId, blob: bytes, size: int) -> Path:
        """Bring a blob here from a member (see `Transfers.fetch`)."""
        session = self.sessions.get(node)
        if (here := self.transfers.local(blob)) is not None:
            return here
        if session is None:
            raise TransferError(f"no session with {node.short} to fetch a blob from")
        return await self.transfers.fetch(session, blob, size)

    def offer(self, blob: bytes, nodes: Iterable[NodeId]) -> None:
        """Let members read one of our blobs; nobody reads one that was not offered."""
        self.offers.offer(blob, nodes)

    def withdraw(self, blob: bytes) -> None:
        """Let nobody read a blob any more."""
        self.offers.withdraw(blob)

    def label(self, node: NodeId) -> str:
        """How logs name a node."""
        return self.members.label(node)

    def name(self, node: NodeId) -> str:
        """The name a node was admitted under."""
        return self.members.name(node)

    def everybody(self) -> list[NodeId]:
        """All admitted members, ourselves included, in the order of their admission here."""
        return [known.member.node_id for known in self.members]

    def describe(self, node: NodeId, now: float) -> dict[str, Any]:
        """One member and the session with it, as a plain map; ``now`` is loop time."""
        session, dialling = self.sessions.get(node), self._reaching.attempts(node)
        alive = session if session is not None and node in self.connected() else None
        where = self.members.addresses(node)
        state = "self" if node == self.node_id else "connected" if alive else "connecting"
        if state == "connecting" and dialling is not None and dialling.last_error:
            state = "unreachable"
        since = alive.started if alive else dialling.since if dialling else now
        return {
            "id": str(node),
            "short": node.short,
            "name": self.members.name(node),
            "state": state,
            "address": alive.address if alive else where[0] if where else "",
            "since_seconds": max(0.0, now - since),
            "suite": suite_name(alive.protocol.suite) if alive else "",
            "resumed": alive is not None and alive.protocol.resumed,
            "rtt_ms": alive.rtt * 1000 if alive and alive.rtt is not None else None,
            "bytes_sent": alive.bytes_sent if alive else 0,
            "bytes_received": alive.bytes_received if alive else 0,
            "last_error": "" if alive or dialling is None else dialling.last_error,
        }

    def total_traffic(self) -> Traffic:
        """All bytes sent and received over sockets since the start."""
        live = self._live.values()
        return Traffic(
            self.traffic.sent + sum(s.bytes_sent for s in live),
            self.traffic.received + sum(s.bytes_received for s in live),
        )

    # life

    def start(self) -> None:
        """Dial everybody we know."""
        for node in self.members.targets():
            self.keep_dialling(node)
        self.spawn(self._keep_alive())

    async def stop(self) -> None:
        """Say goodbye on every session and end all tasks."""
        dialling = self._reaching.stop()
        for session in list(self._live.values()):
            session.close(ErrorCode.SHUTTING_DOWN, "the daemon stops")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *dialling, return_exceptions=True)

    def full(self) -> bool:
        """Whether no further member gets a session."""
        return len(self.sessions) >= self.max_sessions

    def adopt(self, session: Session) -> None:
        """Take over a fresh session, dialled by either side."""
        self.spawn(self.run(session))

    def attach_bulk(self, session_id: bytes, link: Link) -> bool:
        """Give an accepted bulk link to the session it was derived from."""
        session = self._live.get(session_id)
        if session is None or session.bulk is not None or session.closed.is_set():
            return False
        self.bulk_secrets.pop(session_id, None)
        session.bulk = link
        link.owner = session
        session.bulk_attached.set()
        return True

    # sessions

    async def run(self, session: Session) -> None:
        """A session's life, from the end of its handshake on."""
        if not session.initiator:
            self._make_room()
        self._live[session.protocol.session_id] = session
        try:
            if await self._admit(session):
                await self._serve(session)
        except (QrfldError, TimeoutError) as error:
            reason = str(error) or "timed out"
            log.info("session with %s ended: %s", session.address, reason)
            session.close(ErrorCode.NOT_ADMITTED, reason)
        except Exception:
            # A defect of ours in one session ends that session, not the dialling of its peer.
            log.exception("session with %s failed", session.address)
        finally:
            self._forget(session)

    def _make_room(self) -> None:
        """End the oldest session whose caller has not said who it is, if there are too many."""
        strangers = [s for s in self._live.values() if s.member is None and not s.initiator]
        if len(strangers) >= MAX_STRANGERS:
            strangers[0].abort(SessionClosedError("gave its place to a newer caller"))

    async def _admit(self, session: Session) -> bool:
        """Exchange hellos, settle double sessions, open the bulk link; False: nothing to serve."""
        async with asyncio.timeout(self.timing.admission):
            if session.initiator:
                await session.send(greeting(session, self.members))
            if (event := await session.messages.get()) is None:
                raise SessionClosedError(f"closed before its hello: {session.error}")
            match event.message:
                case Hello() as hello:
                    session.member, new = await believe(session, hello, self.members, self.tickets)
                case Join() as join if not session.initiator and not session.protocol.resumed:
                    await session.send(self.members.hello())
                    await self._answer_join(session, join)
                    return False
                case other:
                    raise NetError(f"{type(other).__name__} came before a hello")
            session.consumed(event)
            if not self._offences.left(session.node_id, asyncio.get_running_loop().time()):
                raise RateLimitError(
                    f"{self.members.label(session.node_id)} sent too much nonsense"
                )
            if not self._keep(session):
                session.close(ErrorCode.DUPLICATE_SESSION, "another session is kept")
                return False
            self.tickets.keep(session.protocol, session.started)
            if session.initiator:
                await connect_bulk(session, session.protocol.bulk)
            else:
                self.bulk_secrets[session.protocol.session_id] = session.protocol.bulk
                await session.send(greeting(session, self.members))
                await session.bulk_attached.wait()
        if new:
            await self._gossip.pass_on([session.node_id], not_to=session.node_id)
        return not session.closed.is_set()

    async def _answer_join(self, session: Session, join: Join) -> None:
        if await self.issuer.answer(session, join):
            log.info("admitted %s (%s)", session.node_id.short, join.name)
            self.keep_dialling(session.node_id)
            await self._gossip.pass_on([session.node_id], not_to=session.node_id)
        # The joiner closes once it has its answer; a stranger who does not is closed in time.
        await session.closed.wait()

    def _keep(self, session: Session) -> bool:
        """Decide between this session and one we already have with the same member."""
        node = session.node_id
        other = self.sessions.get(node)
        if other is not None and not other.closed.is_set():
            if self._rank(session) < self._rank(other):
                return False
            other.close(ErrorCode.DUPLICATE_SESSION, "a newer session is kept")
        elif self.full():
            raise NetError(f"no room for {node.short}: {len(self.sessions)} sessions")
        self.sessions[node] = session
        self.keep_dialling(node)
        return True

    def _rank(self, session: Session) -> bool:
        """Whether the lower of the two node IDs dialled."""
        return session.initiator == (self.node_id < session.node_id)

    async def _serve(self, session: Session) -> None:
        session.ready.set()
        log.info("session with %s (%s)", self.members.label(session.node_id), session.address)
        await session.send(self.members.digest())
        for callback in self._on_connected:
            self.spawn(callback(session.node_id))
        async with asyncio.TaskGroup() as group:
            group.create_task(self.transfers.serve(session))
            group.create_task(self._listen(session))

    async def _listen(self, session: Session) -> None:
        while (event := await session.messages.get()) is not None:
            await self._deliver(session.node_id, event.message)
            session.consumed(event)
            await asyncio.sleep(0)  # however much one peer has to say, the others get their turn

    async def _deliver(self, node: NodeId, message: Message) -> None:
        handler = self._handlers.get(type(message))
        try:
            if handler is None:
                raise NetError("nobody waits for such a message")
            await handler(node, message)
        except QrfldError as error:
            self._offended(node, message, error)
        except Exception:
            # A defect of ours costs one message, not the session with whoever found it.
            log.exception("%s from %s failed", type(message).__name__, self.members.label(node))

    def _offended(self, node: NodeId, message: Message, error: QrfldError) -> None:
        """Log a message that was refused; too many of them end the session."""
        kind, label = type(message).__name__, self.members.label(node)
        if self._offences.allow(node, asyncio.get_running_loop().time()):
            log.warning("%s from %s: %s", kind, label, error)
        elif (session := self.sessions.get(node)) is not None and not session.closed.is_set():
            log.warning("closed the session with %s: too many refused messages", label)
            session.close(ErrorCode.RATE_LIMITED, "too many refused messages")

    def _forget(self, session: Session) -> None:
        session_id, node = session.protocol.session_id, session.node_id
        if not session.closed.is_set():
            session.abort(SessionClosedError("ended"))
        self._live.pop(session_id, None)
        self.bulk_secrets.pop(session_id, None)
        self.traffic.sent += session.bytes_sent
        self.traffic.received += session.bytes_received
        if self.sessions.get(node) is session:
            del self.sessions[node]
            if session.bulk is not None:
                log.info("lost %s: %s", self.members.label(node), session.error)
                for callback in self._on_disconnected:
                    callback(node)

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.timing.tick)
            self.tickets.expire(loop.time())
            for session in list(self._live.values()):
                session.keep_alive(loop.time())

    def keep_dialling(self, node: NodeId) -> None:
        """See to it that there is a session with a member, from now on."""
        self._reaching.keep(node)

    async def _hear_refused(self, node: NodeId, refused: Refused) -> None:
        log.warning("%s refused message %d: %s", node.short, refused.about, refused.reason)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run something beside everything else; it ends with the mesh."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a background task failed: %r", error, exc_info=error)
