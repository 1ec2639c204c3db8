"""The listening side's first step: the first four bytes say which kind of connection this is."""

from __future__ import annotations

from collections.abc import Mapping

from qrfld.crypto.parameters import Buffer
from qrfld.protocol import bulk, resumption, wire
from qrfld.protocol.bulk import BulkResponder
from qrfld.protocol.cookies import CookieGate
from qrfld.protocol.errors import SilentRejectError
from qrfld.protocol.frames import Kind
from qrfld.protocol.handshake import Responder
from qrfld.protocol.resumption import ResumeResponder
from qrfld.protocol.session import BulkSecret, Endpoint, Outcome, Step
from qrfld.protocol.tickets import TicketGate

_MAGIC_SIZE = 4
_MAGICS = (wire.MAGIC, bulk.MAGIC, resumption.MAGIC)


class Door:
    """Becomes a `Responder`, `BulkResponder` or `ResumeResponder`; ``kind`` is None until then.

    Without ``tickets``, a resumption is a protocol that is not ours.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        sessions: Mapping[bytes, BulkSecret],
        gate: CookieGate | None,
        tickets: TicketGate | None = None,
    ) -> None:
        self.kind: Kind | None = None
        self._endpoint = endpoint
        self._sessions = sessions
        self._gate = gate
        self._tickets = tickets
        self._step: Step | None = None

    def needed(self, got: Buffer) -> int:
        """Length of the next message; SilentRejectError at the first byte that fits none."""
        if self._step is None:
            magic = bytes(got[:_MAGIC_SIZE])
            if len(magic) < _MAGIC_SIZE and any(m.startswith(magic) for m in _MAGICS):
                return _MAGIC_SIZE
            self._step = self._choose(magic)
        return self._step.needed(got)

    def receive(self, message: bytes) -> Outcome:
        """Pass a whole message on."""
        if self._step is None:
            raise SilentRejectError("not our protocol")
        return self._step.receive(message)

    def _choose(self, magic: bytes) -> Step:
        if magic == wire.MAGIC:
            self.kind = "control"
            return Responder(self._endpoint, self._gate)
        if magic == bulk.MAGIC:
            self.kind = "bulk"
            return BulkResponder(self._sessions)
        if magic == resumption.MAGIC and self._tickets is not None:
            self.kind = "control"
            return ResumeResponder(self._endpoint, self._tickets)
        raise SilentRejectError(f"not our protocol: it begins with {magic.hex()}")
