"""Invariant: the frame of a record is refused by name, or its decoding encodes to the same bytes.

Input: a byte for the kind of connection, then the frame. A record carries at least one byte.
"""

from __future__ import annotations

from fuzz.invariants import Refused, attempt, require
from qrfld.protocol import frames
from qrfld.protocol.errors import FrameError, UnexpectedFrameError
from qrfld.protocol.frames import Frame


def check(data: bytes) -> None:
    """See the module."""
    if len(data) < 2:
        return
    kind: frames.Kind = "bulk" if data[0] & 1 else "control"
    frame = attempt(lambda: frames.decode(kind, data[1:]), FrameError, UnexpectedFrameError)
    if not isinstance(frame, Refused):
        require(frames.encode(frame) == data[1:], "a frame has one encoding")


def examples() -> list[tuple[int, Frame]]:
    """One frame of each type, and the kind of connection it comes on."""
    return [
        (0, frames.MessageFrame(b"\x00\x13" + bytes([0x80]))),
        (0, frames.Ping(b"12345678")),
        (1, frames.Pong(b"12345678")),
        (0, frames.Close(3, "not ädmitted")),
        (1, frames.KeyUpdate()),
        (0, frames.Credit(1 << 20)),
        (1, frames.Get(1, bytes(32), 5, 70_000)),
        (1, frames.Chunk(2, 5, False, b"data")),
        (1, frames.Chunk(2, 5, True, b"")),
        (1, frames.StreamCredit(1, 1 << 40)),
        (1, frames.Reset(2, 6)),
    ]


def seeds() -> list[bytes]:
    """Every frame."""
    return [bytes([kind]) + frames.encode(frame) for kind, frame in examples()]
