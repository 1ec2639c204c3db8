"""Blobs between peers: one side asks by hash, the other sends within the credit it is given.

A member reads what it was offered (`offers`), nothing else. The receiver knows the size beforehand,
so a peer can never make it hold more, and the blob becomes visible only when size and hash are
right. Disk work runs in threads; chunks in flight are bounded by `WINDOW`. A transfer lasts as long
as somebody waits for it, and only while it moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from qrfld.crypto.identity import NodeId
from qrfld.net.errors import TransferError
from qrfld.net.limits import DOWNLOADS, MISSES, RateLimiter
from qrfld.net.link import Link
from qrfld.net.session import OutgoingStream, Session
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.events import ChunkReceived, StreamReset
from qrfld.store.blobs import Blobs, BlobWriter
from qrfld.store.errors import StoreError

WINDOW = 8 * 1024 * 1024
CHUNK = 256 * 1024
#: Slower than this on the whole is no transfer but a way to keep things busy.
MIN_BYTES_PER_SECOND = 8 * 1024


@dataclass(eq=False)
class _Fetch:
    """A transfer under way and how many wait for it."""

    task: asyncio.Task[Path]
    waiting: int = 0


class Transfers:
    """Serves and fetches blobs; one for the whole node."""

    def __init__(self, blobs: Blobs, may_read: Callable[[NodeId, bytes], bool]) -> None:
        self._blobs = blobs
        self._may_read = may_read
        self._downloads = RateLimiter(DOWNLOADS)
        self._misses = RateLimiter(MISSES)
        self._fetching: dict[tuple[NodeId, bytes, int], _Fetch] = {}

    def local(self, blob: bytes) -> Path | None:
        """Where a blob lies, None when it is not here."""
        return self._blobs.path(blob) if self._blobs.has(blob) else None

    async def fetch(self, session: Session, blob: bytes, size: int) -> Path:
        """Bring a blob of exactly ``size`` bytes here, unless it is here already.

        Raises TransferError when the peer has it not, stalls or ends, BlobMismatchError when the
        content is not what its name says, DiskFullError. Two calls for one blob from one peer share
        one transfer; no peer's transfer stands in the way of another's.
        """
        if (here := self.local(blob)) is not None:
            return here
        key = (session.node_id, blob, size)
        fetch = self._fetching.get(key)
        if fetch is None:
            fetch = self._fetching[key] = _Fetch(
                asyncio.create_task(self._fetch(session, blob, size))
            )
            fetch.task.add_done_callback(lambda _: self._fetching.pop(key, None))
        fetch.waiting += 1
        try:
            return await asyncio.shield(fetch.task)
        finally:
            fetch.waiting -= 1
            if not fetch.waiting:
                fetch.task.cancel()

    async def _fetch(self, session: Session, blob: bytes, size: int) -> Path:
        await session.ready.wait()
        async with session.fetching:
            if session.bulk is None or session.closed.is_set():
                raise TransferError(f"no bulk connection to {session.node_id.short}")
            # Not in a thread: nobody would clean up behind a thread that was cancelled.
            writer = self._blobs.writer(blob, size)
            try:
                seconds = session.timing.stall + size / MIN_BYTES_PER_SECOND
                async with asyncio.timeout(seconds):
                    await self._receive(session, writer, blob, size)
                return await asyncio.to_thread(writer.commit)
            except TimeoutError:
                raise TransferError(
                    f"{session.node_id.short} did not send {size} bytes in {seconds:.0f} s"
                ) from None
            finally:
                await asyncio.shield(asyncio.to_thread(writer.abort))

    async def _receive(self, session: Session, writer: BlobWriter, blob: bytes, size: int) -> None:
        granted = min(size, WINDOW)
        stream = session.open_stream(blob, granted)
        try:
            await self._read(session, stream, writer, size, granted)
        finally:
            session.close_stream(stream)

    async def _read(
        self, session: Session, stream: int, writer: BlobWriter, size: int, granted: int
    ) -> None:
        received, peer, stall = 0, session.node_id.short, session.timing.stall
        while True:
            try:
                # Not wait_for: Python 3.11's forgets that it was cancelled when a chunk is there.
                async with asyncio.timeout(stall):
                    chunk = await session.next_chunk(stream)
            except TimeoutError:
                raise TransferError(f"{peer} sent nothing for {stall:g} s") from None
            match chunk:
                case None:
                    raise TransferError(f"the session with {peer} ended during a transfer")
                case StreamReset(code=code):
                    raise TransferError(f"{peer} does not send the blob (code {code})")
                case ChunkReceived(offset=offset, data=data, last=last):
                    if offset != received or received + len(data) > size:
                        raise TransferError(f"{peer} sent bytes {offset}+{len(data)} of {size}")
                    await asyncio.to_thread(writer.write, data)
                    received += len(data)
                    if last:
                        return
                    if received == size:
                        raise TransferError(f"the blob of {peer} has more than {size} bytes")
                    if granted < size and granted - received < WINDOW // 2:
                        granted = min(size, received + WINDOW)
                        session.grant(stream, granted)

    async def serve(self, session: Session) -> None:
        """Answer the peer's requests until the session ends."""
        async with asyncio.TaskGroup() as group:
            while (request := await session.requests.get()) is not None:
                out = session.outgoing[request.stream]
                group.create_task(self._send(session, out))

    def _may_ask(self, node: NodeId, blob: bytes, *, here: bool) -> bool:
        now = asyncio.get_running_loop().time()
        if here:
            return self._downloads.allow((node, blob), now)
        return self._misses.allow(node, now)

    async def _send(self, session: Session, out: OutgoingStream) -> None:
        stream, blob = out.request.stream, out.request.blob
        try:
            # Not found and not allowed look the same: who may not read learns nothing.
            here = (
                self._may_read(session.node_id, blob)
                and self._blobs.has(blob)
                and out.request.offset <= self._blobs.size(blob)
            )
            if not self._may_ask(session.node_id, blob, here=here):
                self._reset(session, stream, ErrorCode.RATE_LIMITED)
            elif not here:
                self._reset(session, stream, ErrorCode.NOT_FOUND)
            elif session.bulk is not None:
                with await asyncio.to_thread(self._blobs.open, blob) as file:
                    size = self._blobs.size(blob)
                    await self._send_file(session.bulk, out, file, size, session.timing.stall)
        except TimeoutError:  # an OSError too, but this one is the peer's
            self._reset(session, stream, ErrorCode.CANCELLED)
        except (OSError, StoreError):
            self._reset(session, stream, ErrorCode.NOT_FOUND)
        finally:
            session.outgoing.pop(stream, None)

    @staticmethod
    async def _send_file(
        bulk: Link, out: OutgoingStream, file: BinaryIO, size: int, stall: float
    ) -> None:
        """Send from the request's offset to the end, as far and as fast as credit allows.

        Raises TimeoutError when the peer gives no credit for ``stall`` seconds.
        """
        sent = out.request.offset
        await asyncio.to_thread(file.seek, sent)
        while True:
            while out.limit <= sent < size and not out.reset:
                out.changed.clear()
                async with asyncio.timeout(stall):
                    await out.changed.wait()
            room = min(out.limit, size) - sent
            data = await asyncio.to_thread(file.read, min(room, CHUNK))
            if out.reset or not bulk.alive:
                return
            sent += len(data)
            last = sent == size
            bulk.connection.send_chunk(out.request.stream, sent - len(data), data, last=last)
            bulk.flush()
            if last:
                return
            await bulk.drain()

    @staticmethod
    def _reset(session: Session, stream: int, code: ErrorCode) -> None:
        if session.bulk is not None and session.bulk.alive:
            session.bulk.connection.send_reset(stream, code)
            session.bulk.flush()
