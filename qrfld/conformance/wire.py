"""One TCP connection of the tester: it sends whatever bytes it is given, and every wait is bounded.

What came before a reset can still be read: an implementation that closes while our bytes are on
their way has its last word judged all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

from qrfld.conformance.verdict import DeviationError, TargetError
from qrfld.crypto.addresses import split_address

#: How long an implementation may take to do what it has to do at once, in seconds: more than a
#: slow board needs, less than the 5 s that the specification gives a whole handshake.
PROMPT: Final = 3.0
_MAX_UNREAD: Final = 4 << 20


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Bound the waits inside; DeviationError, naming what did not come, beyond ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise DeviationError(f"{what} did not come within {seconds:g} s") from None


class Wire(asyncio.Protocol):
    """A connection; ``prompt`` is the longest wait for anything, in seconds."""

    def __init__(self, prompt: float = PROMPT) -> None:
        self.prompt = prompt
        self.ended = False
        self._got = bytearray()
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by duck type

    def data_received(self, data: bytes) -> None:
        """Keep what came, up to a bound."""
        self._got += data
        if len(self._got) > _MAX_UNREAD:
            self._transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> bool:
        """The other side has closed; ours stays open until the case is over."""
        self.ended = True
        self._changed.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self.ended = True
        self._changed.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """The socket is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._writable.set()

    # out

    async def send(self, *pieces: bytes | bytearray) -> None:
        """Send the pieces; whoever has closed meanwhile does not get them, which is no error."""
        for piece in pieces:
            if not self._transport.is_closing():
                self._transport.write(piece)
        try:
            async with asyncio.timeout(self.prompt):
                await self._writable.wait()
        except TimeoutError:
            raise DeviationError(f"it read nothing for {self.prompt:g} s") from None

    async def trickle(self, data: bytes | bytearray, size: int = 1) -> None:
        """Send ``data`` in pieces of ``size`` bytes, each by itself."""
        for at in range(0, len(data), size):
            await self.send(bytes(data[at : at + size]))
            await asyncio.sleep(0)

    def finish(self) -> None:
        """End our direction, as a peer does that is gone."""
        if not self._transport.is_closing():
            self._transport.write_eof()

    # in

    async def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or fewer if the connection ends before. DeviationError."""
        await self._until(lambda: len(self._got) >= size or self.ended, f"{size} bytes")
        taken = bytes(self._got[:size])
        del self._got[:size]
        if not self.ended and len(self._got) <= _MAX_UNREAD:
            self._transport.resume_reading()
        return taken

    async def peek(self, size: int) -> bytes:
        """The first ``size`` bytes, left where they are; fewer at the end. DeviationError."""
        await self._until(lambda: len(self._got) >= size or self.ended, f"{size} bytes")
        return bytes(self._got[:size])

    async def take(self, size: int, what: str) -> bytes:
        """Exactly ``size`` bytes; DeviationError if ``what`` does not come whole."""
        data = await self.read(size)
        if len(data) < size:
            raise DeviationError(f"it closed after {len(data)} of the {size} bytes of {what}")
        return data

    async def closed_silently(self) -> None:
        """Wait for the end of the connection; DeviationError if a byte comes or it does not end."""
        await self._until(lambda: bool(self._got) or self.ended, "the end of the connection")
        if self._got:
            begin = bytes(self._got[:16]).hex()
            raise DeviationError(f"it sent {len(self._got)} bytes or more, beginning {begin}")

    async def stays_open(self, seconds: float) -> None:
        """Wait ``seconds``; DeviationError if a byte or the end comes meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                while not (self._got or self.ended):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return
        raise DeviationError(
            "it closed" if self.ended else f"it sent {bytes(self._got[:16]).hex()}"
        )

    def close(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    async def _until(self, done: Callable[[], bool], what: str) -> None:
        async with within(self.prompt, what):
            while not done():
                self._changed.clear()
                await self._changed.wait()


class Pace:
    """How often the tester connects: a node may turn away who connects too often."""

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._free_at = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        loop = asyncio.get_running_loop()
        earliest = loop.time() - self._burst / self._per_second
        self._free_at = max(self._free_at, earliest) + 1 / self._per_second
        await asyncio.sleep(self._free_at - loop.time())


@asynccontextmanager
async def connected(address: str, prompt: float) -> AsyncIterator[Wire]:
    """A connection to ``host:port`` that is gone afterwards; TargetError if nobody listens."""
    host, port = split_address(address)
    try:
        async with asyncio.timeout(prompt):
            _, wire = await asyncio.get_running_loop().create_connection(
                lambda: Wire(prompt), host, port
            )
    except (OSError, TimeoutError) as error:
        raise TargetError(f"{address} does not answer: {error or 'no connection'}") from error
    try:
        yield wire
    finally:
        wire.close()
