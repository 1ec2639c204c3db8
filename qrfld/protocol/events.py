"""What a connection tells its owner: one frozen dataclass for each thing that can happen.

Every connection that was open tells its end exactly once, as its last event, by `ConnectionClosed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from qrfld.protocol.messages import Message
from qrfld.protocol.session import Session


@dataclass(frozen=True)
class SessionEstablished:
    """The control connection is open; ``session`` says with whom."""

    session: Session


@dataclass(frozen=True)
class BulkJoined:
    """The bulk connection is open and belongs to the session ``session_id`` (16 bytes)."""

    session_id: bytes


@dataclass(frozen=True)
class MessageReceived:
    """A control message. Its ``size`` is to be given back with ``Connection.consumed``."""

    message: Message
    size: int


@dataclass(frozen=True)
class CreditGranted:
    """The peer takes more messages; ``available`` bytes may be sent now."""

    available: int


@dataclass(frozen=True)
class PongReceived:
    """The answer to a ping with this 8-byte token."""

    token: bytes


@dataclass(frozen=True)
class StreamRequested:
    """The peer wants the blob ``blob`` from ``offset`` on, and takes it up to offset ``limit``."""

    stream: int
    blob: bytes
    offset: int
    limit: int


@dataclass(frozen=True)
class ChunkReceived:
    """A piece of a blob that we asked for; ``data`` is a read-only view into its record."""

    stream: int
    offset: int
    data: memoryview = field(repr=False)
    last: bool


@dataclass(frozen=True)
class StreamCreditGranted:
    """The peer takes its blob up to offset ``limit``."""

    stream: int
    limit: int


@dataclass(frozen=True)
class StreamReset:
    """The peer ended a stream early: its request was cancelled, or ours refused."""

    stream: int
    code: int


@dataclass(frozen=True)
class ConnectionClosed:
    """The end of an open connection; ``remote`` when the peer's CLOSE said so."""

    code: int
    reason: str
    remote: bool


Event = (
    SessionEstablished
    | BulkJoined
    | MessageReceived
    | CreditGranted
    | PongReceived
    | StreamRequested
    | ChunkReceived
    | StreamCreditGranted
    | StreamReset
    | ConnectionClosed
)
