"""What can go wrong between two speakers of the protocol.

    ProtocolError
    ├── LocalProtocolError          our caller broke a rule: a bug on this side, nothing was sent
    ├── TensorError                 bytes are not a model, or a model cannot be written
    ├── ControlFrameError           a frame of the local control socket is refused
    └── RemoteProtocolError         the peer broke a rule: the connection is closed
        ├── SilentRejectError       a stranger: close without sending a byte
        ├── HandshakeError          the handshake failed; nothing more is sent
        │   ├── SuiteError          no common suite, or one that was not offered
        │   ├── RetryError          a cookie is wrong, or asked for twice
        │   ├── KeyShareError       a KEM or X25519 public value is not a valid one
        │   ├── TamperedError       a sealed handshake payload does not authenticate
        │   ├── PeerIdentityError   the responder is not the node that was dialled
        │   ├── PeerSignatureError  the peer's signature does not verify
        │   ├── ReflectionError     our own identity came back
        │   ├── BulkJoinError       the bulk connection was not joined
        │   └── ResumptionError     the session was not resumed
        ├── RecordError             a record has a wrong length or does not authenticate
        ├── KeyLimitError           the peer used one key for too long
        ├── FrameError              a frame is malformed
        ├── UnexpectedFrameError    a frame of the wrong kind of connection
        ├── MessageError            a control message is malformed or unknown
        ├── CreditError             more was sent than was granted
        ├── StreamError             a stream is used against its rules
        ├── TooManyStreamsError     more streams at once than allowed
        └── TruncatedError          the bytes ended before a CLOSE

Each RemoteProtocolError has the wire code that goes into the CLOSE frame, where one may be sent.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from qrfld.errors import QrfldError


class ErrorCode(IntEnum):
    """Codes of CLOSE and RESET frames and of Refused messages (u16).

    Below 16: reasons between nodes that both follow the protocol. From 16 on: a rule was broken.
    """

    NORMAL = 0
    SHUTTING_DOWN = 1
    DUPLICATE_SESSION = 2
    NOT_ADMITTED = 3
    RATE_LIMITED = 4
    NOT_FOUND = 5
    CANCELLED = 6
    HANDSHAKE_FAILED = 16
    BAD_RECORD = 17
    KEY_LIMIT = 18
    BAD_FRAME = 19
    UNEXPECTED_FRAME = 20
    BAD_MESSAGE = 21
    CREDIT_EXCEEDED = 22
    BAD_STREAM = 23
    TOO_MANY_STREAMS = 24
    TRUNCATED = 25


class ProtocolError(QrfldError):
    """A rule of the protocol was broken."""


class LocalProtocolError(ProtocolError):
    """Our own caller asked for something that the protocol does not allow now; nothing was sent."""


class TensorError(ProtocolError):
    """Bytes are not a model, or a model cannot be written."""


class ControlFrameError(ProtocolError):
    """A frame of the local control socket is malformed or too large."""


class RemoteProtocolError(ProtocolError):
    """The peer broke a rule; ``code`` says which on the wire."""

    code: ClassVar[ErrorCode] = ErrorCode.BAD_FRAME


class HandshakeError(RemoteProtocolError):
    """The handshake failed. There is no session, so nobody is told why."""

    code = ErrorCode.HANDSHAKE_FAILED


class SilentRejectError(RemoteProtocolError):
    """Whoever this is does not know our federation and node ID: close without sending a byte."""

    code = ErrorCode.HANDSHAKE_FAILED


class SuiteError(HandshakeError):
    """The peers share no suite, or the peer chose one that was not offered."""


class RetryError(HandshakeError):
    """A cookie is wrong or expired, or was asked for twice."""


class KeyShareError(HandshakeError):
    """A KEM key, ciphertext or X25519 key is not a valid one."""


class TamperedError(HandshakeError):
    """A sealed handshake payload does not authenticate: the two sides saw different bytes."""


class PeerIdentityError(HandshakeError):
    """The responder is not the node that was dialled."""


class PeerSignatureError(HandshakeError):
    """The peer's signature over the transcript does not verify."""


class ReflectionError(HandshakeError):
    """The peer presents our own identity."""


class BulkJoinError(HandshakeError):
    """The bulk connection could not be joined to its session."""


class ResumptionError(HandshakeError):
    """The session could not be resumed; a full handshake may follow."""


class RecordError(RemoteProtocolError):
    """A record has a length out of bounds or does not authenticate."""

    code = ErrorCode.BAD_RECORD


class KeyLimitError(RemoteProtocolError):
    """The peer sealed more under one key than is safe."""

    code = ErrorCode.KEY_LIMIT


class FrameError(RemoteProtocolError):
    """A frame has an unknown type, a wrong size or a value out of bounds."""

    code = ErrorCode.BAD_FRAME


class UnexpectedFrameError(RemoteProtocolError):
    """A frame of this type does not belong on this kind of connection, or not now."""

    code = ErrorCode.UNEXPECTED_FRAME


class MessageError(RemoteProtocolError):
    """A control message has an unknown code or is not a canonical, valid map."""

    code = ErrorCode.BAD_MESSAGE


class CreditError(RemoteProtocolError):
    """The peer sent more than it was granted, or took a grant back."""

    code = ErrorCode.CREDIT_EXCEEDED


class StreamError(RemoteProtocolError):
    """A stream number or offset breaks the rules of streams."""

    code = ErrorCode.BAD_STREAM


class TooManyStreamsError(RemoteProtocolError):
    """The peer has more requests open than is allowed."""

    code = ErrorCode.TOO_MANY_STREAMS


class TruncatedError(RemoteProtocolError):
    """The peer's bytes ended before the handshake was over, or without a CLOSE."""

    code = ErrorCode.TRUNCATED
