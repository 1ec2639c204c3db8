from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from qrfld.conformance.verdict import DeviationError, TargetError
from qrfld.conformance.wire import Pace, Wire, connected

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def dialled(serve: Serve, prompt: float = 5.0) -> AsyncIterator[Wire]:
    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connected(f"127.0.0.1:{port}", prompt) as wire:
        yield wire


async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_peer_closes_without_a_word_and_is_silent() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)

    async with dialled(close) as wire:
        await wire.send(b"x")
        await wire.closed_silently()


async def test_peer_resets_and_what_it_sent_before_is_still_read() -> None:
    async def last_word(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async with dialled(last_word) as wire:
        await wire.send(bytes(100_000))
        assert await wire.read(10) == b"bye"
        assert wire.ended


async def test_peer_says_something_and_is_not_silent() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400")
        await reader.read()

    async with dialled(speak) as wire:
        with pytest.raises(DeviationError, match="485454502f312e31"):
            await wire.closed_silently()


async def test_peer_stays_and_the_wait_is_bounded() -> None:
    async with dialled(idle, prompt=0.05) as wire:
        with pytest.raises(DeviationError, match=r"did not come within 0\.05 s"):
            await wire.closed_silently()
        with pytest.raises(DeviationError, match="4 bytes did not come"):
            await wire.read(4)
        await wire.stays_open(0.01)


async def test_peer_closes_early_and_a_piece_is_not_whole() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ab")

    async with dialled(half) as wire:
        with pytest.raises(DeviationError, match="closed after 2 of the 4 bytes of M2"):
            await wire.take(4, "M2")


async def test_peer_floods_and_the_tester_stops_reading() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(bytes(1 << 16))
            await writer.drain()

    async with dialled(flood) as wire:
        await asyncio.sleep(0.2)
        assert len(wire._got) < 6 << 20
        assert await wire.read(1 << 20) == bytes(1 << 20)


async def test_nobody_listens_and_the_target_is_named() -> None:
    with pytest.raises(TargetError, match=r"127\.0\.0\.1:1 does not answer"):
        async with connected("127.0.0.1:1", 1.0):
            pass


async def test_pace_lets_a_burst_through_and_then_one_at_a_time() -> None:
    pace, loop = Pace(burst=3, per_second=50), asyncio.get_running_loop()
    start = loop.time()
    for _ in range(8):
        await pace.turn()
    assert loop.time() - start >= 4 / 50
