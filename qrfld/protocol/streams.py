"""Streams of a bulk connection: who asked for which blob, and how far it may be sent.

Blobs are pulled. A *fetch* is a stream that we asked for, a *supply* one that the peer asked for.
The requester chooses the number: the session's initiator odd ones from 1, its responder even ones
from 2, each strictly higher than all before, so that a number means one stream for ever.

A stream ends with its last CHUNK or with a RESET of either side. The supplier answers a RESET of an
open stream with a RESET; until that or the last CHUNK comes, the requester drops what was on its
way. Frames that cross in this manner are no errors; frames for streams that never were, are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qrfld.protocol.errors import (
    CreditError,
    LocalProtocolError,
    StreamError,
    TooManyStreamsError,
)
from qrfld.protocol.frames import MAX_CHUNK, MAX_OFFSET, Chunk, Get

MAX_STREAMS: Final = 8
MAX_STREAM: Final = (1 << 32) - 1


@dataclass
class _Progress:
    """``at``: offset of the next byte; ``limit``: how far it may go."""

    at: int
    limit: int


class Fetches:
    """Streams that we asked for."""

    def __init__(self, *, initiator: bool) -> None:
        self._open: dict[int, _Progress] = {}
        self._dropped: dict[int, _Progress] = {}
        self._first = 1 if initiator else 2
        self._newest = self._first - 2

    @property
    def next_stream(self) -> int:
        """The next number that may be asked for."""
        return self._newest + 2

    @property
    def room(self) -> int:
        """How many more may be open."""
        return MAX_STREAMS - len(self._open)

    def ours(self, stream: int) -> bool:
        """Whether a stream of this number is or was asked for by us."""
        return stream % 2 == self._first % 2 and 0 < stream <= self._newest

    def get(self, frame: Get) -> None:
        """We ask; LocalProtocolError for a wrong number, bounds or too many."""
        if frame.stream % 2 != self._first % 2 or not self._newest < frame.stream <= MAX_STREAM:
            raise LocalProtocolError(
                f"stream {frame.stream} is not ours to open: the next is {self.next_stream}"
            )
        if not 0 <= frame.offset <= frame.limit <= MAX_OFFSET:
            raise LocalProtocolError(f"a request from {frame.offset} up to {frame.limit}")
        if not self.room:
            raise LocalProtocolError(f"{MAX_STREAMS} streams are open already")
        self._newest = frame.stream
        self._open[frame.stream] = _Progress(frame.offset, frame.limit)

    def credit(self, stream: int, limit: int) -> bool:
        """We grant more; False if the stream has ended and there is nothing to say."""
        progress = self._open.get(stream)
        if progress is None:
            return False
        if not progress.limit <= limit <= MAX_OFFSET:
            raise LocalProtocolError(f"stream {stream} was granted {progress.limit}, not {limit}")
        progress.limit = limit
        return True

    def cancel(self, stream: int) -> bool:
        """We want no more of it; False if it has ended already."""
        progress = self._open.pop(stream, None)
        if progress is None:
            return False
        self._dropped[stream] = progress
        return True

    def chunk(self, frame: Chunk) -> bool:
        """A chunk came; whether anybody still wants it. StreamError, CreditError."""
        wanted = self._open.get(frame.stream)
        progress = wanted or self._dropped.get(frame.stream)
        if progress is None:
            raise StreamError(f"a CHUNK for stream {frame.stream}, which is not open")
        end = frame.offset + len(frame.data)
        if frame.offset != progress.at:
            raise StreamError(f"stream {frame.stream} goes on at {frame.offset}, not {progress.at}")
        if end > progress.limit:
            raise CreditError(f"stream {frame.stream} reaches {end}, granted {progress.limit}")
        progress.at = end
        if frame.last:
            self._forget(frame.stream)
        return wanted is not None

    def reset(self, stream: int) -> bool:
        """The supplier ended it; whether anybody still waited for it."""
        waited = stream in self._open
        self._forget(stream)
        return waited

    def _forget(self, stream: int) -> None:
        self._open.pop(stream, None)
        self._dropped.pop(stream, None)


class Supplies:
    """Streams that the peer asked for."""

    def __init__(self, *, initiator: bool) -> None:
        self._open: dict[int, _Progress] = {}
        self._first = 2 if initiator else 1
        self._newest = self._first - 2

    def theirs(self, stream: int) -> bool:
        """Whether a stream of this number is or was asked for by the peer."""
        return stream % 2 == self._first % 2 and 0 < stream <= self._newest

    def get(self, frame: Get) -> None:
        """The peer asks. StreamError for a wrong number, TooManyStreamsError."""
        if frame.stream % 2 != self._first % 2 or frame.stream <= self._newest:
            raise StreamError(f"stream {frame.stream} is not the peer's to open now")
        if len(self._open) >= MAX_STREAMS:
            raise TooManyStreamsError(f"the peer asks for more than {MAX_STREAMS} blobs at once")
        self._newest = frame.stream
        self._open[frame.stream] = _Progress(frame.offset, frame.limit)

    def credit(self, stream: int, limit: int) -> bool:
        """The peer grants more; False if the stream has ended. StreamError, CreditError."""
        progress = self._open.get(stream)
        if progress is None:
            if self.theirs(stream):
                return False
            raise StreamError(f"a STREAM_CREDIT for stream {stream}, which never was")
        if limit < progress.limit:
            raise CreditError(f"stream {stream}: the grant went from {progress.limit} to {limit}")
        progress.limit = limit
        return True

    def chunk(self, frame: Chunk) -> None:
        """We send a chunk; LocalProtocolError out of order, beyond the credit or not open."""
        progress = self._open.get(frame.stream)
        if progress is None:
            raise LocalProtocolError(f"stream {frame.stream} is not open")
        size = memoryview(frame.data).nbytes
        if frame.offset != progress.at:
            raise LocalProtocolError(
                f"stream {frame.stream} goes on at {progress.at}, not {frame.offset}"
            )
        if size > MAX_CHUNK or not (size or frame.last):
            raise LocalProtocolError(f"a chunk of {size} bytes")
        if frame.offset + size > progress.limit:
            raise LocalProtocolError(
                f"stream {frame.stream} may go up to {progress.limit}, not {frame.offset + size}"
            )
        progress.at += size
        if frame.last:
            del self._open[frame.stream]

    def end(self, stream: int) -> bool:
        """Either side ends it; whether it was open."""
        return self._open.pop(stream, None) is not None
