"""Frames: what a record carries. The first byte is the type, the rest a fixed layout.

A frame is a frozen dataclass here. `encode` gives its bytes; `decode` takes a frame of a given kind
of connection apart and bounds every field, so that nobody behind it has to.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

from qrfld.crypto.parameters import Buffer
from qrfld.protocol.errors import FrameError, LocalProtocolError, UnexpectedFrameError
from qrfld.protocol.messages import CODE_BYTES, MAX_MESSAGE_BYTES

Kind = Literal["control", "bulk"]

PING_TOKEN_SIZE: Final = 8
BLOB_HASH_SIZE: Final = 32
MAX_REASON_BYTES: Final = 255
MAX_CHUNK: Final = 1 << 20
#: Offsets stay below 2^63, so that they fit every language's signed integer.
MAX_OFFSET: Final = (1 << 63) - 1
LAST: Final = 1

_U16: Final = struct.Struct(">H")
_U64: Final = struct.Struct(">Q")
_GET: Final = struct.Struct(">I32sQQ")
_CHUNK: Final = struct.Struct(">IQB")
_STREAM_CREDIT: Final = struct.Struct(">IQ")
_RESET: Final = struct.Struct(">IH")


class FrameType(IntEnum):
    """The first byte of a frame."""

    MESSAGE = 0x01
    PING = 0x02
    PONG = 0x03
    CLOSE = 0x04
    KEY_UPDATE = 0x05
    CREDIT = 0x06
    BULK_CONFIRM = 0x07
    RESUME_CONFIRM = 0x08
    GET = 0x10
    CHUNK = 0x11
    STREAM_CREDIT = 0x12
    RESET = 0x13


_BOTH: Final = {FrameType.PING, FrameType.PONG, FrameType.CLOSE, FrameType.KEY_UPDATE}
_BULK_ONLY: Final = {FrameType.GET, FrameType.CHUNK, FrameType.STREAM_CREDIT, FrameType.RESET}
#: The frames of each kind of connection. The two confirmations stand in B3 and S3 only.
ALLOWED: Final[dict[Kind, frozenset[FrameType]]] = {
    "control": frozenset(_BOTH | {FrameType.MESSAGE, FrameType.CREDIT}),
    "bulk": frozenset(_BOTH | _BULK_ONLY),
}
BULK_CONFIRM: Final = bytes([FrameType.BULK_CONFIRM])
RESUME_CONFIRM: Final = bytes([FrameType.RESUME_CONFIRM])


@dataclass(frozen=True)
class MessageFrame:
    """A control message: ``u16 code ‖ map``."""

    body: Buffer


@dataclass(frozen=True)
class Ping:
    """Asks for a Pong with the same token."""

    token: bytes


@dataclass(frozen=True)
class Pong:
    """Answers a Ping."""

    token: bytes


@dataclass(frozen=True)
class Close:
    """The last frame of its direction."""

    code: int
    reason: str


@dataclass(frozen=True)
class KeyUpdate:
    """The last frame under this generation of its direction's key."""


@dataclass(frozen=True)
class Credit:
    """Up to ``limit`` bytes of messages may have been sent, counted from the start."""

    limit: int


@dataclass(frozen=True)
class Get:
    """Asks for the blob from ``offset`` on; bytes up to ``limit`` may be sent."""

    stream: int
    blob: bytes
    offset: int
    limit: int


@dataclass(frozen=True)
class Chunk:
    """A piece of a blob."""

    stream: int
    offset: int
    last: bool
    data: Buffer = field(repr=False)


@dataclass(frozen=True)
class StreamCredit:
    """Bytes up to ``limit`` may be sent."""

    stream: int
    limit: int


@dataclass(frozen=True)
class Reset:
    """Ends a stream early."""

    stream: int
    code: int


Frame = MessageFrame | Ping | Pong | Close | KeyUpdate | Credit | Get | Chunk | StreamCredit | Reset


def encode(frame: Frame) -> bytes:
    """The bytes of a frame; LocalProtocolError if a field is out of its bounds."""
    try:
        return _encode(frame)
    except struct.error as error:
        raise LocalProtocolError(f"{frame!r} cannot be sent: {error}") from error


def _encode(frame: Frame) -> bytes:
    match frame:
        case MessageFrame(body):
            return _join(FrameType.MESSAGE, body)
        case Ping(token):
            return _join(FrameType.PING, token)
        case Pong(token):
            return _join(FrameType.PONG, token)
        case Close(code, reason):
            return _join(FrameType.CLOSE, _U16.pack(code), _shortened(reason))
        case KeyUpdate():
            return _join(FrameType.KEY_UPDATE)
        case Credit(limit):
            return _join(FrameType.CREDIT, _U64.pack(limit))
        case Get(stream, blob, offset, limit):
            return _join(FrameType.GET, _GET.pack(stream, blob, offset, limit))
        case Chunk(stream, offset, last, data):
            return _join(FrameType.CHUNK, _CHUNK.pack(stream, offset, LAST if last else 0), data)
        case StreamCredit(stream, limit):
            return _join(FrameType.STREAM_CREDIT, _STREAM_CREDIT.pack(stream, limit))
        case Reset(stream, code):
            return _join(FrameType.RESET, _RESET.pack(stream, code))


