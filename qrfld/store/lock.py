"""One daemon per state directory.

An advisory lock (flock(2)) on a file: the kernel drops it when the process ends, however it ends,
so there is never a stale one to clean up. The file itself stays; it holds the owner's process id
for whoever looks.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from qrfld.store.errors import AlreadyRunningError, StoreError


class InstanceLock:
    """The lock on the file ``path``; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises ``AlreadyRunningError`` or ``StoreError``, at once."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise StoreError(f"cannot open the lock {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise AlreadyRunningError(
                f"another daemon (process {owner or 'unknown'}) works in {self._path.parent}",
                hint="`qrfl down` stops it; --home chooses another directory",
            ) from error
        self._descriptor = descriptor
        self._note_owner(descriptor)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _note_owner(self, descriptor: int) -> None:
        # For people; on a full disk the lock holds all the same.
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            return

    def __enter__(self) -> InstanceLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.release()
