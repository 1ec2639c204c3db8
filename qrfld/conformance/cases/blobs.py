"""Blobs both ways (sections 9.2 and 15): the model that a trainer asks for, and its update.

A trainer that takes no part in runs of `digits` is not asked for more: these cases are skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from qrfld.conformance.cases.streams import own, theirs
from qrfld.conformance.coordinating import (
    Round,
    asked,
    declined,
    model,
    offered,
    opened,
    updated,
)
from qrfld.conformance.speaker import Pair
from qrfld.conformance.verdict import Case, expect
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.frames import MAX_CHUNK, Chunk, Get, Reset, StreamCredit
from qrfld.protocol.merkle import blob_hash
from qrfld.protocol.messages import Update
from qrfld.protocol.statements import UpdateStatement

Run = Callable[[Pair], Awaitable[None]]
#: A node should grant no more than this ahead of what it has consumed.
_AHEAD: Final = 8 << 20


def _declining(*, digest: bytes | None = None, alone: bool = False) -> Run:
    """A case: a run in which the peer must not take part."""

    async def run(pair: Pair) -> None:
        run = await offered(pair, digest=digest, alone=alone)
        await opened(pair, run, model())
        await declined(pair, run)
        await pair.alive()

    return run


async def _requests(pair: Pair) -> None:
    """What the peer's GET looks like."""
    request = (await asked(pair)).request
    expect(request.stream % 2 == theirs(pair.bulk, 1) % 2, f"it chose stream {request.stream}")
    expect(request.stream > 0, "it chose stream 0")
    expect(request.offset == 0, f"it asked from offset {request.offset} of a blob it has not")
    expect(request.limit <= _AHEAD, f"it granted {request.limit} bytes at once")


async def _sent(pair: Pair, round_: Round, blob: bytes, *, size: int = 1000) -> None:
    """Send a blob for the model, in pieces."""
    stream, limit = round_.request.stream, round_.request.limit
    for at in range(0, len(blob), size):
        piece = blob[at : at + size]
        while at + len(piece) > limit:
            grant = await pair.bulk.heard(StreamCredit, lambda c: c.stream == stream)
            expect(grant.limit > limit, f"its credit went from {limit} to {grant.limit}")
            limit = grant.limit
        await pair.bulk.say(Chunk(stream, at, at + size >= len(blob), piece))


def _wrong(blob: Callable[[bytes], bytes]) -> Run:
    """A case: a blob that is not the one named is not trained on."""

    async def run(pair: Pair) -> None:
        round_ = await asked(pair)
        await _sent(pair, round_, blob(round_.model))
        await asyncio.sleep(pair.control.wire.prompt)  # to train takes less
        await pair.control.alive()
        codes = {int.from_bytes(body[:2]) for body in pair.control.messages_so_far()}
        expect(Update.code not in codes, "it trained on a blob that is not the one named")

    return run


def _breaking(code: ErrorCode, chunks: Callable[[Round], list[Chunk]]) -> Run:
    """A case: these CHUNKs of the model break a rule."""

    async def run(pair: Pair) -> None:
        await pair.bulk.say(*chunks(await asked(pair)))
        await pair.bulk.closes(code)

    return run


def _too_much(round_: Round) -> list[Chunk]:
    """As far as was granted and a byte more."""
    stream, end = round_.request.stream, round_.request.limit + 1
    starts = range(0, end, MAX_CHUNK)
    return [Chunk(stream, at, False, bytes(min(MAX_CHUNK, end - at))) for at in starts]


def _chunks(*chunks: tuple[int, bool, int]) -> Callable[[Round], list[Chunk]]:
    """CHUNKs of the model by offset, last flag and size."""
    return lambda round_: [
        Chunk(round_.request.stream, at, last, round_.model[at : at + size])
        for at, last, size in chunks
    ]


async def _refused(pair: Pair) -> None:
    """A RESET with a code of later versions: the peer goes without, and the session goes on."""
    round_ = await asked(pair)
    await pair.bulk.say(Reset(round_.request.stream, 60_000))
    await pair.alive()


async def _trained(pair: Pair) -> UpdateStatement:
    round_ = await asked(pair)
    await _sent(pair, round_, round_.model)
    return await updated(pair, round_)


def _supplied(act: Callable[[Pair, UpdateStatement, int], Awaitable[None]]) -> Run:
    """A case about the update that the peer supplies, on our first stream."""

    async def run(pair: Pair) -> None:
        await act(pair, await _trained(pair), own(pair.bulk, 1))

    return run


async def _read(pair: Pair, stream: int, at: int, end: int) -> bytes:
    """The blob from ``at`` up to ``end``, checked as it comes."""
    data = bytearray()
    while len(data) < end - at:
        chunk = await pair.bulk.heard(Chunk)
        expect(chunk.stream == stream, f"a CHUNK came for stream {chunk.stream}")
        expect(chunk.offset == at + len(data), f"a CHUNK at {chunk.offset}, not {at + len(data)}")
        data += bytes(chunk.data)
        expect(len(data) <= end - at, "it sent more than was granted")
    return bytes(data)


