"""Invariant: whatever frames an authenticated peer sends on a bulk connection, each stream's chunks
are told without a gap and within the limit we granted, no more than eight of its requests are open,
and the rest is one named end; what we send keeps to the limits that the peer granted.

Input: a script of both sides' steps. The peer's frames are sealed here, so that they arrive.
"""

from __future__ import annotations

from dataclasses import dataclass

from fuzz import world
from fuzz.invariants import require
from fuzz.open_connection import Conversation
from fuzz.script import Script
from fuzz.targets.frames import examples as all_frames
from qrfld.protocol import frames
from qrfld.protocol.events import (
    ChunkReceived,
    Event,
    StreamCreditGranted,
    StreamRequested,
    StreamReset,
)
from qrfld.protocol.frames import Chunk, Frame, Get, Reset, StreamCredit
from qrfld.protocol.streams import MAX_STREAMS

SHARE = 4
MAX_LEN = 8192


@dataclass
class _Stream:
    """``at``: where the next chunk begins; ``limit``: how far it may go."""

    at: int
    limit: int


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    talk = _Bulk(script)
    while script.more and talk.open:
        talk.step()
    talk.finish()


class _Bulk(Conversation):
    """Follows the streams both ways from what is told and what is said."""

    def __init__(self, script: Script) -> None:
        initiator = bool(script.number() & 1)
        super().__init__(*world.bulk(initiator=initiator))
        self.script = script
        self.first = 1 if initiator else 2
        self.fetches: dict[int, _Stream] = {}
        self.supplies: dict[int, _Stream] = {}
        self.told = self.heard = 0

    def step(self) -> None:
        script = self.script
        match choice := script.below(16):
            case 8:
                self._ask_for(script)
            case 9:
                stream, limit = self._stream(self.first), script.number(3)
                self.ask(lambda: self.connection.send_credit(stream, limit))
            case 10:
                self._supply(script)
            case 11:
                stream, code = script.number(), script.number(2)
                self.ask(lambda: self.connection.send_reset(stream, code))
            case 12 | 13 | 14 | 15:
                self.hear(frames.encode(self._peer_frame(choice, script)), script)
            case _:
                self.both(choice, script)
        self._check()

    def _stream(self, first: int) -> int:
        return first + 2 * self.script.below(12)

    def _ask_for(self, script: Script) -> None:
        stream = self.connection.next_stream + script.below(3)
        offset = script.number(2)
        limit = offset + script.number(2) - script.number()
        self.ask(lambda: self.connection.send_get(stream, bytes(32), offset, limit))

    def _supply(self, script: Script) -> None:
        stream = self._stream(3 - self.first)
        supply = self.supplies.get(stream, _Stream(0, 0))
        offset, size = supply.at + script.below(2), script.number(2)
        last = bool(script.number() & 1)
        self.ask(lambda: self.connection.send_chunk(stream, offset, bytes(size), last=last))

    def _peer_frame(self, choice: int, script: Script) -> Frame:
        theirs, ours = self._stream(3 - self.first), self._stream(self.first)
        match choice:
            case 12:
                offset = script.number(2)
                return Get(theirs, bytes(32), offset, offset + script.number(2))
            case 13:
                fetch = self.fetches.get(ours, _Stream(0, 0))
                size = script.number(2)
                last = bool(script.number() & 1)
                return Chunk(ours, fetch.at + script.below(2), last, bytes(size))
            case 14:
                return StreamCredit(theirs, script.number(3))
            case _:
                return Reset(ours if script.number() & 1 else theirs, script.number(2))

    def _check(self) -> None:
        # What we said first: a peer's frame is heard after what we had said before.
        for frame in self.said[self.heard :]:
            self._note_said(frame)
        for event in self.events[self.told :]:
            self._note_told(event)
        self.heard, self.told = len(self.said), len(self.events)
        require(len(self.supplies) <= MAX_STREAMS, "eight requests of the peer are open")
        if self.open:
            room = MAX_STREAMS - len(self.fetches)
            require(self.connection.streams_available == room, "eight requests of ours are open")

    def _note_said(self, frame: Frame) -> None:
        match frame:
            case Get(stream, _, offset, limit):
                require(stream % 2 == self.first % 2, "our streams have our parity")
                self.fetches[stream] = _Stream(offset, limit)
            case StreamCredit(stream, limit):
                require(limit >= self.fetches[stream].limit, "our grants do not go back")
                self.fetches[stream].limit = limit
            case Chunk(stream, offset, last, data):
                supply = self.supplies[stream]
                require(offset == supply.at, "what we supply has no gap")
                supply.at += len(data)
                require(supply.at <= supply.limit, "what we supply keeps to the limit")
                if last:
                    del self.supplies[stream]
            case Reset(stream):
                self.fetches.pop(stream, None)
                self.supplies.pop(stream, None)
            case _:
                pass

    def _note_told(self, event: Event) -> None:
        match event:
            case StreamRequested(stream, _, offset, limit):
                require(stream % 2 != self.first % 2, "a peer's streams have its parity")
                require(stream not in self.supplies, "a number is one stream")
                self.supplies[stream] = _Stream(offset, limit)
            case StreamCreditGranted(stream, limit):
                self.supplies[stream].limit = limit
            case ChunkReceived(stream, offset, data, last):
                fetch = self.fetches[stream]
                require(offset == fetch.at, "what is told has no gap")
                fetch.at += len(data)
                require(fetch.at <= fetch.limit, "what is told keeps to the limit")
                if last:
                    del self.fetches[stream]
            case StreamReset(stream):
                self.fetches.pop(stream, None)
                self.supplies.pop(stream, None)
            case _:
                pass


def seeds() -> list[bytes]:
    """Frames of every type, blobs both ways, credit, resets from both sides, every limit."""
    cuts = b"\0"
    get = b"\x08\0\0\0\x01\0\0"  # up to 256
    chunk = b"\x0d\0\0\0\x40\0\0" + cuts
    last = b"\x0d\0\0\0\x40\x01\0" + cuts
    asked = b"\x0c\0\0\0\0\x01\0" + cuts
    return [
        *(b"\1" + one for one in _frames()),
        b"\1" + get + chunk * 2 + last,
        b"\1" + get + chunk * 5,
        b"\0" + get + b"\x09\0\0\x10\0" + chunk * 3 + b"\x0b\x02\0\0" + chunk + last,
        b"\0" + get + b"\x0f\0\0\1\0\5" + cuts + chunk,
        b"\0" + asked + b"\x0a\0\0\0\x40\0" * 4 + b"\x0e\0\0\0\x02\0" + cuts + b"\x0a\0\0\0\x40\1",
        b"\1" + asked + b"\x0f\0\0\0\0\6" + cuts,
        b"\1" + b"".join(b"\x0c" + bytes([n]) + b"\0\0\0\1\0" + cuts for n in range(9)),
        b"\1" + get * 9,
        b"\0\x05pingping\x04\x02pongpong" + cuts + b"\x03" + cuts + asked + b"\x07\0",
    ]


def _frames() -> list[bytes]:
    encoded = [frames.encode(frame) for _, frame in all_frames()]
    return [b"\x01" + bytes([len(data)]) + data + b"\0" for data in encoded]
