"""Two ends in memory with an adversary between them, and the record of what each side said.

A `Pipe` is one direction. It remembers every byte that was sent and every byte that was delivered;
as long as these agree the direction is *clean*, and the first byte that differs *spoils* it. The
adversary changes what waits in the pipe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from qrfld.protocol.connection import Connection, State
from qrfld.protocol.errors import RemoteProtocolError
from qrfld.protocol.events import Event


@dataclass(eq=False)
class Pipe:
    """``sent`` and ``delivered`` from the beginning; ``waiting`` is what the adversary holds."""

    sent: bytearray = field(default_factory=bytearray)
    delivered: bytearray = field(default_factory=bytearray)
    waiting: bytearray = field(default_factory=bytearray)
    #: How many of the delivered bytes are as they were sent, from the beginning.
    clean: int = 0
    ended: bool = False

    @property
    def spoiled(self) -> bool:
        """Whether a byte was delivered that was not sent there."""
        return self.clean < len(self.delivered)

    def put(self, data: bytes) -> None:
        self.sent += data
        if not self.ended:
            self.waiting += data

    def take(self, count: int) -> bytes:
        data = bytes(self.waiting[:count])
        del self.waiting[:count]
        if not self.spoiled:
            true = bytes(self.sent[self.clean : self.clean + len(data)])
            self.clean += len(data) if data == true else _agreed(data, true)
        self.delivered += data
        return data

    # what an adversary does; places are taken modulo what is there

    def flip(self, at: int, mask: int) -> None:
        self.waiting[at % len(self.waiting)] ^= mask

    def drop(self, at: int, count: int) -> None:
        at %= len(self.waiting)
        del self.waiting[at : at + count]

    def double(self, at: int, count: int) -> None:
        at %= len(self.waiting)
        self.waiting[at:at] = self.waiting[at : at + count]

    def swap(self, at: int, count: int) -> None:
        """Two neighbouring pieces change places."""
        at %= len(self.waiting)
        first, second = self.waiting[at : at + count], self.waiting[at + count : at + 2 * count]
        self.waiting[at : at + 2 * count] = second + first

    def insert(self, at: int, data: bytes) -> None:
        at %= len(self.waiting)
        self.waiting[at:at] = data

    def end(self) -> None:
        """Nothing that waits, and nothing after it, arrives."""
        self.waiting.clear()
        self.ended = True


def _agreed(data: bytes, true: bytes) -> int:
    """How many bytes both begin with."""
    pairs = enumerate(zip(data, true, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(data), len(true)))


@dataclass(eq=False)
class End:
    """One side: its connection, its way out, and what it said and heard."""

    connection: Connection
    out: Pipe
    events: list[Event] = field(default_factory=list)
    error: RemoteProtocolError | None = None
    closed_by_us: bool = False

    @property
    def open(self) -> bool:
        return self.connection.state is State.OPEN

    @property
    def closed(self) -> bool:
        return self.connection.state is State.CLOSED

    def flush(self) -> int:
        """Hand over what waits to be written; how many bytes were sent by now."""
        self.out.put(b"".join(self.connection.data_to_send()))
        return len(self.out.sent)

    def hear(self, data: bytes) -> list[Event]:
        """Bytes arrive; the new events."""
        return self._heard(lambda: self.connection.receive_data(data))

    def hear_end(self) -> list[Event]:
        """The bytes end."""
        return self._heard(self.connection.receive_eof)

    def _heard(self, call: Callable[[], None]) -> list[Event]:
        was_closed = self.closed
        try:
            call()
        except RemoteProtocolError as error:
            assert not was_closed, "a closed connection breaks no rule"
            assert self.closed
            self.error = error
        new = self.connection.events_received()
        assert not (was_closed and new), "a closed connection tells nothing"
        self.events += new
        self.flush()
        return new
