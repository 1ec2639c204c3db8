"""The listening side's first step: the first four bytes say which kind of connection this is."""

from __future__ import annotations

from collections.abc import Mapping

from qrfld.crypto.parameters import Buffer
from qrfld.protocol import bulk, wire
from qrfld.protocol.bulk import BulkResponder
from qrfld.protocol.cookies import CookieGate
from qrfld.protocol.errors import SilentRejectError
from qrfld.protocol.frames import Kind
from qrfld.protocol.handshake import Responder
from qrfld.protocol.session import BulkSecret, Endpoint, Outcome, Step

_MAGIC_SIZE = 4


class Door:
    """Becomes a `Responder` or a `BulkResponder`; ``kind`` is None until then."""

    def __init__(
        self, endpoint: Endpoint, sessions: Mapping[bytes, BulkSecret], gate: CookieGate | None
    ) -> None:
        self.kind: Kind | None = None
        self._endpoint = endpoint
        self._sessions = sessions
        self._gate = gate
        self._step: Step | None = None

    def needed(self, got: Buffer) -> int:
        """Length of the next message; SilentRejectError at the first byte that fits neither."""
        if self._step is None:
            magic = bytes(got[:_MAGIC_SIZE])
            if not (wire.MAGIC.startswith(magic) or bulk.MAGIC.startswith(magic)):
                raise SilentRejectError(f"not our protocol: it begins with {magic.hex()}")
            if len(magic) < _MAGIC_SIZE:
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
        self.kind = "bulk"
        return BulkResponder(self._sessions)
