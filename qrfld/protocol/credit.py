"""Message credit: neither side can make the other hold more than one window of unread messages.

Both count the bytes of MESSAGE bodies from the start of the session. A grant is the absolute number
that may have been sent, so a grant that comes twice grants nothing twice.
"""

from __future__ import annotations

from typing import Final

from qrfld.protocol.errors import CreditError, LocalProtocolError

INITIAL_CREDIT: Final = 256 * 1024
#: A new grant is worth a frame once it is this much more than the last one.
GRANT_STEP: Final = INITIAL_CREDIT // 4


class MessageCredit:
    """Both directions' counts of one control connection."""

    def __init__(self) -> None:
        self._sent = 0
        self._may_send = INITIAL_CREDIT
        self._received = 0
        self._consumed = 0
        self._granted = INITIAL_CREDIT

    @property
    def available(self) -> int:
        """How many bytes we may send now."""
        return self._may_send - self._sent

    def send(self, size: int) -> None:
        """Count a message that we send; LocalProtocolError beyond the grant."""
        if size > self.available:
            raise LocalProtocolError(
                f"a message of {size} bytes exceeds the credit of {self.available}",
                hint="wait for CreditGranted",
            )
        self._sent += size

    def receive(self, size: int) -> None:
        """Count a message that came; CreditError beyond what we granted."""
        if self._received + size > self._granted:
            raise CreditError(
                f"the peer sent {self._received + size} message bytes, granted {self._granted}"
            )
        self._received += size

    def consume(self, size: int) -> int | None:
        """Our reader is done with ``size`` bytes; returns the new grant if one should be sent."""
        if not 0 <= size <= self._received - self._consumed:
            raise LocalProtocolError(
                f"{size} bytes consumed of {self._received - self._consumed} unread ones"
            )
        self._consumed += size
        limit = self._consumed + INITIAL_CREDIT
        if limit - self._granted < GRANT_STEP:
            return None
        self._granted = limit
        return limit

    def grant(self, limit: int) -> None:
        """The peer grants up to ``limit``; CreditError if it takes a grant back."""
        if limit < self._may_send:
            raise CreditError(f"the peer lowered its grant from {self._may_send} to {limit}")
        self._may_send = limit
