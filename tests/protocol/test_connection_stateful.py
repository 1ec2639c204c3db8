"""Two ends, joined in memory, in any order of events, with and without an adversary.

The model is what each side sent, and where in its bytes each item ended. What the other side was
told must be exactly the items whose bytes have arrived unchanged: never less, more, altered or
reordered. Interference ends in a named error, with no event after it.

More examples: ``--hypothesis-profile=deep``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from adversary import End, Pipe
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from protocol_pair import endpoint, identity

from qrfld.protocol.connection import BulkSecret, Connection
from qrfld.protocol.credit import INITIAL_CREDIT
from qrfld.protocol.errors import (
    HandshakeError,
    LocalProtocolError,
    RecordError,
    SilentRejectError,
    TruncatedError,
)
from qrfld.protocol.events import (
    BulkJoined,
    ChunkReceived,
    ConnectionClosed,
    MessageReceived,
    PongReceived,
    SessionEstablished,
    StreamCreditGranted,
    StreamRequested,
    StreamReset,
)
from qrfld.protocol.frames import MAX_CHUNK
from qrfld.protocol.messages import (
    CODE_BYTES,
    MAX_MESSAGE_BYTES,
    Digest,
    Message,
    RoundRecordMessage,
    RunSync,
)
from qrfld.protocol.records import HEADER_SIZE, MAX_BULK_SEALED, MAX_CONTROL_SEALED

LARGEST_STEP = 8871
MESSAGES: tuple[Message, ...] = (
    RunSync(run=bytes(16), next_round=3),
    Digest(members=((bytes(32), 7),)),
    RoundRecordMessage(statement=bytes(60_000)),
)
BLOBS = {bytes([size % 251]) * 32: bytes(range(256)) * size for size in (0, 1, 40, 300)}

sides = st.sampled_from((0, 1))
places = st.integers(0, 100_000)
calms = st.sampled_from((0, 5, 15, 30))
mostly = st.sampled_from((True, True, True, False))
counts = st.one_of(st.integers(1, 40), st.integers(1, 100_000))


@dataclass(eq=False)
class Link:
    """Both ends of one connection; side 0 is the initiator."""

    ends: tuple[End, End]
    #: What each side sent: the item, and how many bytes it had sent by its end.
    said: tuple[list[tuple[object, int]], ...] = field(default_factory=lambda: ([], []))
    told: tuple[list[object], ...] = field(default_factory=lambda: ([], []))

    @classmethod
    def of(cls, initiator: Connection, responder: Connection) -> Link:
        link = cls((End(initiator, Pipe()), End(responder, Pipe())))
        link.ends[0].flush()
        return link

    def say(self, side: int, item: object) -> None:
        """Side said ``item`` and nothing else since it was flushed last."""
        self.said[side].append((item, self.ends[side].flush()))

    def arrived(self, side: int) -> list[object]:
        """What the other side said of which every byte has arrived here unchanged."""
        clean = self.ends[1 - side].out.clean
        return [item for item, end in self.said[1 - side] if end <= clean]

    def check(self) -> None:
        for side, end in enumerate(self.ends):
            way_in = self.ends[1 - side].out
            arrived = self.arrived(side)
            told = self.told[side]
            assert told == arrived[: len(told)]
            if end.open:
                assert told == arrived, "what has arrived is told"
            self._check_error(end, way_in)
            assert len(end.connection._got) <= LARGEST_STEP

    def _check_error(self, end: End, way_in: Pipe) -> None:
        ends = [event for event in end.events if isinstance(event, ConnectionClosed)]
        assert ends == end.events[-1:][: len(ends)]
        if end.error is None:
            return
        assert way_in.spoiled or way_in.ended, f"{end.error!r} without interference"
        if ends:
            assert isinstance(end.error, RecordError | TruncatedError)
            assert ends[0].code == end.error.code
        else:
            assert isinstance(end.error, HandshakeError | SilentRejectError | TruncatedError)


class Machine(RuleBasedStateMachine):
    """What both kinds of connection have in common."""

    link: Link
    max_sealed = 0

    def ready(self, side: int) -> bool:
        return self.link.ends[side].open

    def deliver(self, side: int, data: bytes) -> None:
        raise NotImplementedError

    def _arrive(self, side: int, count: int) -> None:
        self.deliver(side, self.link.ends[1 - side].out.take(count))

    # the network

    @rule(side=sides, count=counts)
    def some_bytes_arrive(self, side: int, count: int) -> None:
        self._arrive(side, count)

    @rule(side=sides)
    def everything_arrives(self, side: int) -> None:
        self._arrive(side, len(self.link.ends[1 - side].out.waiting))

    @rule()
    def everything_is_exchanged(self) -> None:
        self._settle()

    def _settle(self) -> None:
        while any(end.out.waiting for end in self.link.ends):
            for side in (0, 1):
                self._arrive(side, len(self.link.ends[1 - side].out.waiting))

    # both sides

    @rule(side=sides, token=st.binary(min_size=8, max_size=8))
    def ping(self, side: int, token: bytes) -> None:
        if self.ready(side):
            self.link.ends[side].connection.send_ping(token)
            self.pings[side].append(token)
            self.link.ends[side].flush()

    @rule(side=sides)
    def rekey(self, side: int) -> None:
        if self.ready(side):
            self.link.ends[side].connection.rekey()
            self.link.ends[side].flush()

    @precondition(lambda self: self.calm <= 0)
    @rule(side=sides, code=st.integers(0, 0xFFFF), reason=st.text(max_size=300))
    def close(self, side: int, code: int, reason: str) -> None:
        self.link.ends[side].connection.close(code, reason)
        self.link.ends[side].events += self.link.ends[side].connection.events_received()
        self.link.ends[side].flush()
        self.disturbed = True

    # what must hold

    pings: tuple[list[bytes], list[bytes]]
    disturbed = False
    #: So many steps pass before anybody closes or interferes: else nothing would ever be said.
    calm = 0

    def begin(self, link: Link, calm: int, opened: bool) -> None:
        self.link, self.calm = link, calm
        self.pings = ([], [])
        if opened:
            self._settle()

    @invariant()
    def time_passes(self) -> None:
        self.calm -= 1

    @invariant()
    def told_is_what_was_said(self) -> None:
        self.link.check()

    @invariant()
    def pings_are_answered_in_order(self) -> None:
        for side, end in enumerate(self.link.ends):
            pongs = [event.token for event in end.events if isinstance(event, PongReceived)]
            assert pongs == self.pings[side][: len(pongs)]

    @invariant()
    def memory_is_bounded(self) -> None:
        for end in self.link.ends:
            if end.open:
                held = len(end.connection._reader._buffer)
                assert held <= HEADER_SIZE + self.max_sealed

    def teardown(self) -> None:
        """On a network that did nothing, everything arrives in the end."""
        if not hasattr(self, "link"):
            return
        self._settle()
        self.link.check()
        if self.disturbed:
            return
        for side, end in enumerate(self.link.ends):
            assert end.open
            assert self.link.told[side] == [item for item, _ in self.link.said[1 - side]]
            pongs = [event.token for event in end.events if isinstance(event, PongReceived)]
            assert pongs == self.pings[side]


class ControlMachine(Machine):
    """A handshake, and messages both ways."""

    max_sealed = MAX_CONTROL_SEALED

    @initialize(calm=calms, opened=mostly)
    def dial(self, calm: int, opened: bool) -> None:
        self.unread: tuple[list[int], list[int]] = ([], [])
        link = Link.of(
            Connection.dial(endpoint("alice"), identity("bob").node_id),
            Connection.accept(endpoint("bob"), {}, None),
        )
        self.begin(link, calm, opened)

    def deliver(self, side: int, data: bytes) -> None:
        self.note(side, self.link.ends[side].hear(data))

    def note(self, side: int, events: Iterable[object]) -> None:
        for event in events:
            if isinstance(event, MessageReceived):
                self.link.told[side].append(event.message)
                self.unread[side].append(event.size)

    @rule(side=sides, message=st.sampled_from(MESSAGES))
    def send(self, side: int, message: Message) -> None:
        if not self.ready(side):
            return
        connection = self.link.ends[side].connection
        if connection.can_send(message):
            connection.send_message(message)
            self.link.say(side, message)
        else:
            with pytest.raises(LocalProtocolError):
                connection.send_message(message)
            assert connection.data_to_send() == []

    @rule(side=sides, count=st.integers(1, 6))
    def send_as_much_as_fits(self, side: int, count: int) -> None:
        for _ in range(count):
            self.send(side, MESSAGES[-1])

    @rule(side=sides)
    def read_one(self, side: int) -> None:
        if self.ready(side) and self.unread[side]:
            self.link.ends[side].connection.consumed(self.unread[side].pop(0))
            self.link.ends[side].flush()

    @rule(side=sides)
    def read_all(self, side: int) -> None:
        while self.ready(side) and self.unread[side]:
            self.read_one(side)

    def teardown(self) -> None:
        """Whoever's messages were all read may send the largest one."""
        super().teardown()
        if hasattr(self, "link") and not self.disturbed:
            for side in (0, 1):
                self.read_all(side)
            self._settle()
            rooms = [end.connection.message_credit for end in self.link.ends]
            assert min(rooms) >= CODE_BYTES + MAX_MESSAGE_BYTES

    @invariant()
    def credit_is_kept(self) -> None:
        assert all(sum(sizes) <= INITIAL_CREDIT for sizes in self.unread)

    @invariant()
    def both_agree_on_the_session(self) -> None:
        here, there = (end.connection.session for end in self.link.ends)
        for end in self.link.ends:
            opened = [event for event in end.events if isinstance(event, SessionEstablished)]
            assert len(opened) == (end.connection.session is not None)
        if here and there:
            assert here.session_id == there.session_id
            assert here.exporter(b"x", 32) == there.exporter(b"x", 32)
            assert (here.initiator, there.initiator) == (True, False)
        if here:
            assert here.node_id == identity("bob").node_id
        if there:
            assert there.node_id == identity("alice").node_id


