"""The nodes of the fuzzer's world, and open connections without the cost of a handshake.

Identities come from fixed seeds. `control` and `bulk` give a real `Connection` in its open state,
with keys from a fixed secret instead of a key agreement, and the `Peer` at its other end: a sealer
and an opener, so that the peer can say anything at all and what it hears can be checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from qrfld.crypto.identity import Identity
from qrfld.protocol import frames
from qrfld.protocol.connection import BulkSecret, Connection, Endpoint
from qrfld.protocol.frames import Frame, KeyUpdate, Kind
from qrfld.protocol.keys import ChainPair, bulk_chains, traffic_chains
from qrfld.protocol.records import MAX_BULK_SEALED, Opener, RecordReader, Sealer
from qrfld.protocol.session import Opened, Outcome, open_session

FEDERATION = bytes(range(64, 96))
WIRE_SUITE = 0x0201
_SECRET = bytes(48)


@cache
def identity(name: str, suite_id: int = 1) -> Identity:
    """The same identity for the same name."""
    return Identity.from_seed(suite_id, name.encode().ljust(32, b"."))


@cache
def endpoint(name: str, suite_id: int = 1) -> Endpoint:
    """Where ``name`` speaks from."""
    return Endpoint(identity(name, suite_id), FEDERATION, (suite_id,), prefers_chacha=False)


def taken(connection: Connection) -> bytes:
    """Everything the connection wants to send."""
    return b"".join(connection.data_to_send())


@dataclass
class Peer:
    """Whoever is at the other end of an open connection."""

    sealer: Sealer
    reader: RecordReader
    kind: Kind
    heard: list[Frame] = field(default_factory=list)

    def seal(self, frame: bytes) -> bytes:
        """The record of any bytes of at least one; an honest KEY_UPDATE steps the key."""
        record = bytes(self.sealer.seal(frame))
        if frame == bytes([frames.FrameType.KEY_UPDATE]):
            self.sealer.step()
        return record

    def hear(self, connection: Connection) -> list[Frame]:
        """The frames that ``connection`` sent since the last call; whatever it sent must open."""
        new: list[Frame] = []
        rest = memoryview(taken(connection))
        while len(rest):
            frame, rest = self.reader.take(rest)
            if frame is not None:
                new.append(frames.decode(self.kind, frame))
                if isinstance(new[-1], KeyUpdate):
                    self.reader.opener.step()
        self.heard += new
        return new


class _Agreed:
    """A step that is over with its first byte."""

    def __init__(self, kind: Kind, opened: Opened) -> None:
        self.kind: Kind | None = kind
        self._opened = opened

    def needed(self, got: object) -> int:
        return 1

    def receive(self, message: bytes) -> Outcome:
        return Outcome(opened=self._opened)


def control(*, initiator: bool) -> tuple[Connection, Peer]:
    """Our end of an open control connection, and the peer."""
    opened = open_session(WIRE_SUITE, _SECRET, identity("peer").public, initiator=initiator)
    return _connected("control", traffic_chains(WIRE_SUITE, _SECRET), opened)


def bulk(*, initiator: bool) -> tuple[Connection, Peer]:
    """Our end of an open bulk connection, and the peer."""
    secret = BulkSecret(bytes(16), WIRE_SUITE, initiator, _SECRET)
    chains = bulk_chains(WIRE_SUITE, _SECRET, bytes(48))
    return _connected("bulk", chains, Opened.with_chains(chains, secret))


def _connected(kind: Kind, chains: ChainPair, opened: Opened) -> tuple[Connection, Peer]:
    connection = Connection(_Agreed(kind, opened))
    connection.receive_data(b"\0")
    connection.events_received()
    theirs = Sealer(chains.receiving(initiator=opened.initiator))
    ours = Opener(chains.sending(initiator=opened.initiator))
    return connection, Peer(theirs, RecordReader(ours, MAX_BULK_SEALED), kind)
