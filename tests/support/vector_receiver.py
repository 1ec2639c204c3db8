"""An open connection without a handshake, for vectors that begin with a frame."""

from __future__ import annotations

from qrfld.crypto.parameters import Buffer
from qrfld.protocol.connection import Connection
from qrfld.protocol.events import Event
from qrfld.protocol.frames import Kind
from qrfld.protocol.keys import Chain, ChainPair
from qrfld.protocol.records import Opener, RecordReader, Sealer
from qrfld.protocol.session import BulkSecret, Opened, Outcome, Session, TicketSecrets

WIRE_SUITE = 0x0101
CHAINS = ChainPair(Chain(WIRE_SUITE, b"\x01" * 48), Chain(WIRE_SUITE, b"\x02" * 48))
SESSION_ID = bytes(16)


class _Opening:
    """A handshake of one byte that opens with chains of our choice."""

    def __init__(self, kind: Kind, chains: ChainPair, *, initiator: bool) -> None:
        self.kind: Kind | None = kind
        wire_suite = chains.initiator.wire_id
        bulk = BulkSecret(SESSION_ID, wire_suite, initiator, b"\x03" * 48)
        tickets = TicketSecrets(None)
        session = Session(None, wire_suite, SESSION_ID, initiator, bulk, b"", tickets)  # type: ignore[arg-type]
        self._opened = Opened.with_chains(chains, session if kind == "control" else bulk)

    def needed(self, got: Buffer) -> int:
        return 1

    def receive(self, message: bytes) -> Outcome:
        return Outcome(opened=self._opened)


class Receiver:
    """Our side of an open connection, and the peer's sealer and opener."""

    def __init__(self, kind: Kind, *, initiator: bool = False, chains: ChainPair = CHAINS) -> None:
        self.connection = Connection(_Opening(kind, chains, initiator=initiator))
        self.connection.receive_data(b"\x00")
        self.connection.events_received()
        self._sealer = Sealer(chains.receiving(initiator=initiator))
        self._reader = RecordReader(Opener(chains.sending(initiator=initiator)), 1 << 21)

    def feed(self, frame: bytes) -> None:
        """The peer sends a frame; raises what the connection raises."""
        record = self._sealer.seal(frame)
        if frame == b"\x05":
            self._sealer.step()
        self.connection.receive_data(record)

    def sent(self) -> list[bytes]:
        """The frames that our side has sent since the last call."""
        data = memoryview(b"".join(self.connection.data_to_send()))
        frames = []
        while len(data):
            frame, data = self._reader.take(data)
            assert frame is not None
            frames.append(frame)
            if frame == b"\x05":
                self._reader.opener.step()
        return frames

    def events(self) -> list[Event]:
        return self.connection.events_received()