def _join(kind: FrameType, *parts: Buffer) -> bytes:
    return b"".join((kind.to_bytes(1), *parts))


def _shortened(reason: str) -> bytes:
    """The reason in UTF-8, cut between characters to what fits."""
    text = reason.encode("utf-8", "replace")[:MAX_REASON_BYTES]
    return text.decode("utf-8", "ignore").encode()


def decode(kind: Kind, data: bytes) -> Frame:
    """Take apart a frame that came on a connection of this kind.

    FrameError if it is malformed, UnexpectedFrameError if such a frame does not belong there.
    """
    try:
        frame_type = FrameType(data[0])
    except ValueError:
        raise FrameError(f"unknown frame type 0x{data[0]:02x}") from None
    if frame_type not in ALLOWED[kind]:
        raise UnexpectedFrameError(f"a {frame_type.name} frame on a {kind} connection")
    return _DECODERS[frame_type](memoryview(data)[1:])


def _message(body: memoryview) -> Frame:
    if not CODE_BYTES < len(body) <= CODE_BYTES + MAX_MESSAGE_BYTES:
        raise FrameError(f"a MESSAGE of {len(body)} bytes")
    return MessageFrame(body)


def _ping(body: memoryview) -> Frame:
    return Ping(_exactly("PING", body, PING_TOKEN_SIZE))


def _pong(body: memoryview) -> Frame:
    return Pong(_exactly("PONG", body, PING_TOKEN_SIZE))


def _close(body: memoryview) -> Frame:
    if not _U16.size <= len(body) <= _U16.size + MAX_REASON_BYTES:
        raise FrameError(f"a CLOSE of {len(body)} bytes")
    try:
        reason = str(body[_U16.size :], "utf-8")
    except UnicodeDecodeError as error:
        raise FrameError("the reason of a CLOSE is not UTF-8") from error
    return Close(_U16.unpack_from(body)[0], reason)


def _key_update(body: memoryview) -> Frame:
    _exactly("KEY_UPDATE", body, 0)
    return KeyUpdate()


def _credit(body: memoryview) -> Frame:
    (limit,) = _U64.unpack(_exactly("CREDIT", body, _U64.size))
    return Credit(_bounded("limit", limit))


def _get(body: memoryview) -> Frame:
    stream, blob, offset, limit = _GET.unpack(_exactly("GET", body, _GET.size))
    if offset > limit:
        raise FrameError(f"a GET from offset {offset} up to {limit}")
    return Get(stream, blob, offset, _bounded("limit", limit))


def _chunk(body: memoryview) -> Frame:
    size = len(body) - _CHUNK.size
    if not 0 <= size <= MAX_CHUNK:
        raise FrameError(f"a CHUNK frame of {len(body)} bytes")
    stream, offset, flags = _CHUNK.unpack_from(body)
    if flags not in (0, LAST):
        raise FrameError(f"a CHUNK with flags 0x{flags:02x}")
    if not size and not flags:
        raise FrameError("an empty CHUNK that is not the last")
    return Chunk(stream, _bounded("offset", offset), bool(flags), body[_CHUNK.size :])


def _stream_credit(body: memoryview) -> Frame:
    stream, limit = _STREAM_CREDIT.unpack(_exactly("STREAM_CREDIT", body, _STREAM_CREDIT.size))
    return StreamCredit(stream, _bounded("limit", limit))


def _reset(body: memoryview) -> Frame:
    return Reset(*_RESET.unpack(_exactly("RESET", body, _RESET.size)))


_DECODERS: Final[dict[FrameType, Callable[[memoryview], Frame]]] = {
    FrameType.MESSAGE: _message,
    FrameType.PING: _ping,
    FrameType.PONG: _pong,
    FrameType.CLOSE: _close,
    FrameType.KEY_UPDATE: _key_update,
    FrameType.CREDIT: _credit,
    FrameType.GET: _get,
    FrameType.CHUNK: _chunk,
    FrameType.STREAM_CREDIT: _stream_credit,
    FrameType.RESET: _reset,
}


def _exactly(what: str, body: memoryview, size: int) -> bytes:
    if len(body) != size:
        raise FrameError(f"a {what} of {len(body)} bytes instead of {size}")
    return bytes(body)


def _bounded(what: str, offset: int) -> int:
    if offset > MAX_OFFSET:
        raise FrameError(f"{what} {offset} is beyond 2^63 - 1")
    return offset
