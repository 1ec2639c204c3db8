"""What can go wrong between two nodes."""

from __future__ import annotations

from qrfld.errors import ConfigError, QrfldError


class NetError(QrfldError):
    """Something between two nodes failed."""


class PortInUseError(ConfigError):
    """Another program listens on the address."""


class ListenAddressError(ConfigError):
    """The listen address is not one that this machine, or this user, can listen on."""


class PeerUnreachableError(NetError):
    """No address of a peer answered, or the handshake did not complete."""


class SessionClosedError(NetError):
    """The session ended while something waited on it."""


class TransferError(NetError):
    """A blob could not be fetched."""


class RateLimitError(NetError):
    """A peer asks for more than its share."""


class AdmissionError(NetError):
    """A token was not redeemed; the message carries the issuer's reason."""

    exit_code = 5