@dataclass(eq=False)
class Stream:
    """A blob on its way: ``at`` is the next offset, ``limit`` how far it may go."""

    blob: bytes
    at: int
    limit: int


class BulkMachine(Machine):
    """A join, and blobs both ways."""

    max_sealed = MAX_BULK_SEALED

    @initialize(calm=calms, opened=mostly)
    def dial(self, calm: int, opened: bool) -> None:
        self.fetches: tuple[dict[int, Stream], ...] = ({}, {})
        self.supplies: tuple[dict[int, Stream], ...] = ({}, {})
        secrets = [
            BulkSecret(bytes(16), 0x0101, initiator, bytes(48)) for initiator in (True, False)
        ]
        link = Link.of(
            Connection.dial_bulk(secrets[0]),
            Connection.accept(endpoint("bob"), {bytes(16): secrets[1]}, None),
        )
        self.begin(link, calm, opened)

    def deliver(self, side: int, data: bytes) -> None:
        self.note(side, self.link.ends[side].hear(data))

    def note(self, side: int, events: Iterable[object]) -> None:
        for event in events:
            match event:
                case StreamRequested(stream, blob, offset, limit):
                    self.supplies[side][stream] = Stream(BLOBS[blob], offset, limit)
                    self.link.told[side].append(("get", stream, blob, offset, limit))
                case ChunkReceived(stream, offset, data, last):
                    self._chunk(side, stream, offset, bytes(data), last)
                case StreamCreditGranted(stream, limit):
                    self.supplies[side][stream].limit = limit
                case StreamReset(stream):
                    self.fetches[side].pop(stream, None)
                    self.supplies[side].pop(stream, None)

    def _chunk(self, side: int, stream: int, offset: int, data: bytes, last: bool) -> None:
        fetch = self.fetches[side][stream]
        assert offset == fetch.at
        fetch.at += len(data)
        assert fetch.at <= fetch.limit, "no more comes than was granted"
        assert data == fetch.blob[offset : fetch.at], "what comes is what the blob holds there"
        if last:
            assert fetch.at == len(fetch.blob)
            del self.fetches[side][stream]

    @rule(side=sides, blob=st.sampled_from(sorted(BLOBS)), start=places, room=counts)
    def get(self, side: int, blob: bytes, start: int, room: int) -> None:
        end = self.link.ends[side]
        if not end.open:
            return
        stream = end.connection.next_stream
        offset = start % (len(BLOBS[blob]) + 1)
        if not end.connection.streams_available:
            with pytest.raises(LocalProtocolError):
                end.connection.send_get(stream, blob, offset, offset + room)
            return
        end.connection.send_get(stream, blob, offset, offset + room)
        self.fetches[side][stream] = Stream(BLOBS[blob], offset, offset + room)
        self.link.say(side, ("get", stream, blob, offset, offset + room))

    @rule(side=sides, which=places, size=st.integers(1, MAX_CHUNK))
    def supply(self, side: int, which: int, size: int) -> None:
        end, supplies = self.link.ends[side], self.supplies[side]
        if not end.open or not supplies:
            return
        stream = sorted(supplies)[which % len(supplies)]
        supply = supplies[stream]
        data = supply.blob[supply.at : min(supply.at + size, supply.limit)]
        last = supply.at + len(data) == len(supply.blob)
        if not data and not last:
            with pytest.raises(LocalProtocolError):
                end.connection.send_chunk(stream, supply.at, b"x", last=False)
            return
        end.connection.send_chunk(stream, supply.at, data, last=last)
        supply.at += len(data)
        end.flush()
        if last:
            del supplies[stream]

    @rule(side=sides, which=places, room=counts)
    def grant(self, side: int, which: int, room: int) -> None:
        end, fetches = self.link.ends[side], self.fetches[side]
        if end.open and fetches:
            stream = sorted(fetches)[which % len(fetches)]
            fetches[stream].limit += room
            end.connection.send_credit(stream, fetches[stream].limit)
            end.flush()

    @rule(side=sides, which=places, own=st.booleans())
    def give_up(self, side: int, which: int, own: bool) -> None:
        end, streams = self.link.ends[side], (self.fetches if own else self.supplies)[side]
        if end.open and streams:
            stream = sorted(streams)[which % len(streams)]
            end.connection.send_reset(stream, 6)
            del streams[stream]
            end.flush()

    @invariant()
    def both_agree_on_the_session(self) -> None:
        for end in self.link.ends:
            joined = [event for event in end.events if isinstance(event, BulkJoined)]
            assert joined in ([], [BulkJoined(bytes(16))])


