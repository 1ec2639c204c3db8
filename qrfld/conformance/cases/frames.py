"""Frames (section 8): malformed in every way, misplaced, and good ones at the wrong time."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from typing import Final

from qrfld.conformance.speaker import Pair, Speaker
from qrfld.conformance.verdict import Case, expect
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.frames import Close, Credit, Frame, Kind, MessageFrame, Ping, Pong

Run = Callable[[Pair], Awaitable[None]]
_BAD: Final = ErrorCode.BAD_FRAME
_UNEXPECTED: Final = ErrorCode.UNEXPECTED_FRAME
_TOO_FAR: Final = (1 << 63).to_bytes(8)


def _get(stream: int = 101, offset: int = 0, limit: int = 0) -> bytes:
    return b"\x10" + struct.pack(">I32sQQ", stream, bytes(32), offset, limit)


def _chunk(flags: int, data: bytes = b"", offset: int = 0) -> bytes:
    return b"\x11" + struct.pack(">IQB", 101, offset, flags) + data


def closing_with(kind: Kind, code: ErrorCode, *frames: bytes | Frame) -> Run:
    """A case: these frames lead to CLOSE with ``code``."""

    async def run(pair: Pair) -> None:
        speaker = pair.on(kind)
        await speaker.say(*frames)
        await speaker.closes(code)

    return run


def going_on(kind: Kind, *frames: bytes | Frame) -> Run:
    """A case: these frames change nothing."""

    async def run(pair: Pair) -> None:
        await pair.on(kind).say(*frames)
        await pair.alive()

    return run


def ending(kind: Kind, *frames: bytes | Frame) -> Run:
    """A case: these frames, with CLOSE among them, end the whole session, and nobody answers."""

    async def run(pair: Pair) -> None:
        speaker = pair.on(kind)
        await speaker.say(*frames)
        said = await speaker.ends()
        expect(said is None, "it answered a CLOSE by a CLOSE")
        await _other(pair, kind).ends()

    return run


def _other(pair: Pair, kind: Kind) -> Speaker:
    return pair.bulk if kind == "control" else pair.control


def _vanishing(kind: Kind) -> Run:
    """A case: one TCP connection ends without a CLOSE."""

    async def run(pair: Pair) -> None:
        pair.on(kind).wire.finish()
        await pair.control.ends()
        await pair.bulk.ends()

    return run


_MALFORMED: Final[list[tuple[str, str, Kind, bytes]]] = [
    ("type-0", "an unknown type", "control", b"\x00"),
    ("type-15", "a reserved type", "control", b"\x0f"),
    ("type-255", "an unknown type", "control", b"\xff" + bytes(8)),
    ("bulk-type-31", "a reserved type", "bulk", b"\x1f"),
    ("message-short", "a MESSAGE of a code alone", "control", b"\x01\x10\x01"),
    ("message-long", "a MESSAGE of 65,539 bytes", "control", b"\x01\x10\x01" + bytes(65_537)),
    ("ping-short", "a PING of 7 bytes", "control", b"\x02" + bytes(7)),
    ("ping-long", "a PING of 9 bytes", "control", b"\x02" + bytes(9)),
    ("pong-short", "a PONG of 7 bytes", "control", b"\x03" + bytes(7)),
    ("close-short", "a CLOSE of 1 byte", "control", b"\x04\x00"),
    ("close-long", "a reason of 256 bytes", "control", b"\x04\x00\x00" + b"a" * 256),
    ("close-not-utf8", "a reason that is not UTF-8", "control", b"\x04\x00\x00\xff"),
    ("key-update-long", "a KEY_UPDATE with a body", "control", b"\x05\x00"),
    ("credit-short", "a CREDIT of 7 bytes", "control", b"\x06" + bytes(7)),
    ("credit-long", "a CREDIT of 9 bytes", "control", b"\x06" + bytes(9)),
    ("credit-2^63", "a limit of 2^63", "control", b"\x06" + _TOO_FAR),
    ("get-short", "a GET of 51 bytes", "bulk", _get()[:-1]),
    ("get-long", "a GET of 53 bytes", "bulk", _get() + b"\x00"),
    ("get-backwards", "a GET whose offset exceeds its limit", "bulk", _get(offset=2, limit=1)),
    ("get-2^63", "a limit of 2^63", "bulk", _get(limit=1 << 63)),
    ("chunk-short", "a CHUNK of 12 bytes", "bulk", _chunk(1)[:-1]),
    ("chunk-long", "a CHUNK of 1 MiB and a byte", "bulk", _chunk(0, bytes((1 << 20) + 1))),
    ("chunk-flags", "a CHUNK with an unknown flag", "bulk", _chunk(2, b"x")),
    ("chunk-empty", "an empty CHUNK that is not the last", "bulk", _chunk(0)),
    ("chunk-2^63", "an offset of 2^63", "bulk", _chunk(1, b"x", offset=1 << 63)),
    ("stream-credit-short", "a STREAM_CREDIT of 11 bytes", "bulk", b"\x12" + bytes(11)),
    ("stream-credit-2^63", "a limit of 2^63", "bulk", b"\x12" + bytes(4) + _TOO_FAR),
    ("reset-short", "a RESET of 5 bytes", "bulk", b"\x13" + bytes(5)),
    ("reset-long", "a RESET of 7 bytes", "bulk", b"\x13" + bytes(7)),
]

_MISPLACED: Final[list[tuple[str, str, Kind, bytes]]] = [
    ("control-get", "GET", "control", _get()),
    ("control-chunk", "CHUNK", "control", _chunk(1)),
    ("control-stream-credit", "STREAM_CREDIT", "control", b"\x12" + bytes(12)),
    ("control-reset", "RESET", "control", b"\x13" + bytes(6)),
    ("control-bulk-confirm", "BULK_CONFIRM", "control", b"\x07"),
    ("bulk-message", "MESSAGE", "bulk", b"\x01\x10\x01\x80"),
    ("bulk-credit", "CREDIT", "bulk", b"\x06" + bytes(8)),
    ("bulk-bulk-confirm", "a second BULK_CONFIRM", "bulk", b"\x07"),
]

CASES: Final[list[Case[Pair]]] = [
    *(
        Case(f"frame-{name}", "8", f"refuses {what}", closing_with(kind, _BAD, frame))
        for name, what, kind, frame in _MALFORMED
    ),
    *(
        Case(
            f"frame-{name}",
            "8",
            f"refuses {what} on a {kind} connection",
            closing_with(kind, _UNEXPECTED, frame),
        )
        for name, what, kind, frame in _MISPLACED
    ),
    Case(
        "pong-unasked",
        "8",
        "ignores a PONG that it did not ask for",
        going_on("control", Pong(bytes(8))),
    ),
    Case(
        "bulk-pong-unasked",
        "8",
        "ignores a PONG that it did not ask for",
        going_on("bulk", Pong(bytes(8))),
    ),
    Case(
        "close",
        "8",
        "says nothing after a CLOSE, and ends the session",
        ending("control", Close(0, "done")),
    ),
    Case(
        "bulk-close",
        "9.3",
        "ends the session with its bulk connection",
        ending("bulk", Close(0, "done")),
    ),
    Case(
        "close-unknown-code",
        "10.3",
        "accepts a code that it does not know",
        ending("control", Close(60_000, "")),
    ),
    Case(
        "close-and-more",
        "8",
        "ignores what follows a CLOSE",
        ending("control", Close(0, ""), b"\xff", Ping(bytes(8))),
    ),
    Case(
        "truncated",
        "9.3",
        "ends the session when control ends without a CLOSE",
        _vanishing("control"),
    ),
    Case(
        "bulk-truncated",
        "9.3",
        "ends the session when bulk ends without a CLOSE",
        _vanishing("bulk"),
    ),
    Case(
        "credit-lowered",
        "9.1",
        "refuses a lower CREDIT",
        closing_with("control", ErrorCode.CREDIT_EXCEEDED, Credit(262_143)),
    ),
    Case(
        "credit-lowered-again",
        "9.1",
        "refuses a CREDIT below the last one",
        closing_with("control", ErrorCode.CREDIT_EXCEEDED, Credit(500_000), Credit(499_999)),
    ),
    Case(
        "credit-same",
        "9.1",
        "accepts a CREDIT that grants nothing new",
        going_on("control", Credit(262_144), Credit(262_144)),
    ),
    Case(
        "credit-highest",
        "9.1",
        "accepts the highest CREDIT",
        going_on("control", Credit(2**63 - 1)),
    ),
    Case(
        "message-code-odd",
        "12",
        "ignores an unknown odd message",
        going_on("control", MessageFrame(b"\x7f\x01" + bytes(65_536))),
    ),
    Case(
        "message-code-even",
        "12",
        "refuses an unknown even message",
        closing_with("control", ErrorCode.BAD_MESSAGE, MessageFrame(b"\x7f\x00\x80")),
    ),
    Case(
        "message-code-0",
        "12",
        "refuses message code 0",
        closing_with("control", ErrorCode.BAD_MESSAGE, MessageFrame(b"\x00\x00\x80")),
    ),
]
