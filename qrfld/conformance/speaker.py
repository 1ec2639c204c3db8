"""The tester inside an open connection: what it seals is genuine, what it says need not be.

What it hears is judged at once: a record out of bounds or one that does not open, a malformed frame
and a byte after CLOSE are deviations whatever the case was about. PINGs are answered, KEY_UPDATE is
followed and messages get their credit, so that a long case is a good peer unless it says otherwise.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from qrfld.conformance.verdict import DeviationError, expect
from qrfld.conformance.wire import Wire, within
from qrfld.crypto.errors import EncodingError
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.protocol.errors import ErrorCode, RemoteProtocolError
from qrfld.protocol.frames import (
    BULK_CONFIRM,
    Close,
    Credit,
    Frame,
    KeyUpdate,
    Kind,
    MessageFrame,
    Ping,
    Pong,
    decode,
    encode,
)
from qrfld.protocol.keys import ChainPair
from qrfld.protocol.messages import Message, decode_message
from qrfld.protocol.records import (
    HEADER_SIZE,
    MAX_BULK_SEALED,
    MAX_CONTROL_SEALED,
    MIN_SEALED,
    Opener,
    Sealer,
)

F = TypeVar("F")
M = TypeVar("M", bound=Message)

WINDOW = 262_144
GRANT_STEP = 65_536
#: How much a peer may say beside what a case waits for.
MOST_FRAMES = 10_000


class Speaker:
    """One open connection, ``control`` or ``bulk``; ``initiator`` is whether the tester dialled."""

    def __init__(self, wire: Wire, chains: ChainPair, kind: Kind, *, initiator: bool) -> None:
        self.wire = wire
        self.kind: Kind = kind
        self.initiator = initiator
        #: Whether PINGs go unanswered.
        self.mute = False
        self.sealer = Sealer(chains.sending(initiator=initiator))
        self._opener = Opener(chains.receiving(initiator=initiator))
        self._consumed = 0
        self._granted = WINDOW
        self._skipped: list[Frame] = []
        #: The last record that the peer sent, as it came.
        self.last_record = b""

    # out

    def sealed(self, frame: Frame | bytes) -> bytes:
        """The next record, around a frame or around bytes that are none."""
        return bytes(self.sealer.seal(frame if isinstance(frame, bytes) else encode(frame)))

    async def say(self, *frames: Frame | bytes) -> None:
        """Send each in a record of its own."""
        await self.wire.send(*(self.sealed(frame) for frame in frames))

    async def tell(self, message: Message) -> None:
        """Send a message."""
        await self.say(MessageFrame(message.encode()))

    async def rekey(self) -> None:
        """Send KEY_UPDATE and step our chain."""
        await self.say(KeyUpdate())
        self.sealer.step()

    # in

    async def hear(self) -> Frame | None:
        """The next frame, None at the end of TCP. DeviationError if what comes is not one."""
        header = await self.wire.read(HEADER_SIZE)
        if not header:
            return None
        size, most = int.from_bytes(header), MAX_CONTROL_SEALED
        most = MAX_BULK_SEALED if self.kind == "bulk" else most
        expect(MIN_SEALED <= size <= most, f"it announced a record of {size} bytes")
        sealed = await self.wire.take(size, "a record")
        self.last_record = header + sealed
        try:
            frame = decode(self.kind, self._opener.open(header, sealed))
        except RemoteProtocolError as error:
            raise DeviationError(f"it broke a rule itself: {error.message}") from error
        await self._answer(frame)
        return frame

    async def confirmed(self) -> None:
        """Take B3; DeviationError unless it is BULK_CONFIRM."""
        record = await self.wire.take(HEADER_SIZE + MIN_SEALED, "B3")
        expect(int.from_bytes(record[:HEADER_SIZE]) == MIN_SEALED, "its B3 has another length")
        try:
            frame = self._opener.open(record[:HEADER_SIZE], record[HEADER_SIZE:])
        except RemoteProtocolError as error:
            raise DeviationError(f"its B3 does not open: {error.message}") from error
        expect(frame == BULK_CONFIRM, f"its B3 holds 0x{frame.hex()}")

    async def _answer(self, frame: Frame) -> None:
        match frame:
            case Ping(token) if not self.mute:
                await self.say(Pong(token))
            case KeyUpdate():
                self._opener.step()
            case MessageFrame(body):
                self._consumed += len(body)
                if self._consumed + WINDOW - self._granted >= GRANT_STEP:
                    self._granted = self._consumed + WINDOW
                    await self.say(Credit(self._granted))
            case _:
                pass

    async def heard(self, kind: type[F], fits: Callable[[F], bool] = lambda _: True) -> F:
        """The next frame of a kind that ``fits``; others that come before stay to be heard."""
        for frame in self._skipped:
            if isinstance(frame, kind) and fits(frame):
                self._skipped.remove(frame)
                return frame
        async with within(self.wire.prompt, f"a frame of type {kind.__name__}"):
            while True:
                next_frame = await self.hear()
                if isinstance(next_frame, kind) and fits(next_frame):
                    return next_frame
                if next_frame is None or isinstance(next_frame, Close):
                    why = "TCP ended" if next_frame is None else closing(next_frame)
                    raise DeviationError(f"{why}; awaited: {kind.__name__}")
                expect(len(self._skipped) < MOST_FRAMES, f"more than {MOST_FRAMES} frames came")
                self._skipped.append(next_frame)

    async def message(self, kind: type[M]) -> M:
        """The next message of a type; DeviationError if one before it cannot be read."""
        while True:
            frame = await self.heard(MessageFrame)
            try:
                message = decode_message(bytes(frame.body))
            except EncodingError as error:
                raise DeviationError(f"it sent a message that is none: {error.message}") from error
            if isinstance(message, kind):
                return message

    def messages_so_far(self) -> list[bytes]:
        """Bodies of messages that came beside what was awaited."""
        return [bytes(f.body) for f in self._skipped if isinstance(f, MessageFrame)]

    async def alive(self) -> None:
        """Ping; DeviationError unless the PONG comes."""
        token = secrets.token_bytes(8)
        await self.say(Ping(token))
        await self.heard(Pong, lambda pong: pong.token == token)

    async def closes(self, *codes: int) -> None:
        """Wait for CLOSE with one of ``codes`` and for the end of TCP right behind it."""
        async with within(self.wire.prompt, f"CLOSE {_named(codes)}"):
            while not isinstance(frame := await self.hear(), Close):
                if frame is None:
                    raise DeviationError(f"TCP ended without CLOSE; awaited: {_named(codes)}")
        expect(frame.code in codes, f"{closing(frame)}; awaited: {_named(codes)}")
        await self.wire.closed_silently()

    async def ends(self) -> Close | None:
        """Wait for the end of TCP; the CLOSE before it, if there was one."""
        said: Close | None = None
        async with within(self.wire.prompt, "the end of the session"):
            while (frame := await self.hear()) is not None:
                expect(said is None, "a frame came after CLOSE")
                said = frame if isinstance(frame, Close) else None
        return said


@dataclass
class Bond:
    """Who the two ends of a session are; it outlives the session."""

    ours: Identity
    federation: bytes
    peer: PublicIdentity
    #: Runs that we have offered and that no RUN_END has ended yet.
    left: list[bytes] = field(default_factory=list)
    #: Why the peer takes no part in runs, once it has said so.
    untrained: str = ""


class Pair:
    """A session of two admitted nodes: its control and its bulk connection."""

    def __init__(self, control: Speaker, bulk: Speaker, bond: Bond) -> None:
        self.control = control
        self.bulk = bulk
        self.bond = bond

    def on(self, kind: Kind) -> Speaker:
        """The connection of a kind."""
        return self.control if kind == "control" else self.bulk

    async def alive(self) -> None:
        """DeviationError unless both connections answer."""
        await self.control.alive()
        await self.bulk.alive()


Act = Callable[[Speaker], Awaitable[None]]


def closing(frame: Close) -> str:
    """A CLOSE in words."""
    return f"CLOSE {_named((frame.code,))} ({frame.reason!a})"


def _named(codes: tuple[int, ...]) -> str:
    known = {int(code): code.name.lower().replace("_", "-") for code in ErrorCode}
    return " or ".join(f"{code} {known.get(code, '')}".strip() for code in codes)
