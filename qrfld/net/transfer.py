"""Blobs between peers: one side asks by hash, the other sends within the credit it is given.

The hash is the capability: a node serves any blob it holds to any admitted peer that can name it.
The receiver knows the size beforehand, so a peer can never make it hold more, and the blob becomes
visible only when size and hash are right. Disk work runs in threads; chunks in flight are bounded
by `WINDOW`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO

from qrfld.net.errors import TransferError
from qrfld.net.limits import DOWNLOADS, RateLimiter
from qrfld.net.link import Link
from qrfld.net.session import IncomingStream, OutgoingStream, Session
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.events import ChunkReceived, StreamReset
from qrfld.store.blobs import Blobs, BlobWriter
from qrfld.store.errors import StoreError

WINDOW = 8 * 1024 * 1024
CHUNK = 256 * 1024
STALL_SECONDS = 15.0


class Transfers:
    """Serves and fetches blobs; one for the whole node."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._downloads = RateLimiter(DOWNLOADS)
        self._fetching: dict[bytes, asyncio.Task[Path]] = {}

    def local(self, blob: bytes) -> Path | None:
        """Where a blob lies, None when it is not here."""
        return self._blobs.path(blob) if self._blobs.has(blob) else None

    async def fetch(self, session: Session, blob: bytes, size: int) -> Path:
        """Bring a blob of exactly ``size`` bytes here, unless it is here already.

        Raises TransferError when the peer has it not, stalls or ends, BlobMismatchError when the
        content is not what its name says, DiskFullError. Two calls for one blob share one transfer.
        """
        if (here := self.local(blob)) is not None:
            return here
        task = self._fetching.get(blob)
        if task is None:
            task = asyncio.create_task(self._fetch(session, blob, size))
            self._fetching[blob] = task
            task.add_done_callback(lambda _: self._fetching.pop(blob, None))
        return await asyncio.shield(task)

    async def _fetch(self, session: Session, blob: bytes, size: int) -> Path:
        await session.ready.wait()
        async with session.fetching:
            return await self._fetch_alone(session, blob, size)

    async def _fetch_alone(self, session: Session, blob: bytes, size: int) -> Path:
        if session.bulk is None or session.closed.is_set():
            raise TransferError(f"no bulk connection to {session.node_id.short}")
        writer = await asyncio.to_thread(self._blobs.writer, blob, size)
        stream = session.bulk.connection.next_stream
        source = session.incoming[stream] = IncomingStream()
        try:
            granted = min(size, WINDOW)
            session.bulk.connection.send_get(stream, blob, 0, granted)
            session.bulk.flush()
            await self._receive(session, stream, source, writer, size, granted)
            return await asyncio.to_thread(writer.commit)
        except BaseException:
            if session.bulk.alive:
                session.bulk.connection.send_reset(stream, ErrorCode.CANCELLED)
                session.bulk.flush()
            await asyncio.to_thread(writer.abort)
            raise
        finally:
            del session.incoming[stream]

    async def _receive(
        self,
        session: Session,
        stream: int,
        source: IncomingStream,
        writer: BlobWriter,
        size: int,
        granted: int,
    ) -> None:
        received, peer = 0, session.node_id.short
        while True:
            try:
                chunk = await asyncio.wait_for(source.queue.get(), STALL_SECONDS)
            except TimeoutError:
                raise TransferError(f"{peer} sent nothing for {STALL_SECONDS:.0f} s") from None
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
                    if last or received == size:
                        return
                    if session.bulk is not None and granted - received < WINDOW // 2:
                        granted = min(size, received + WINDOW)
                        session.bulk.connection.send_credit(stream, granted)
                        session.bulk.flush()

    async def serve(self, session: Session) -> None:
        """Answer the peer's requests until the session ends."""
        async with asyncio.TaskGroup() as group:
            while (request := await session.requests.get()) is not None:
                out = session.outgoing[request.stream]
                group.create_task(self._send(session, out))

    async def _send(self, session: Session, out: OutgoingStream) -> None:
        stream, blob = out.request.stream, out.request.blob
        try:
            now = asyncio.get_running_loop().time()
            if not self._downloads.allow(session.node_id, now):
                self._reset(session, stream, ErrorCode.RATE_LIMITED)
            elif not self._blobs.has(blob) or out.request.offset > self._blobs.size(blob):
                self._reset(session, stream, ErrorCode.NOT_FOUND)
            elif session.bulk is not None:
                with await asyncio.to_thread(self._blobs.open, blob) as file:
                    await self._send_file(session.bulk, out, file, self._blobs.size(blob))
        except (OSError, StoreError):
            self._reset(session, stream, ErrorCode.NOT_FOUND)
        finally:
            session.outgoing.pop(stream, None)

    @staticmethod
    async def _send_file(bulk: Link, out: OutgoingStream, file: BinaryIO, size: int) -> None:
        """Send from the request's offset to the end, as far and as fast as credit allows."""
        sent = out.request.offset
        await asyncio.to_thread(file.seek, sent)
        while True:
            while out.limit <= sent < size and not out.reset:
                out.changed.clear()
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
