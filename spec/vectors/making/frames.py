"""frames/: the layout and bounds of every frame, on each kind of connection (section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Structure, Vector, fields, hexed

MESSAGE, PING, PONG, CLOSE, KEY_UPDATE, CREDIT, BULK_CONFIRM, RESUME_CONFIRM = range(1, 9)
GET, CHUNK, STREAM_CREDIT, RESET = range(0x10, 0x14)
NAMES = {
    **{MESSAGE: "MESSAGE", PING: "PING", PONG: "PONG", CLOSE: "CLOSE", KEY_UPDATE: "KEY_UPDATE"},
    **{CREDIT: "CREDIT", BULK_CONFIRM: "BULK_CONFIRM", GET: "GET", CHUNK: "CHUNK"},
    **{STREAM_CREDIT: "STREAM_CREDIT", RESET: "RESET"},
    RESUME_CONFIRM: "RESUME_CONFIRM",
}
CONTROL, BULK = "control", "bulk"
BLOB = b"\xab" * 32
MAX_OFFSET, BEYOND = (1 << 63) - 1, 1 << 63
MIB = 1 << 20


def u16(value: int) -> bytes:
    return value.to_bytes(2)


def u32(value: int) -> bytes:
    return value.to_bytes(4)


def u64(value: int) -> bytes:
    return value.to_bytes(8)


def message(body: bytes) -> bytes:
    return bytes([MESSAGE]) + body


def ping(token: bytes = b"pingpong") -> bytes:
    return bytes([PING]) + token


def pong(token: bytes = b"pingpong") -> bytes:
    return bytes([PONG]) + token


def close(code: int = 0, reason: bytes = b"") -> bytes:
    return bytes([CLOSE]) + u16(code) + reason


def credit(limit: int) -> bytes:
    return bytes([CREDIT]) + u64(limit)


def get(stream: int, offset: int = 0, limit: int = MIB) -> bytes:
    return bytes([GET]) + u32(stream) + BLOB + u64(offset) + u64(limit)


def chunk(stream: int, offset: int, data: bytes, flags: int = 0) -> bytes:
    return bytes([CHUNK]) + u32(stream) + u64(offset) + bytes([flags]) + data


def stream_credit(stream: int, limit: int) -> bytes:
    return bytes([STREAM_CREDIT]) + u32(stream) + u64(limit)


def reset(stream: int, code: int) -> bytes:
    return bytes([RESET]) + u32(stream) + u16(code)


def _chunk_fields(stream: int, offset: int, flags: int, data: bytes) -> dict[str, Any]:
    return {"stream": stream, "offset": offset, "flags": flags, "data": data}


def _get_fields(stream: int, offset: int, limit: int) -> dict[str, Any]:
    return {"stream": stream, "blob_hash": BLOB, "offset": offset, "limit": limit}


#: connection, slug, comment, frame, fields.
GOOD: tuple[tuple[str, str, str, bytes, dict[str, Any]], ...] = (
    (CONTROL, "message", "the shortest MESSAGE", message(b"\x00\x15\x80"),
     {"body": b"\x00\x15\x80"}),
    (CONTROL, "message-largest", "a body of 65,538 bytes", message(b"\x00\x15" + bytes(65536)),
     {"body": b"\x00\x15" + bytes(65536)}),
    *((kind, f"ping-{kind}", f"PING on a {kind} connection", ping(), {"token": b"pingpong"})
      for kind in (CONTROL, BULK)),
    *((kind, f"pong-{kind}", f"PONG on a {kind} connection", pong(), {"token": b"pingpong"})
      for kind in (CONTROL, BULK)),
    (CONTROL, "close", "CLOSE without a reason", close(), {"code": 0, "reason": ""}),
    (BULK, "close-bulk", "CLOSE on a bulk connection", close(1, b"bye"), {"code": 1,
     "reason": "bye"}),
    (CONTROL, "close-unknown-code", "a code of a later version", close(65535),
     {"code": 65535, "reason": ""}),
    (CONTROL, "close-longest", "a reason of 255 bytes", close(0, b"\xc3\xa9" * 127 + b"x"),
     {"code": 0, "reason": "\u00e9" * 127 + "x"}),
    (CONTROL, "key-update", "KEY_UPDATE", bytes([KEY_UPDATE]), {}),
    (BULK, "key-update-bulk", "KEY_UPDATE on a bulk connection", bytes([KEY_UPDATE]), {}),
    (CONTROL, "credit", "CREDIT", credit(300_000), {"limit": 300_000}),
    (CONTROL, "credit-highest", "the highest limit", credit(MAX_OFFSET), {"limit": MAX_OFFSET}),
    (BULK, "get", "GET", get(1), _get_fields(1, 0, MIB)),
    (BULK, "get-offset-is-limit", "a GET that grants nothing yet", get(1, 7, 7), _get_fields(1, 7,
     7)),
    (BULK, "get-highest", "the highest stream, offset and limit",
     get((1 << 32) - 1, MAX_OFFSET, MAX_OFFSET), _get_fields((1 << 32) - 1, MAX_OFFSET,
      MAX_OFFSET)),
    (BULK, "chunk", "CHUNK", chunk(1, 5, b"data"), _chunk_fields(1, 5, 0, b"data")),
    (BULK, "chunk-last", "the last CHUNK", chunk(1, 5, b"data", 1), _chunk_fields(1, 5, 1,
     b"data")),
    (BULK, "chunk-last-empty", "an empty last CHUNK", chunk(1, 5, b"", 1), _chunk_fields(1, 5, 1,
     b"")),
    (BULK, "chunk-largest", "1,048,576 bytes of data", chunk(1, 0, b"\x07" * MIB),
     _chunk_fields(1, 0, 0, b"\x07" * MIB)),
    (BULK, "stream-credit", "STREAM_CREDIT", stream_credit(2, 9), {"stream": 2, "limit": 9}),
    (BULK, "reset", "RESET", reset(2, 5), {"stream": 2, "code": 5}),
    (BULK, "reset-unknown-code", "a code of a later version", reset(2, 65535),
     {"stream": 2, "code": 65535}),
)  # fmt: skip

#: connection, slug, comment, frame.
BAD: tuple[tuple[str, str, str, bytes], ...] = (
    *((kind, f"unknown-type-{number:02x}-{kind}", f"type 0x{number:02x}",
     bytes([number]) + bytes(8))
      for kind in (CONTROL, BULK) for number in (0x00, 0x0F, 0x1F, 0x20, 0xFF)),
    (CONTROL, "message-code-only", "a MESSAGE without a structure", message(b"\x00\x15")),
    (CONTROL, "message-empty", "a MESSAGE without a body", message(b"")),
    (CONTROL, "message-too-large", "a body of 65,539 bytes", message(b"\x00\x15" + bytes(65537))),
    (CONTROL, "ping-short", "a token of 7 bytes", ping(b"pingpon")),
    (CONTROL, "ping-long", "a token of 9 bytes", ping(b"pingpongs")),
    (CONTROL, "pong-short", "a token of 7 bytes", pong(b"pingpon")),
    (CONTROL, "pong-long", "a token of 9 bytes", pong(b"pingpongs")),
    (CONTROL, "close-short", "half a code", close()[:-1]),
    (CONTROL, "close-long", "a reason of 256 bytes", close(0, b"x" * 256)),
    (CONTROL, "close-not-utf-8", "a reason that is not UTF-8", close(0, b"\xff")),
    (CONTROL, "close-cut-character", "a reason that ends inside a character", close(0, b"\xc3")),
    (CONTROL, "key-update-with-body", "a KEY_UPDATE with a byte", bytes([KEY_UPDATE, 0])),
    (CONTROL, "credit-short", "a limit of 7 bytes", credit(1 << 20)[:-1]),
    (CONTROL, "credit-long", "a byte after the limit", credit(1 << 20) + b"\x00"),
    (CONTROL, "credit-2-63", "a limit of 2^63", credit(BEYOND)),
    (BULK, "get-short", "a byte is missing", get(1)[:-1]),
    (BULK, "get-long", "a byte too many", get(1) + b"\x00"),
    (BULK, "get-limit-2-63", "a limit of 2^63", get(1, 0, BEYOND)),
    (BULK, "get-offset-2-63", "an offset and a limit of 2^63", get(1, BEYOND, BEYOND)),
    (BULK, "get-offset-beyond-limit", "the offset exceeds the limit", get(1, 8, 7)),
    (BULK, "chunk-short", "no flags", chunk(1, 0, b"")[:-1]),
    (BULK, "chunk-flag-2", "a flag that nobody knows", chunk(1, 0, b"data", 2)),
    (BULK, "chunk-flags-3", "last, and a flag that nobody knows", chunk(1, 0, b"data", 3)),
    (BULK, "chunk-offset-2-63", "an offset of 2^63", chunk(1, BEYOND, b"data")),
    (BULK, "chunk-empty", "an empty CHUNK that is not the last", chunk(1, 0, b"")),
    (BULK, "chunk-too-large", "1,048,577 bytes of data", chunk(1, 0, b"\x07" * (MIB + 1))),
    (BULK, "stream-credit-short", "a byte is missing", stream_credit(2, 9)[:-1]),
    (BULK, "stream-credit-long", "a byte too many", stream_credit(2, 9) + b"\x00"),
    (BULK, "stream-credit-2-63", "a limit of 2^63", stream_credit(2, BEYOND)),
    (BULK, "reset-short", "half a code", reset(2, 5)[:-1]),
    (BULK, "reset-long", "a byte too many", reset(2, 5) + b"\x00"),
)  # fmt: skip

UNEXPECTED: tuple[tuple[str, str, bytes], ...] = (
    (BULK, "message", message(b"\x00\x15\x80")),
    (BULK, "credit", credit(300_000)),
    (CONTROL, "get", get(1)),
    (CONTROL, "chunk", chunk(1, 0, b"data")),
    (CONTROL, "stream-credit", stream_credit(1, 9)),
    (CONTROL, "reset", reset(1, 5)),
    (CONTROL, "bulk-confirm-control", bytes([BULK_CONFIRM])),
    (BULK, "bulk-confirm-bulk", bytes([BULK_CONFIRM])),
    (CONTROL, "resume-confirm-control", bytes([RESUME_CONFIRM])),
    (BULK, "resume-confirm-bulk", bytes([RESUME_CONFIRM])),
)


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    for kind, slug, comment, frame, content in GOOD:
        named = Structure(
            {(place, name): value for place, (name, value) in enumerate(content.items())}
        )
        values = {"connection": kind, "frame": hexed(frame)}
        more = {"name": NAMES[frame[0]], "fields": fields(named)}
        yield Vector(f"frames/{slug}", "ok", "8", comment, values | more)
    for kind, slug, comment, frame in BAD:
        values = {"connection": kind, "frame": hexed(frame)}
        yield Vector(f"frames/bad-{slug}", "bad-frame", "8", comment, values)
    for kind, slug, frame in UNEXPECTED:
        comment = f"a {NAMES[frame[0]]} has no place on an open {kind} connection"
        values = {"connection": kind, "frame": hexed(frame)}
        yield Vector(f"frames/unexpected-{slug}", "unexpected-frame", "8", comment, values)