class Adversary(Machine):
    """Does what it likes to the bytes that wait."""

    def _holds(self, side: int) -> Pipe | None:
        pipe = self.link.ends[side].out
        return pipe if pipe.waiting else None

    @precondition(lambda self: self.calm <= 0)
    @rule(side=sides, at=places, mask=st.integers(1, 255))
    def flip(self, side: int, at: int, mask: int) -> None:
        if pipe := self._holds(side):
            pipe.flip(at, mask)
            self.disturbed = True

    @precondition(lambda self: self.calm <= 0)
    @rule(side=sides, at=places, count=counts)
    def drop(self, side: int, at: int, count: int) -> None:
        if pipe := self._holds(side):
            pipe.drop(at, count)
            self.disturbed = True

    @precondition(lambda self: self.calm <= 0)
    @rule(side=sides, at=places, count=counts)
    def double(self, side: int, at: int, count: int) -> None:
        if pipe := self._holds(side):
            pipe.double(at, count)
            self.disturbed = True

    @precondition(lambda self: self.calm <= 0)
    @rule(side=sides, at=places, count=counts)
    def reorder(self, side: int, at: int, count: int) -> None:
        if pipe := self._holds(side):
            pipe.swap(at, count)
            self.disturbed = True

    @precondition(lambda self: self.calm <= 0)
    @rule(side=sides, at=places, data=st.binary(min_size=1, max_size=50))
    def insert(self, side: int, at: int, data: bytes) -> None:
        if pipe := self._holds(side):
            pipe.insert(at, data)
            self.disturbed = True

    @precondition(lambda self: self.calm <= 0)
    @rule(side=sides)
    def truncate(self, side: int) -> None:
        self.link.ends[side].out.end()
        receiver = self.link.ends[1 - side]
        was_closed = receiver.closed
        receiver.hear_end()
        assert receiver.closed
        assert was_closed or isinstance(receiver.error, TruncatedError)
        self.disturbed = True


class AttackedControlMachine(ControlMachine, Adversary):
    """Messages, and interference at any time."""


class AttackedBulkMachine(BulkMachine, Adversary):
    """Blobs, and interference at any time."""


TestControlInPeace = ControlMachine.TestCase
TestControlUnderAttack = AttackedControlMachine.TestCase
TestBulkInPeace = BulkMachine.TestCase
TestBulkUnderAttack = AttackedBulkMachine.TestCase
