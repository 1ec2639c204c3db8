"""What can go wrong in the protocol room.

ProtocolError
├── LocalProtocolError      our side asked for something the protocol does not allow
├── RemoteProtocolError     the peer broke the protocol; carries the wire code we answer with
└── TensorError             bytes are not a model, or a model cannot be written
"""

from __future__ import annotations

from qrfld.errors import QrfldError


class ProtocolError(QrfldError):
    """Base of what can go wrong in this room."""


class LocalProtocolError(ProtocolError):
    """Our side asked for something that the protocol does not allow now."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol; ``code`` is what the CLOSE frame tells it."""

    def __init__(self, message: str, *, code: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class TensorError(ProtocolError):
    """Bytes are not a model, or a model cannot be written."""
