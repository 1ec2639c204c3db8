"""Invariant: whatever frames an authenticated peer sends on a control connection, they are events
within the credit, in order, or one named end after which nothing is said or told; every ping is
answered in order; and what we say keeps to the peer's credit.

Input: a script of both sides' steps. The peer's frames are sealed here, so that they arrive.
"""

from __future__ import annotations

from fuzz import examples, world
from fuzz.invariants import require
from fuzz.open_connection import Conversation
from fuzz.script import Script
from fuzz.targets.frames import examples as all_frames
from qrfld.protocol import frames
from qrfld.protocol.credit import INITIAL_CREDIT
from qrfld.protocol.events import Event, MessageReceived
from qrfld.protocol.frames import Credit, MessageFrame
from qrfld.protocol.messages import Message, RoundRecordMessage, decode_message

SHARE = 4
MAX_LEN = 8192
_MESSAGES = examples.all_messages()


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    talk = _Control(script)
    while script.more and talk.open:
        talk.step()
    talk.finish()


class _Control(Conversation):
    """Counts the bytes of messages both ways as section 9.1 says."""

    def __init__(self, script: Script) -> None:
        super().__init__(*world.control(initiator=bool(script.number() & 1)))
        self.script = script
        self.heard = self.received = self.consumed = 0
        self.granted = INITIAL_CREDIT

    def step(self) -> None:
        script = self.script
        match choice := script.below(14):
            case 8 | 9:
                number = script.below(len(_MESSAGES) + 1)
                message = _MESSAGES[number] if number < len(_MESSAGES) else _large(script)
                if choice == 8:
                    self._hear_message(message.encode())
                else:
                    self._say(message)
            case 10:
                self._hear_message(script.changed(_MESSAGES[script.below(16)].encode()))
            case 11:
                self._consume(script)
            case 12 | 13:
                self._hear_credit(max(0, self.granted + script.number(3) - script.number()))
            case _:
                self.both(choice, script)
        self._check()

    def hear(self, frame: bytes, script: Script) -> list[Event]:
        told = super().hear(frame, script)
        if self.arrives and frame[:1] == b"\x01":
            self.heard += len(frame) - 1
        if self.arrives and frame[:1] == b"\x06":
            self.granted = int.from_bytes(frame[1:])
        return told

    def _hear_message(self, body: bytes) -> None:
        told = self.hear(b"\x01" + body, self.script)
        if self.arrives:
            message = decode_message(body)
            expected = [] if message is None else [MessageReceived(message, len(body))]
            require(told == expected, "a message is told as it was sent, or ignored")

    def _say(self, message: Message) -> None:
        size = len(message.encode())
        fits = self.connection.message_credit >= size
        require(self.connection.can_send(message) is fits, "what fits may be sent")
        require(self.ask(lambda: self.connection.send_message(message)) is fits, "and only that")

    def _hear_credit(self, limit: int) -> None:
        lower = limit < self.granted
        self.hear(frames.encode(Credit(limit)), self.script)
        if not self.derailed:
            require(lower is (self.error is not None), "a lower grant breaks a rule, no other does")

    def _consume(self, script: Script) -> None:
        waiting = self.received - self.consumed
        size = waiting if script.number() & 1 else script.number(2)
        allowed = self.ask(lambda: self.connection.consumed(size))
        require(allowed is (size <= waiting), "what was told can be consumed, nothing else")
        self.consumed += size if allowed else 0

    def _check(self) -> None:
        told = [event for event in self.events if isinstance(event, MessageReceived)]
        self.received = sum(event.size for event in told)
        require(self.received - self.consumed <= INITIAL_CREDIT, "one window is unread")
        sent = sum(len(frame.body) for frame in self.said if isinstance(frame, MessageFrame))
        require(sent <= self.granted, "what we say keeps to the peer's credit")
        grants = [frame.limit for frame in self.said if isinstance(frame, Credit)]
        require(grants == sorted(grants), "our grants do not go back")
        require(grants[-1:] <= [INITIAL_CREDIT + self.heard], "a window at a time")


def _large(script: Script) -> Message:
    return RoundRecordMessage(statement=bytes(1 + script.below(60_000, 2)))


def seeds() -> list[bytes]:
    """Frames of every type, messages both ways, credit used up, consumed and granted, every end."""
    cuts = b"\0"
    frame = [b"\x01" + bytes([len(data)]) + data + cuts for data in _frames()]
    messages = [b"\x08" + bytes([number]) + cuts for number in range(len(_MESSAGES))]
    large = b"\x08\x10\xea\x5f" + cuts
    say_large = b"\x09\x10\xea\x5f"
    return [
        b"\0" + b"".join(frame[:3]) + frame[4],
        *(b"\1" + one for one in frame),
        b"\1" + b"".join(messages) + b"\x0b\0\0\x10" * 3,
        b"\0" + large * 5,
        b"\0" + (large + b"\x0b\1") * 6,
        b"\1" + say_large * 5 + b"\x0c\x02\xff\xff\0" + cuts + say_large * 2,
        b"\1\x0d\0\0\0\x05" + cuts,
        b"\0\x05pingping\x04\x02pongpong"
        + cuts
        + b"\x03"
        + cuts
        + b"\x02second.."
        + cuts
        + b"\x07\0",
        b"\0\x07\x01\0\x03\x04done",
        b"\0\x07\x02\x05\0\x03bye" + cuts,
        b"\0\x06\0\x05aaaaa",
        b"\0\x0a\x05\x01\0\x07\0\xff" + cuts,
    ]


def _frames() -> list[bytes]:
    return [frames.encode(frame) for _, frame in all_frames()]
