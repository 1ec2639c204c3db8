"""Stateless cookies: under load, a responder makes the caller come back before it computes.

    cookie = expiry u64 ‖ HMAC-SHA-256(secret, u8 len(address) ‖ address ‖ expiry ‖ SHA-256(core))

where ``core`` is M1 up to its cookie. The responder keeps nothing between the two M1s: the secret,
which its owner renews every few minutes, is enough to know its own cookie again. The previous
secret stays valid beside the newest, so that a renewal cuts nobody off.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from qrfld.protocol.errors import LocalProtocolError

COOKIE_SIZE: Final = 40
COOKIE_SECONDS: Final = 30
_SECRET_SIZE: Final = 32


@dataclass(frozen=True)
class CookieGate:
    """Asks one caller for a cookie.

    ``secrets``: 32 bytes each, newest first. ``address``: whatever names the caller, at most 255
    bytes. ``now``: seconds on any clock of the responder's that does not go back.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    address: bytes
    now: float

    def __post_init__(self) -> None:
        if not self.secrets or any(len(secret) != _SECRET_SIZE for secret in self.secrets):
            raise LocalProtocolError(f"cookie secrets have {_SECRET_SIZE} bytes each")
        if len(self.address) > 255:
            raise LocalProtocolError(f"the address has {len(self.address)} bytes, more than 255")

    def issue(self, core: bytes) -> bytes:
        """A cookie for this caller and M1 core, good for ``COOKIE_SECONDS``."""
        expiry = (int(self.now) + COOKIE_SECONDS).to_bytes(8)
        return expiry + self._mac(self.secrets[0], expiry, core)

    def accepts(self, cookie: bytes, core: bytes) -> bool:
        """Whether ``cookie`` was issued by this responder to this caller and has not expired."""
        if len(cookie) != COOKIE_SIZE:
            return False
        expiry, mac = cookie[:8], cookie[8:]
        fresh = self.now <= int.from_bytes(expiry) <= self.now + COOKIE_SECONDS
        known = [
            hmac.compare_digest(mac, self._mac(secret, expiry, core)) for secret in self.secrets
        ]
        return fresh and any(known)

    def _mac(self, secret: bytes, expiry: bytes, core: bytes) -> bytes:
        parts = (len(self.address).to_bytes(1), self.address, expiry, hashlib.sha256(core).digest())
        return hmac.digest(secret, b"".join(parts), "sha256")
