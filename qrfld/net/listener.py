"""The listening socket: bounded, rate-limited, and silent to strangers.

An accepted link has `handshake_seconds` for its whole handshake and counts against the number of
handshakes in progress; beyond that number, or when they begin faster than `EAGER` allows, every
first message must come back with a cookie. When
`MAX_PENDING` wait, the newest takes the place of the oldest one from the address that has most:
idle strangers lose their places to each other, and an honest handshake needs its own for
milliseconds. What becomes of a finished handshake is the mesh's business: a new session, or the
bulk half of one that exists.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from qrfld.errors import ConfigError
from qrfld.net.errors import ListenAddressError, NetError, PortInUseError
from qrfld.net.limits import ACCEPT, COMPLAINTS, EAGER, RateLimiter, origin
from qrfld.net.link import Link, format_address
from qrfld.net.session import Session
from qrfld.net.timing import Timing
from qrfld.protocol.bulk import BulkSecret
from qrfld.protocol.connection import Connection
from qrfld.protocol.cookies import CookieGate
from qrfld.protocol.events import BulkJoined, Event, SessionEstablished
from qrfld.protocol.session import Endpoint
from qrfld.protocol.tickets import TicketGate, Tickets

log = logging.getLogger("qrfld.listener")

MAX_PENDING = 64
#: How many connections the kernel holds until the loop comes to them.
BACKLOG = 1024
COOKIE_SECRET_SECONDS = 120.0


class Mesh(Protocol):
    """What the listener needs of the mesh."""

    bulk_secrets: dict[bytes, BulkSecret]
    tickets: Tickets
    timing: Timing

    def adopt(self, session: Session) -> None:
        """Take over a session that a peer dialled."""

    def attach_bulk(self, session_id: bytes, link: Link) -> bool:
        """Give a bulk link to its session; False when there is none that waits for it."""


@dataclass(frozen=True, eq=False)
class _Pending:
    """A handshake in progress: what ends it in time, and whose it is (`origin`)."""

    timer: asyncio.TimerHandle
    origin: str


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
        self._complaints = RateLimiter(COMPLAINTS)
        self._eager = RateLimiter(EAGER)
        self._pending: dict[Link, _Pending] = {}
        self._crowd: Counter[str] = Counter()
        self._secrets = (secrets.token_bytes(32), secrets.token_bytes(32))
        self._renewed = asyncio.get_running_loop().time()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> list[str]:
        """Listen; returns the bound addresses. Raises PortInUseError or ListenAddressError."""
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._link, host, port, backlog=BACKLOG
            )
        except OSError as error:
            raise _refused(host, port, error) from error
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
        loop = asyncio.get_running_loop()
        now, where = loop.time(), origin(link.address)
        if not self._accepts.allow(where, now):
            self._complain("turned %s away: too many connections from there", link.address)
            return None
        if len(self._pending) >= MAX_PENDING:
            self._make_room()
        gate = None
        if len(self._pending) >= self._max_handshakes or not self._eager.allow("", now):
            host = link.address.rpartition(":")[0]
            gate = CookieGate(self._cookie_secrets(now), host.encode(), now)
        late = NetError(f"no handshake within {self._handshake_seconds:g} s")
        timer = loop.call_later(self._handshake_seconds, link.abort, late)
        self._pending[link] = _Pending(timer, where)
        self._crowd[where] += 1
        tickets = TicketGate(self._mesh.tickets, now)
        return Connection.accept(self._endpoint, self._mesh.bulk_secrets, gate, tickets)

    def settle(self, link: Link, event: Event) -> None:
        """The handshake is over: pass the link on."""
        self._drop(link)
        match event:
            case SessionEstablished(session=protocol):
                timing = self._mesh.timing
                session = Session(link, protocol, address=link.address, timing=timing)
                link.owner = session
                self._mesh.adopt(session)
            case BulkJoined(session_id=session_id):
                if not self._mesh.attach_bulk(session_id, link):
                    link.abort(NetError("no session waits for this bulk connection"))

    def forget(self, link: Link, error: Exception | None) -> None:
        """The link ended before its handshake did."""
        if self._drop(link):
            self._complain("handshake with %s failed: %s", link.address, error or "closed")

    def _drop(self, link: Link) -> bool:
        """Strike a link off the list; whether it was on it."""
        pending = self._pending.pop(link, None)
        if pending is None:
            return False
        pending.timer.cancel()
        self._crowd[pending.origin] -= 1
        if not self._crowd[pending.origin]:
            del self._crowd[pending.origin]
        return True

    def _make_room(self) -> None:
        """Close the oldest pending link of whoever has most of them."""
        busiest = max(self._crowd, key=self._crowd.__getitem__)
        oldest = next(link for link, one in self._pending.items() if one.origin == busiest)
        oldest.abort(NetError("gave its place to a newer connection"))
        self.forget(oldest, oldest.error)

    def _complain(self, text: str, *details: object) -> None:
        """Log about a stranger, but not as often as strangers like."""
        if self._complaints.allow("", asyncio.get_running_loop().time()):
            log.info(text, *details)

    def _cookie_secrets(self, now: float) -> tuple[bytes, bytes]:
        if now - self._renewed > COOKIE_SECRET_SECONDS:
            self._secrets, self._renewed = (secrets.token_bytes(32), self._secrets[0]), now
        return self._secrets


def _refused(host: str, port: int, error: OSError) -> ConfigError:
    text = f"cannot listen on {host}:{port}: {error.strerror or error}"
    match error.errno:
        case errno.EADDRINUSE:
            return PortInUseError(text, hint="stop what uses it, or set listen.port")
        case errno.EACCES:
            return ListenAddressError(text, hint="set listen.port to 1024 or above")
        case _:
            return ListenAddressError(text, hint="set listen.host to an address of this machine")


class _Accepted:
    """Owner of an accepted link until its handshake is over."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.link = Link(lambda _: listener.greet(self.link), self)

    def link_event(self, link: Link, event: Event) -> None:
        self._listener.settle(link, event)

    def link_lost(self, link: Link, error: Exception | None) -> None:
        self._listener.forget(link, error)
