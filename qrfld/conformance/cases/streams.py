"""Streams and credit (sections 9.1 and 9.2), as far as no blob is needed for them."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Final

from qrfld.conformance.cases.frames import closing_with
from qrfld.conformance.speaker import WINDOW, Pair, Speaker
from qrfld.conformance.verdict import Case, DeviationError, InconclusiveError, expect
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.frames import (
    Chunk,
    Close,
    Credit,
    Frame,
    Get,
    MessageFrame,
    Pong,
    Reset,
    StreamCredit,
)

Run = Callable[[Pair], Awaitable[None]]
_BAD_STREAM: Final = ErrorCode.BAD_STREAM


def own(speaker: Speaker, number: int) -> int:
    """Our ``number``-th stream, from 1: odd ones for the session's initiator."""
    return 2 * number - (1 if speaker.initiator else 0)


def theirs(speaker: Speaker, number: int) -> int:
    """The peer's ``number``-th stream."""
    return 2 * number - (0 if speaker.initiator else 1)


def _get(stream: int) -> Get:
    """Asks for a blob that nobody has."""
    return Get(stream, os.urandom(32), 0, 1000)


def _closing(frames: Callable[[Speaker], list[Frame]]) -> Run:
    async def run(pair: Pair) -> None:
        await closing_with("bulk", _BAD_STREAM, *frames(pair.bulk))(pair)

    return run


async def _not_found(pair: Pair) -> None:
    stream = own(pair.bulk, 1)
    await pair.bulk.say(_get(stream))
    await _refused(pair.bulk, stream)
    await pair.alive()


async def _refused(bulk: Speaker, stream: int) -> None:
    reset = await bulk.heard(Reset)
    expect(reset.stream == stream, f"it reset stream {reset.stream} instead of {stream}")
    expect(reset.code == ErrorCode.NOT_FOUND, f"its RESET has code {reset.code}, not not-found")


async def _skipping(pair: Pair) -> None:
    """Stream numbers need not follow each other, and may be the highest."""
    highest = 2**32 - 1 if pair.bulk.initiator else 2**32 - 2
    for stream in (own(pair.bulk, 5), own(pair.bulk, 900), highest):
        await pair.bulk.say(_get(stream))
        await _refused(pair.bulk, stream)


async def _over(pair: Pair) -> None:
    """STREAM_CREDIT and RESET that crossed a stream's end."""
    stream = own(pair.bulk, 1)
    await pair.bulk.say(_get(stream))
    await _refused(pair.bulk, stream)
    await pair.bulk.say(StreamCredit(stream, 2000), Reset(stream, 6), Reset(stream, 60_000))
    await pair.alive()


async def _again(pair: Pair) -> None:
    stream = own(pair.bulk, 2)
    await pair.bulk.say(_get(stream))
    await _refused(pair.bulk, stream)
    await pair.bulk.say(_get(stream))
    await pair.bulk.closes(_BAD_STREAM)


async def _lower(pair: Pair) -> None:
    await pair.bulk.say(_get(own(pair.bulk, 2)))
    await _refused(pair.bulk, own(pair.bulk, 2))
    await pair.bulk.say(_get(own(pair.bulk, 1)))
    await pair.bulk.closes(_BAD_STREAM)


async def _many(pair: Pair) -> None:
    """Nine at once. Who answers each before it reads the next never has nine open."""
    bulk = pair.bulk
    records = [bulk.sealed(_get(own(bulk, number))) for number in range(1, 10)]
    await bulk.wire.send(b"".join(records))
    resets = 0
    while resets < len(records):
        match await bulk.hear():
            case Reset():
                resets += 1
            case Close(code=code):
                expect(code == ErrorCode.TOO_MANY_STREAMS, f"it closed with code {code}")
                return
            case None:
                raise DeviationError("TCP ended without CLOSE; awaited: 24 too-many-streams")
            case _:
                pass
    raise InconclusiveError("it answered each GET at once: never were nine open")


