"""Dialling: from an address and an expected node ID to an authenticated session."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from qrfld.crypto.addresses import split_address
from qrfld.crypto.errors import CertificateError
from qrfld.crypto.identity import NodeId
from qrfld.net.errors import PeerUnreachableError
from qrfld.net.link import Link
from qrfld.net.session import Session
from qrfld.protocol.bulk import BulkSecret
from qrfld.protocol.connection import Connection
from qrfld.protocol.events import BulkJoined, Event, SessionEstablished
from qrfld.protocol.session import Endpoint

CONNECT_SECONDS = 5.0


@dataclass(eq=False)
class _Handshake:
    """Owner of a link until its handshake is over."""

    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    later: list[Event] = field(default_factory=list)

    def link_event(self, link: Link, event: Event) -> None:
        if self.done.done():
            self.later.append(event)
        elif isinstance(event, SessionEstablished | BulkJoined):
            self.done.set_result(None)

    def link_lost(self, link: Link, error: Exception | None) -> None:
        if not self.done.done():
            reason = error or "the peer closed the connection (not our federation or node?)"
            self.done.set_exception(PeerUnreachableError(f"{link.address}: {reason}"))


async def _open(connection: Connection, address: str) -> tuple[Link, _Handshake]:
    """Open a socket and complete the handshake; raises PeerUnreachableError."""
    handshake = _Handshake()
    try:
        host, port = split_address(address)
        async with asyncio.timeout(CONNECT_SECONDS):
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: Link(lambda _: connection, handshake), host, port
            )
    except (OSError, CertificateError) as error:
        raise PeerUnreachableError(f"{address}: {error or type(error).__name__}") from error
    try:
        await asyncio.wait_for(handshake.done, CONNECT_SECONDS)
    except TimeoutError:
        silent = PeerUnreachableError(f"{address}: no answer to the handshake")
        link.abort(silent)
        raise silent from None
    return link, handshake


async def connect(endpoint: Endpoint, peer: NodeId, address: str) -> Session:
    """Dial ``peer`` at ``address``; the session's bulk link is not open yet.

    Raises PeerUnreachableError: refused, silent, another node's identity, a failed handshake.
    """
    link, handshake = await _open(Connection.dial(endpoint, peer), address)
    protocol = link.connection.session
    assert protocol is not None  # noqa: S101 - SessionEstablished came
    session = Session(link, protocol, address=address)
    _hand_over(link, handshake, session)
    return session


async def connect_bulk(session: Session, bulk: BulkSecret) -> None:
    """Open the session's bulk link at the same address; raises PeerUnreachableError."""
    link, handshake = await _open(Connection.dial_bulk(bulk), session.address)
    session.bulk = link
    _hand_over(link, handshake, session)


def _hand_over(link: Link, handshake: _Handshake, session: Session) -> None:
    link.owner = session
    for event in handshake.later:
        session.link_event(link, event)
    if not link.alive:
        session.link_lost(link, None)
