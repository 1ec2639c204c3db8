"""What the targets of open control and bulk connections share: a peer who may say anything.

`Conversation` takes the steps that both kinds have, notes what each side said, and checks what
holds for both after every step. A peer's frames are genuine records over arbitrary bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from fuzz.feeding import feed, require_dead, require_end
from fuzz.invariants import require, require_named
from fuzz.script import Script
from fuzz.world import Peer
from qrfld.protocol.connection import Connection, State
from qrfld.protocol.errors import LocalProtocolError, RemoteProtocolError, TruncatedError
from qrfld.protocol.events import ConnectionClosed, Event
from qrfld.protocol.frames import Close, Frame, FrameType, Ping, Pong


class Conversation:
    """Our ``connection``, the ``peer``, and what was said and told so far."""

    def __init__(self, connection: Connection, peer: Peer) -> None:
        self.connection = connection
        self.peer = peer
        self.events: list[Event] = []
        self.said: list[Frame] = []
        self.pings: list[bytes] = []
        self.error: RemoteProtocolError | None = None
        #: Bytes that nobody sealed wait in the reader: whatever follows them does not open.
        self.derailed = False

    @property
    def open(self) -> bool:
        """Whether the conversation goes on."""
        return self.connection.state is State.OPEN

    @property
    def arrives(self) -> bool:
        """Whether what the peer sealed last was read as it was sealed."""
        return self.error is None and not self.derailed

    def hear(self, frame: bytes, script: Script) -> list[Event]:
        """The peer seals ``frame``; it comes in pieces. Returns the new events."""
        if not frame:
            return []
        record = self.peer.seal(frame)
        for piece in script.cut(record):
            self.error = self.error or feed(self.connection, piece)
        if self.arrives and frame[0] == FrameType.PING:
            self.pings.append(frame[1:])
        return self._after()

    def hear_raw(self, data: bytes) -> None:
        """Bytes that nobody sealed."""
        self.error = feed(self.connection, data)
        self.derailed = self.derailed or bool(data)
        self._after()

    def hear_end(self) -> list[Event]:
        """TCP's end."""
        try:
            self.connection.receive_eof()
        except TruncatedError as error:
            require_named(error)
            self.error = error
        require(not self.open, "the end of the bytes ends the connection")
        return self._after()

    def ask(self, call: Callable[[], None]) -> bool:
        """Our side does something; whether it may. What it may not changes nothing."""
        state = self.connection.state
        try:
            call()
        except LocalProtocolError as error:
            require_named(error)
            require(self.peer.hear(self.connection) == [], "what is refused is not sent")
            require(self.connection.state is state, "what is refused changes nothing")
            return False
        self._after()
        return True

    def _after(self) -> list[Event]:
        new = self.connection.events_received()
        self.events += new
        self.said += self.peer.hear(self.connection)
        told = [event for event in new if not isinstance(event, ConnectionClosed)]
        require(not (self.derailed and told), "what nobody sealed is not told")
        return new

    def finish(self) -> None:
        """What must hold at the end of every conversation."""
        pongs = [frame.token for frame in self.said if isinstance(frame, Pong)]
        require(pongs == self.pings, "every ping is answered, in order")
        closes = [frame for frame in self.said if isinstance(frame, Close)]
        require(closes == self.said[-1:][: len(closes)], "CLOSE is the last frame, and comes once")
        if not self.open:
            require_end(self.events, self.error)
            told = self.error is not None and not isinstance(self.error, TruncatedError)
            require(not told or bool(closes), "the peer is told the rule that it broke")
            require_dead(self.connection)

    def both(self, choice: int, script: Script) -> None:
        """The steps that every open connection has; ``choice`` from 0 to 7."""
        match choice:
            case 0 | 1:
                self.hear(script.take(script.number()), script)
            case 2:
                self.hear(b"\x02" + script.take(8).ljust(8), script)
            case 3:
                self.hear(b"\x05", script)
            case 4:
                self.ask(self.connection.rekey)
            case 5:
                token = script.take(8)
                if self.ask(lambda: self.connection.send_ping(token)):
                    require(self.said[-1] == Ping(token), "a ping is sent as it is")
            case 6:
                self.hear_raw(script.piece())
            case _:
                self._end(script)

    def _end(self, script: Script) -> None:
        match script.below(3):
            case 0:
                self.hear_end()
            case 1:
                code = script.number(2)
                reason = script.take(script.number()).decode(errors="replace")
                self.ask(lambda: self.connection.close(code, reason))
            case _:
                self.hear(b"\x04" + script.take(script.number()), script)
