"""The listening socket: bounded, rate-limited, and silent to strangers.

An accepted link has `handshake_seconds` for its whole handshake and counts against the number of
handshakes in progress; beyond that number every first message must come back with a cookie, and
beyond `MAX_PENDING` links are closed unheard. What becomes of a finished handshake is the mesh's
business: a new session, or the bulk half of one that exists.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Protocol

from qrfld.net.errors import NetError, PortInUseError
from qrfld.net.limits import ACCEPT, RateLimiter
from qrfld.net.link import Link, format_address
from qrfld.net.session import Session
from qrfld.protocol.bulk import BulkSecret
from qrfld.protocol.connection import Connection
from qrfld.protocol.cookies import CookieGate
from qrfld.protocol.events import BulkJoined, Event, SessionEstablished
from qrfld.protocol.session import Endpoint

log = logging.getLogger("qrfld.listener")

MAX_PENDING = 64
COOKIE_SECRET_SECONDS = 120.0


class Mesh(Protocol):
    """What the listener needs of the mesh."""

    bulk_secrets: dict[bytes, BulkSecret]

    def full(self) -> bool:
        """Whether no further session is taken on."""

    def adopt(self, session: Session) -> None:
        """Take over a session that a peer dialled."""

    def attach_bulk(self, session_id: bytes, link: Link) -> bool:
        """Give a bulk link to its session; False when there is none that waits for it."""


class Listener:
    """Accepts links for one endpoint on one address."""

    def __init__(
        self, endpoint: Endpoint, mesh: Mesh, *, max_handshakes: int, handshake_seconds: float
    ) -> None:
        self._endpoint = endpoint
        self._mesh = mesh
        self._max_handshakes = max_handshakes
        self._handshake_seconds = handshake_seconds
        self._accepts = RateLimiter(ACCEPT)
        self._pending: set[Link] = set()
        self._secrets = (secrets.token_bytes(32), secrets.token_bytes(32))
        self._renewed = asyncio.get_running_loop().time()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> list[str]:
        """Listen; returns the bound addresses. Raises PortInUseError."""
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._link, host, port, backlog=256
            )
        except OSError as error:
            raise PortInUseError(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                hint="stop what uses it, or set listen.port",
            ) from error
        return [format_address(sock.getsockname()) for sock in self._server.sockets]

    async def stop(self) -> None:
        """Stop accepting and drop handshakes in progress."""
        if self._server is not None:
            self._server.close()
        for link in list(self._pending):
            link.abort()

    def _link(self) -> Link:
        """The protocol of a socket that has just been accepted (asyncio's protocol factory)."""
        return _Accepted(self).link

    def greet(self, link: Link) -> Connection | None:
        """The connection for a new link, None to turn it away unheard."""
        now = asyncio.get_running_loop().time()
        host = link.address.rpartition(":")[0]
        if len(self._pending) >= MAX_PENDING or self._mesh.full():
            log.warning("turned %s away: too many connections", link.address)
            return None
        if not self._accepts.allow(host, now):
            log.warning("turned %s away: too many connections from there", link.address)
            return None
        gate = None
        if len(self._pending) >= self._max_handshakes:
            gate = CookieGate(self._cookie_secrets(now), host.encode(), now)
        self._pending.add(link)
        asyncio.get_running_loop().call_later(self._handshake_seconds, self._expire, link)
        return Connection.accept(self._endpoint, self._mesh.bulk_secrets, gate)

    def settle(self, link: Link, event: Event) -> None:
        """The handshake is over: pass the link on."""
        self._pending.discard(link)
        match event:
            case SessionEstablished(session=protocol):
                session = Session(link, protocol, address=link.address)
                link.owner = session
                self._mesh.adopt(session)
            case BulkJoined(session_id=session_id):
                if not self._mesh.attach_bulk(session_id, link):
                    link.abort(NetError("no session waits for this bulk connection"))

    def forget(self, link: Link, error: Exception | None) -> None:
        """The link ended before its handshake did."""
        if link in self._pending:
            self._pending.discard(link)
            log.info("handshake with %s failed: %s", link.address, error or "closed")

    def _expire(self, link: Link) -> None:
        if link in self._pending:
            link.abort(NetError(f"no handshake within {self._handshake_seconds:g} s"))

    def _cookie_secrets(self, now: float) -> tuple[bytes, bytes]:
        if now - self._renewed > COOKIE_SECRET_SECONDS:
            self._secrets, self._renewed = (secrets.token_bytes(32), self._secrets[0]), now
        return self._secrets


class _Accepted:
    """Owner of an accepted link until its handshake is over."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.link = Link(lambda _: listener.greet(self.link), self)

    def link_event(self, link: Link, event: Event) -> None:
        self._listener.settle(link, event)

    def link_lost(self, link: Link, error: Exception | None) -> None:
        self._listener.forget(link, error)
