"""What the targets of three-message joins share: B1, B2, B3 and S1, S2, S3.

Two diallers that know the secret and three listeners of one node, which shares what it knows
between them. To each, anything that was said can be sent, and sent again, changed or not, and a
first message that was changed can get a right MAC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fuzz.feeding import feed, require_dead
from fuzz.invariants import require
from fuzz.script import Script
from fuzz.world import taken
from qrfld.protocol.connection import Connection, State


@dataclass
class End:
    """A connection, what it took and what it said."""

    connection: Connection
    took: bytes = b""
    said: list[bytes] = field(default_factory=list)


@dataclass
class Join:
    """Everybody, the lengths of the three messages, and how a first one gets a right MAC.

    ``said`` is all that was ever said, ``firsts`` the first messages with a right MAC.
    """

    diallers: list[End]
    listeners: list[End]
    sizes: tuple[int, int, int]
    with_mac: Callable[[bytes], bytes]
    said: list[bytes] = field(default_factory=list)
    firsts: list[bytes] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        diallers: list[Connection],
        listeners: list[Connection],
        sizes: tuple[int, int, int],
        with_mac: Callable[[bytes], bytes],
    ) -> Join:
        """Two diallers that have said their first message, and listeners."""
        join = cls([*map(End, diallers)], [*map(End, listeners)], sizes, with_mac)
        for end in join.diallers:
            end.said.append(taken(end.connection))
            join.said.append(end.said[0])
            join.firsts.append(end.said[0])
        return join

    def run(self, script: Script) -> list[End]:
        """Take the script's steps; check all; the listeners that opened, one at most."""
        while script.more:
            self._step(script)
        opened = [end for end in self.listeners if end.connection.state is State.OPEN]
        require(len(opened) <= 1, "of several joins one succeeds")
        for listener in opened:
            self._require_join(listener)
        for end in (*self.diallers, *self.listeners):
            if end.connection.state is State.CLOSED:
                require_dead(end.connection)
        return opened

    def _step(self, script: Script) -> None:
        place = script.below(len(self.listeners) + len(self.diallers))
        chosen = script.number()
        if chosen < 0x80:
            message = script.changed(self.said[chosen % len(self.said)])
        elif chosen < 0xC0:
            message = self.with_mac(script.changed(self.firsts[0]))
            self.firsts.append(message)
        else:
            message = script.piece()
        for piece in script.cut(message):
            if place < len(self.listeners):
                self._to_listener(self.listeners[place], piece)
            else:
                self._to_dialler(self.diallers[place - len(self.listeners)], piece)

    def _to_dialler(self, end: End, piece: bytes) -> None:
        if self._say(end, piece):
            answers = [listener.said[0] for listener in self.listeners if listener.said]
            require(end.took[: self.sizes[1]] in answers, "a dialler answers a listener")

    def _to_listener(self, end: End, piece: bytes) -> None:
        if self._say(end, piece):
            require(end.took[: self.sizes[0]] in self.firsts, "a listener answers a right MAC")
        require(len(end.connection._got) <= self.sizes[0], "one message is held")

    def _say(self, end: End, piece: bytes) -> bool:
        """A piece comes to an end that is still joining; whether it answers."""
        if end.connection.state is not State.HANDSHAKE:
            return False
        end.took += piece
        failed = feed(end.connection, piece)
        said = taken(end.connection)
        if not failed and said:
            end.said.append(said)
            self.said.append(said)
        return bool(said) and not failed

    def _require_join(self, listener: End) -> None:
        first, _, third = self.sizes
        mine = [listener.took[:first], listener.took[first : first + third]]
        require(
            any(
                dialler.said == mine and dialler.took[: self.sizes[1]] == listener.said[0]
                for dialler in self.diallers
            ),
            "all three messages are those of one dialler and this listener",
        )


def scripts() -> list[bytes]:
    """Joins: one, two at once, the first sent twice, each message changed, cut or of another."""
    one, two, three = b"\0\0\0\0", b"\3\2\0\0", b"\0\3\0\0"
    return [
        one + two + three,
        one + b"\1\0\0\0" + two + b"\0\4\0\0" + b"\1\4\0\0",
        one + b"\1\1\0\0" + two + b"\4\3\0\0" + b"\0\4\0\0" + b"\1\5\0\0",
        b"\0\0\1\x00\x30\0\1\0",
        b"\0\x80\1\x00\x30\0\1\0" + two + three,
        one + b"\3\2\1\x00\x30\0\1\0",
        one + two + b"\0\3\1\x00\x05\0\1\0",
        b"\0\0\0\2\0\0\4\0\0\x40" + two + three,
        b"\0\xc0\0\5QRFB\1\0",
        b"\0\xc0\0\5QRFS\1\0",
    ]
