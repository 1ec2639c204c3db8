"""One TCP socket and the sans-IO connection that speaks on it.

The link owns no protocol state: it feeds what arrives to the `Connection`, passes the events on,
and writes what the connection wants written. A peer that does not read what we owe it is dropped
once `MAX_UNSENT` bytes wait for it; one that sends faster than its owner works is `held`. So
everything a peer can make us hold is bounded.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from qrfld.protocol.connection import Connection
from qrfld.protocol.errors import ProtocolError, SilentRejectError
from qrfld.protocol.events import BulkJoined, Event

#: A handshake and messages come in small pieces, and a small buffer keeps one busy peer from taking
#: the loop for long; model bytes come fast, and large reads are cheaper.
READ_BUFFER = 16 * 1024
BULK_READ_BUFFER = 256 * 1024
CLOSE_SECONDS = 5.0
MAX_UNSENT = 4 * 1024 * 1024
#: Linux: how long sent data may stay unacknowledged before the kernel gives the socket up (ms).
USER_TIMEOUT_MS = 10_000


class LinkOwner(Protocol):
    """Who hears of what a link receives."""

    def link_event(self, link: Link, event: Event) -> None:
        """Handle one protocol event; must not block."""

    def link_lost(self, link: Link, error: Exception | None) -> None:
        """The socket is gone; ``error`` says why, None for an orderly end."""


class Link(asyncio.BufferedProtocol):
    """asyncio protocol around one `Connection`; ``owner`` may be changed while it runs.

    ``connect`` makes the connection once the peer's address is known; None refuses the peer.
    """

    connection: Connection

    def __init__(self, connect: Callable[[str], Connection | None], owner: LinkOwner) -> None:
        self._connect = connect
        self.owner = owner
        self.address = ""
        self.bytes_sent = 0
        self.bytes_received = 0
        self.last_received = asyncio.get_running_loop().time()
        self._view = memoryview(bytearray(READ_BUFFER))
        self._transport: asyncio.Transport | None = None
        self._error: Exception | None = None
        self._held = False
        self._writable = asyncio.Event()
        self._writable.set()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tune the socket and send what the connection has to say first."""
        # uvloop's transports are asyncio's by duck type only.
        self._transport = transport = cast(asyncio.Transport, transport)
        self.address = format_address(transport.get_extra_info("peername"))
        connection = self._connect(self.address)
        if connection is None:
            transport.abort()
            return
        self.connection = connection
        _tune(transport.get_extra_info("socket"))
        self.flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Hand the loop our one read buffer."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Feed the connection; a protocol error closes the link, saying so only where allowed."""
        if not self.alive:
            return
        self.bytes_received += nbytes
        self.last_received = asyncio.get_running_loop().time()
        try:
            self.connection.receive_data(self._view[:nbytes])
        except SilentRejectError as error:
            self.abort(error)
            return
        except ProtocolError as error:
            self._dispatch()
            self.close(error)
            return
        self._dispatch()
        self.flush()

    def eof_received(self) -> bool:
        """Tell the connection, then let the loop close the socket."""
        try:
            self.connection.receive_eof()
        except ProtocolError as error:
            self._error = error
        self._dispatch()
        return False

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The socket's buffer has room again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner once; nobody may wait on this link any more."""
        self._transport = None
        self._writable.set()
        self.owner.link_lost(self, self._error or exc)

    # for the session

    @property
    def alive(self) -> bool:
        """Whether the socket is open and not on its way out."""
        return self._transport is not None and not self._transport.is_closing()

    def flush(self) -> None:
        """Write what the connection has ready; drop a peer that does not read."""
        if self._transport is None:
            return
        for chunk in self.connection.data_to_send():
            self.bytes_sent += len(chunk)
            self._transport.write(chunk)
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort(ConnectionAbortedError(f"{self.address} does not read what it asked for"))

    async def drain(self) -> None:
        """Wait until the socket takes more."""
        await self._writable.wait()

    @property
    def error(self) -> Exception | None:
        """Why the link was closed, as far as it is known."""
        return self._error

    @property
    def held(self) -> bool:
        """Whether reading waits for our own side."""
        return self._held

    def hold(self, hold: bool) -> None:
        """Stop reading, or go on: the owner has too much to deal with, or has dealt with it."""
        if hold == self._held or self._transport is None or self._transport.is_closing():
            return
        self._held = hold
        if hold:
            self._transport.pause_reading()
        else:
            self.last_received = asyncio.get_running_loop().time()
            self._transport.resume_reading()

    def close(self, error: Exception | None = None) -> None:
        """Send what is queued, then close; ``error`` is what the owner will be told."""
        self._error = self._error or error
        self.flush()
        if self._transport is not None:
            self._transport.close()
            # A peer that never reads would hold the closing socket open: give it a moment only.
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def abort(self, error: Exception | None = None) -> None:
        """Close at once, without sending another byte."""
        self._error = self._error or error
        if self._transport is not None:
            self._transport.abort()

    def _dispatch(self) -> None:
        for event in self.connection.events_received():
            if isinstance(event, BulkJoined):
                self._view = memoryview(bytearray(BULK_READ_BUFFER))
            self.owner.link_event(self, event)


def format_address(peername: object) -> str:
    """``host:port`` or ``[v6]:port`` of a socket's name."""
    match peername:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case _:
            return "unknown"


def _tune(sock: socket.socket | None) -> None:
    if sock is None:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