async def _whole(pair: Pair, update: UpdateStatement, stream: int) -> None:
    """Credit first for a part, then for the rest."""
    size = update.update_bytes
    await pair.bulk.say(Get(stream, update.update, 0, 100))
    data = await _read(pair, stream, 0, 100)
    await pair.bulk.alive()
    await pair.bulk.say(StreamCredit(stream, size))
    data += await _read(pair, stream, 100, size)
    expect(blob_hash(data) == update.update, "what it sent is not the update that it signed")


async def _at_the_end(pair: Pair, update: UpdateStatement, stream: int) -> None:
    end = update.update_bytes
    await pair.bulk.say(Get(stream, update.update, end, end))
    chunk = await pair.bulk.heard(Chunk)
    expect((chunk.offset, chunk.last, bytes(chunk.data)) == (end, True, b""), f"it sent {chunk!r}")


async def _beyond(pair: Pair, update: UpdateStatement, stream: int) -> None:
    beyond = update.update_bytes + 1
    await pair.bulk.say(Get(stream, update.update, beyond, beyond + 10))
    reset = await pair.bulk.heard(Reset)
    expect(reset.code == ErrorCode.NOT_FOUND, f"its RESET has code {reset.code}")


async def _cancelled(pair: Pair, update: UpdateStatement, stream: int) -> None:
    await pair.bulk.say(Get(stream, update.update, 0, 10))
    await _read(pair, stream, 0, 10)
    await pair.bulk.say(Reset(stream, ErrorCode.CANCELLED))
    reset = await pair.bulk.heard(Reset)
    answer = (reset.stream, reset.code)
    expect(answer == (stream, ErrorCode.CANCELLED), f"it answered by RESET {answer}")
    await pair.alive()


async def _lowered(pair: Pair, update: UpdateStatement, stream: int) -> None:
    await pair.bulk.say(Get(stream, update.update, 0, 100), StreamCredit(stream, 99))
    await pair.bulk.closes(ErrorCode.CREDIT_EXCEEDED)


async def _nine(pair: Pair, update: UpdateStatement, stream: int) -> None:
    """Nine that stay open, for want of credit."""
    streams = range(stream, stream + 18, 2)
    await pair.bulk.say(*(Get(each, update.update, 0, 0) for each in streams))
    await pair.bulk.closes(ErrorCode.TOO_MANY_STREAMS)


_BAD: Final = ErrorCode.BAD_STREAM

CASES: Final[list[Case[Pair]]] = [
    Case(
        "run-other-digest",
        "12.1",
        "declines a task of another digest",
        _declining(digest=bytes(32)),
    ),
    Case(
        "run-not-named", "12.1", "declines a run in which it is not named", _declining(alone=True)
    ),
    Case("blob-get", "9.2", "asks for the model as a requester should", _requests),
    Case(
        "blob-gap", "9.2", "refuses a gap between CHUNKs", _breaking(_BAD, _chunks((1, False, 10)))
    ),
    Case(
        "blob-overlap",
        "9.2",
        "refuses a CHUNK that comes twice",
        _breaking(_BAD, _chunks((0, False, 10), (0, False, 10))),
    ),
    Case(
        "blob-after-last",
        "9.2",
        "refuses a CHUNK behind the last",
        _breaking(_BAD, _chunks((0, True, 10), (10, False, 10))),
    ),
    Case(
        "blob-too-much",
        "9.2",
        "refuses CHUNKs beyond its credit",
        _breaking(ErrorCode.CREDIT_EXCEEDED, _too_much),
    ),
    Case("blob-refused", "10.3", "goes on after a RESET with an unknown code", _refused),
    Case(
        "blob-changed",
        "9.2",
        "verifies the hash of a blob before it uses it",
        _wrong(lambda b: b[:-1] + bytes([b[-1] ^ 1])),
    ),
    Case(
        "blob-short",
        "9.2",
        "verifies the length of a blob before it uses it",
        _wrong(lambda b: b[:-40]),
    ),
    Case("update", "12.1", "trains, and supplies the update that it has signed", _supplied(_whole)),
    Case(
        "update-end",
        "9.2",
        "answers a GET at the end by an empty last CHUNK",
        _supplied(_at_the_end),
    ),
    Case("update-beyond", "9.2", "answers not-found beyond the end", _supplied(_beyond)),
    Case("update-reset", "9.2", "answers a RESET by RESET cancelled", _supplied(_cancelled)),
    Case("update-credit", "9.2", "refuses a lower STREAM_CREDIT", _supplied(_lowered)),
    Case("update-nine", "9.2", "refuses a ninth open stream", _supplied(_nine)),
]