def _padded(size: int, code: int) -> MessageFrame:
    """A message that changes nothing: a MEMBERS without entries, or one of an unknown odd code."""
    if code != 5:
        return MessageFrame(code.to_bytes(2) + bytes(size - 2))
    padding = size - 2 - 7
    return MessageFrame(b"\x00\x05\x82\x00\x90\x01\xc5" + padding.to_bytes(2) + bytes(padding))


def _grants(code: int) -> Run:
    """Far more messages than the first credit allows, within what is granted."""

    async def run(pair: Pair) -> None:
        control, size, sent, granted = pair.control, 60_000, 0, WINDOW
        for _ in range(20):
            while sent + size > granted:
                limit = (await control.heard(Credit)).limit
                expect(limit > granted, f"it granted {limit} after {granted}")
                expect(limit <= sent + WINDOW, f"it granted {limit} with {sent} bytes received")
                granted = limit
            await control.say(_padded(size, code))
            sent += size
        await control.alive()

    return run


async def _exceeds(pair: Pair) -> None:
    """Messages without regard for credit, all at once: more than a node can have consumed."""
    control = pair.control
    await control.wire.send(b"".join(control.sealed(_padded(60_000, 5)) for _ in range(60)))
    await control.say(b"\x02" + bytes(8))
    while (frame := await control.hear()) is not None:
        match frame:
            case Close(code=code):
                expect(code == ErrorCode.CREDIT_EXCEEDED, f"it closed with code {code}")
                return
            case Pong():
                raise InconclusiveError("it consumed the messages as fast as they came")
            case _:
                pass
    # TCP ended: its CLOSE may be lost under what we still had to send when it closed.


CASES: Final[list[Case[Pair]]] = [
    Case("get-not-found", "9.2", "answers not-found for a blob that it does not offer", _not_found),
    Case("stream-numbers", "9.2", "accepts any higher number of the right parity", _skipping),
    Case("stream-over", "9.2", "ignores STREAM_CREDIT and RESET for a stream that is over", _over),
    Case("stream-again", "9.2", "refuses a stream number a second time", _again),
    Case("stream-lower", "9.2", "refuses a lower stream number", _lower),
    Case("stream-0", "9.2", "refuses stream 0", _closing(lambda _: [_get(0)])),
    Case(
        "stream-parity",
        "9.2",
        "refuses a stream number of its own parity",
        _closing(lambda s: [_get(theirs(s, 1))]),
    ),
    Case("stream-too-many", "9.2", "refuses more than 8 open streams", _many),
    Case(
        "stream-credit-never",
        "9.2",
        "refuses STREAM_CREDIT for a stream that never was",
        _closing(lambda s: [StreamCredit(own(s, 1), 9)]),
    ),
    Case(
        "reset-never",
        "9.2",
        "refuses RESET for a stream that never was",
        _closing(lambda s: [Reset(own(s, 1), 6)]),
    ),
    Case(
        "reset-never-theirs",
        "9.2",
        "refuses RESET for a stream that it never opened",
        _closing(lambda s: [Reset(theirs(s, 1), 6)]),
    ),
    Case(
        "chunk-unasked",
        "9.2",
        "refuses a CHUNK that it did not ask for",
        _closing(lambda s: [Chunk(theirs(s, 1), 0, True, b"x")]),
    ),
    Case(
        "chunk-own-stream",
        "9.2",
        "refuses a CHUNK for a stream that is the requester's",
        _closing(lambda s: [Chunk(own(s, 1), 0, True, b"x")]),
    ),
    Case("credit-granted", "9.1", "grants credit for messages that it has consumed", _grants(5)),
    Case("credit-ignored", "9.1", "grants credit for messages that it ignores", _grants(0x7F01)),
    Case("credit-exceeded", "9.1", "refuses messages beyond the credit", _exceeds),
]
