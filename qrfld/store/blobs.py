"""Models and updates as files named by their hash.

A blob is written in the spool, hashed on the way, flushed, renamed to its name, and the directory
flushed: whoever sees a name sees the whole content. What a crash leaves in the spool is removed at
the next start. Names are 64 hex digits made from hashes, so no name from outside becomes a path.

All methods block; the daemon calls those that touch content from threads.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from qrfld.protocol.merkle import Buffer, MerkleHasher
from qrfld.store.errors import BlobMismatchError, BlobMissingError, DiskFullError, StoreError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
READ_BYTES = 1 << 20
HASH_BYTES = 32
_NAME = re.compile(r"[0-9a-f]{64}")


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn OSErrors into DiskFullError or StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError(
                f"no room to write {path}: {error.strerror}", hint="free some space on that disk"
            ) from error
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


class Blobs:
    """The blobs of one node; ``spool_bytes`` bounds all transfers under way together."""

    def __init__(self, directory: Path, spool: Path, spool_bytes: int) -> None:
        self._directory = directory
        self._spool = spool
        self._spool_bytes = spool_bytes
        self._reserved = 0
        self._lock = threading.Lock()
        for leftover in spool.iterdir():
            if leftover.is_file():
                leftover.unlink()

    def has(self, blob: bytes) -> bool:
        """Whether a blob is here."""
        return self.path(blob).exists()

    def path(self, blob: bytes) -> Path:
        """Where a blob lies, or would."""
        if len(blob) != HASH_BYTES:
            raise StoreError(f"a blob's hash has {HASH_BYTES} bytes, not {len(blob)}")
        return self._directory / blob.hex()

    def size(self, blob: bytes) -> int:
        """A blob's size in bytes. Raises BlobMissingError."""
        try:
            return self.path(blob).stat().st_size
        except FileNotFoundError:
            raise BlobMissingError(f"blob {blob.hex()[:16]} is not here") from None

    def open(self, blob: bytes) -> BinaryIO:
        """A blob's content, for reading. Raises BlobMissingError."""
        try:
            return self.path(blob).open("rb")
        except FileNotFoundError:
            raise BlobMissingError(f"blob {blob.hex()[:16]} is not here") from None

    def remove(self, blob: bytes) -> None:
        """Remove a blob; one that is not here is no error."""
        self.path(blob).unlink(missing_ok=True)

    def names(self) -> list[bytes]:
        """The hashes of all blobs here; files of another kind are not ours to judge."""
        names = (path.name for path in self._directory.iterdir())
        return [bytes.fromhex(name) for name in names if _NAME.fullmatch(name)]

    def writer(self, blob: bytes, size: int) -> BlobWriter:
        """Begin a blob of known hash and size; what is written elsewhere stays invisible.

        Raises DiskFullError when the transfers under way leave no room in the spool's allowance.
        """
        with self._lock:
            if self._reserved + size > self._spool_bytes:
                raise DiskFullError(
                    f"{size} bytes more would exceed the spool's {self._spool_bytes}",
                    hint="raise limits.spool_bytes",
                )
            self._reserved += size
        try:
            return BlobWriter(self, blob, size, self.temporary())
        except BaseException:
            self.release(size)
            raise

    def put_bytes(self, data: Buffer) -> bytes:
        """Store bytes; returns their hash. Raises DiskFullError."""
        hasher = MerkleHasher()
        hasher.update(data)
        blob, temporary = hasher.digest(), self.temporary()
        with disk_errors(temporary):
            try:
                with temporary.open("xb") as file:
                    os.fchmod(file.fileno(), 0o600)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                self.publish(temporary, blob)
            finally:
                temporary.unlink(missing_ok=True)
        return blob

    def put_file(self, path: Path) -> bytes:
        """Move a finished file from the spool in; returns its hash. Raises DiskFullError."""
        hasher = MerkleHasher()
        with disk_errors(path), path.open("rb") as file:
            while piece := file.read(READ_BYTES):
                hasher.update(piece)
            os.fchmod(file.fileno(), 0o600)
            os.fsync(file.fileno())
            self.publish(path, hasher.digest())
        return hasher.digest()

    def temporary(self) -> Path:
        """A new name in the spool."""
        return self._spool / f"{secrets.token_hex(8)}.part"

    def publish(self, temporary: Path, blob: bytes) -> Path:
        """Give a flushed file its name."""
        target = self.path(blob)
        temporary.rename(target)
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return target

    def release(self, size: int) -> None:
        """Give a transfer's room in the spool back."""
        with self._lock:
            self._reserved -= size


class BlobWriter:
    """A blob on its way in. Ends with `commit` or `abort`."""

    def __init__(self, blobs: Blobs, blob: bytes, size: int, temporary: Path) -> None:
        self._blobs = blobs
        self._blob = blob
        self._size = size
        self._temporary = temporary
        self._hasher = MerkleHasher()
        self._done = False
        with disk_errors(temporary):
            self._file = temporary.open("xb")
            os.fchmod(self._file.fileno(), 0o600)

    def write(self, data: Buffer) -> None:
        """Append. Raises BlobMismatchError beyond the size, DiskFullError."""
        if self._hasher.length + len(data) > self._size:
            raise BlobMismatchError(f"more than the {self._size} bytes the blob should have")
        self._hasher.update(data)
        with disk_errors(self._temporary):
            self._file.write(data)

    def commit(self) -> Path:
        """Make the blob visible; returns its path. A commit that fails leaves nothing behind.

        Raises BlobMismatchError, DiskFullError.
        """
        try:
            return self._publish()
        finally:
            self.abort()

    def _publish(self) -> Path:
        if self._hasher.length != self._size:
            raise BlobMismatchError(f"{self._hasher.length} bytes came instead of {self._size}")
        if self._hasher.digest() != self._blob:
            raise BlobMismatchError(
                f"the content of blob {self._blob.hex()[:16]} is {self._hasher.digest().hex()[:16]}"
            )
        with disk_errors(self._temporary):
            self._file.flush()
            os.fsync(self._file.fileno())
            return self._blobs.publish(self._temporary, self._blob)

    def abort(self) -> None:
        """Forget what was written; after `commit` only the handle is closed."""
        if self._done:
            return
        self._done = True
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)
        self._blobs.release(self._size)
