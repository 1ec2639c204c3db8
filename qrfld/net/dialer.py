"""Dialling: from an address and an expected node ID to an authenticated session."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from qrfld.crypto.addresses import split_address
from qrfld.crypto.errors import CertificateError
from qrfld.crypto.identity import NodeId
from qrfld.net.errors import PeerUnreachableError
from qrfld.net.link import Link
from qrfld.net.session import Session
from qrfld.net.timing import DEFAULT, Timing
from qrfld.protocol.bulk import BulkSecret
from qrfld.protocol.connection import Connection
from qrfld.protocol.events import BulkJoined, Event, SessionEstablished
from qrfld.protocol.session import Endpoint
from qrfld.protocol.tickets import Ticket, Tickets

log = logging.getLogger("qrfld.dialer")

#: What to say on a socket that has just been opened; None to close it again.
Begin = Callable[[], Connection | None]


@dataclass(eq=False)
class _Handshake:
    """Owner of a link until its handshake is over."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    done: bool = False
    lost: bool = False
    error: Exception | None = None
    later: list[Event] = field(default_factory=list)

    def link_event(self, link: Link, event: Event) -> None:
        if self.done:
            self.later.append(event)
        elif isinstance(event, SessionEstablished | BulkJoined):
            self.done = True
            self.over.set()

    def link_lost(self, link: Link, error: Exception | None) -> None:
        self.lost, self.error = True, error
        self.over.set()


async def _open(begin: Begin, address: str, seconds: float) -> tuple[Link, _Handshake]:
    """Open a socket, begin a handshake on it and complete that; raises PeerUnreachableError."""
    handshake = _Handshake()
    try:
        host, port = split_address(address)
        async with asyncio.timeout(seconds):
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: Link(lambda _: begin(), handshake), host, port
            )
    # UnicodeError: a name that DNS cannot carry, such as one with a label of 64 letters.
    except (OSError, UnicodeError, CertificateError) as error:
        raise PeerUnreachableError(f"{address}: {_reason(error)}") from error
    try:
        async with asyncio.timeout(seconds):
            await handshake.over.wait()
    except TimeoutError:
        silent = PeerUnreachableError(f"{address}: no answer to the handshake")
        link.abort(silent)
        raise silent from None
    except BaseException:
        link.abort()
        raise
    if not handshake.done:
        why = handshake.error or "the peer closed the connection (not our federation or node?)"
        raise PeerUnreachableError(f"{address}: {why}")
    return link, handshake


def _reason(error: Exception) -> str:
    """Why no TCP connection came about, without the address, which asyncio repeats."""
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno)
    return str(error) or "no answer"


async def connect(
    endpoint: Endpoint,
    peer: NodeId,
    address: str,
    timing: Timing = DEFAULT,
    tickets: Tickets | None = None,
) -> Session:
    """Dial ``peer`` at ``address``; the session's bulk link is not open yet.

    With a ticket of the peer the session before is resumed; if that fails, whether the peer has
    forgotten it or somebody on the way interferes, a full handshake follows at once.

    Raises PeerUnreachableError: refused, silent, another node's identity, a failed handshake.
    """
    if tickets is not None and (ticket := tickets.to_dial(peer, _now())) is not None:
        try:
            return await _session(_resuming(endpoint, ticket, tickets), address, timing)
        except PeerUnreachableError as error:
            if tickets.to_dial(peer, _now()) is not None:
                # Nobody was there to show it to; or the peer has dialled us, hence the new ticket.
                raise
            log.debug("not resumed, a full handshake follows: %s", error)
    connection = Connection.dial(endpoint, peer)
    return await _session(lambda: connection, address, timing)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _resuming(endpoint: Endpoint, ticket: Ticket, tickets: Tickets) -> Begin:
    """Takes the ticket when the socket is open and not before: it is good for one attempt."""

    def begin() -> Connection | None:
        if tickets.to_dial(ticket.peer.node_id, _now()) is not ticket:
            return None
        tickets.take(ticket.peer.node_id, _now())
        return Connection.resume(endpoint, ticket)

    return begin


async def _session(begin: Begin, address: str, timing: Timing) -> Session:
    link, handshake = await _open(begin, address, timing.connect)
    protocol = link.connection.session
    assert protocol is not None  # noqa: S101 - SessionEstablished came
    session = Session(link, protocol, address=address, timing=timing)
    _hand_over(link, handshake, session)
    return session


async def connect_bulk(session: Session, bulk: BulkSecret) -> None:
    """Open the session's bulk link at the same address; raises PeerUnreachableError."""
    connection = Connection.dial_bulk(bulk)
    link, handshake = await _open(lambda: connection, session.address, session.timing.connect)
    session.bulk = link
    _hand_over(link, handshake, session)


def _hand_over(link: Link, handshake: _Handshake, session: Session) -> None:
    link.owner = session
    for event in handshake.later:
        session.link_event(link, event)
    if handshake.lost:
        session.link_lost(link, handshake.error)
