"""The database file: opened with care, used by one thread, closed for good.

SQLite in WAL mode with ``synchronous=FULL``: a transaction that has returned is on the disk. All
work runs on one executor thread, so the event loop never waits for an fsync, transactions never
overlap, and no second connection can hold a lock. Each piece of work is one transaction: it
happens whole or not at all, also when its caller is cancelled.

A file that is not fit for use is never written to. It is first opened read-only and checked: ours,
not newer than we are, and sound (``PRAGMA quick_check``).
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

from qrfld.store.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseLockedError,
    DatabaseMissingError,
    DatabaseNewerError,
    DiskFullError,
    StoreClosedError,
    StoreError,
)
from qrfld.store.migrations import APPLICATION_ID, MIGRATIONS, migrate

# How long a backup program may hold the file before we say so.
BUSY_SECONDS = 5.0

# How every SQLite file begins (sqlite.org/fileformat2.html, 1.3).
_MAGIC = b"SQLite format 3\0"

_Result = TypeVar("_Result")
_RESTORE = "restore it from a backup, or move it away and join again"


class Engine:
    """One open database and its thread. Made by ``open``."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, executor: ThreadPoolExecutor
    ) -> None:
        self._path = path
        self._connection = connection
        self._executor = executor
        self._closed = False

    @classmethod
    async def open(
        cls, path: Path, *, create: bool = False, busy_seconds: float = BUSY_SECONDS
    ) -> Self:
        """Open the database ``path``, bring its tables up to date and return it.

        Without ``create`` a missing or empty file is an error: a lost database must not be replaced
        by a fresh one silently. Raises the ``DatabaseError`` family or ``DiskFullError``.
        """
        executor = ThreadPoolExecutor(1, "qrfld-database")
        opening = executor.submit(_open, path, create, busy_seconds)
        try:
            connection = await asyncio.wrap_future(opening)
        except BaseException:
            executor.shutdown(wait=False)
            raise
        return cls(path, connection, executor)

    async def transaction(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run ``work`` as one transaction on the database's thread and return its result.

        Raises what ``work`` raises, with SQLite's errors as ours; then nothing has changed.
        """
        try:
            future = self._executor.submit(self._run, work)
        except RuntimeError as error:
            raise StoreClosedError("the database has been closed") from error
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish the work at hand and close the file; may be called twice, from any thread.

        For the handler of SIGTERM too, installed with ``loop.add_signal_handler``: it needs no
        running loop and waits only for transactions already begun or queued.
        """
        if self._closed:
            return
        self._closed = True
        self._executor.submit(self._connection.close)
        self._executor.shutdown(wait=True)

    async def aclose(self) -> None:
        """``close`` without holding up the loop."""
        await asyncio.to_thread(self.close)

    def _run(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        connection = self._connection
        with named_errors(self._path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors (a full disk is one).
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        return result


def _open(path: Path, create: bool, busy_seconds: float) -> sqlite3.Connection:
    with named_errors(path):
        new = not path.exists()
        filled = not new and path.stat().st_size > 0 and _examine(path, busy_seconds)
        if not filled and not create:
            raise DatabaseMissingError(
                f"the database {path} {'does not exist' if new else 'is empty'}",
                hint="`qrfl init` or `qrfl join` makes one",
            )
        try:
            # Made by us, so that it is private from its first byte on.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            return _prepare(_connect(path, "rw", busy_seconds))
        except BaseException:
            if new:
                for part in ("", "-wal", "-shm"):
                    path.with_name(path.name + part).unlink(missing_ok=True)
            raise


def _prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path, mode: str, busy_seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,  # transactions are ours to begin and end
        check_same_thread=False,  # one at a time, which the executor sees to
    )


def _examine(path: Path, busy_seconds: float) -> bool:
    """Refuse a file that is not fit for use; return whether it holds tables."""
    # SQLite takes a file of a few bytes for an empty one and would write over it.
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise DatabaseCorruptError(f"{path} is not a database", hint=_RESTORE)
    # Reading a file in WAL mode makes two more beside it, which an error would leave there. Without
    # a log the file is all there is, and SQLite may take it as unchanging.
    logged = path.with_name(f"{path.name}-wal").exists()
    mode = "ro" if logged else "ro&immutable=1"
    with closing(_connect(path, mode, busy_seconds)) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and (tables or version):
            raise DatabaseCorruptError(f"{path} is a database of another program", hint=_RESTORE)
        if version > len(MIGRATIONS):
            raise DatabaseNewerError(
                f"the database {path} has version {version}, this qrfld knows {len(MIGRATIONS)}",
                hint="a newer qrfld wrote it; install that version again",
            )
        (verdict, *_), *_ = connection.execute("PRAGMA quick_check(1)").fetchall()
        if verdict != "ok":
            reason = " ".join(verdict.split())
            raise DatabaseCorruptError(f"the database {path} is damaged: {reason}", hint=_RESTORE)
        return bool(tables)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into ours."""
    what = f"the database {path}"
    try:
        yield
    except sqlite3.Error as error:
        raise _named(error, what) from error
    except UnicodeDecodeError as error:
        # SQLite does not check that its text is UTF-8; damaged text shows up here.
        raise DatabaseCorruptError(f"{what} is damaged: {error.reason}", hint=_RESTORE) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(f"the disk that holds {what} is full", hint="make room") from error
        raise DatabaseError(f"cannot open {what}: {error.strerror}") from error


def _named(error: sqlite3.Error, what: str) -> StoreError:
    # The low byte is the primary result code (sqlite.org/rescode.html).
    extended = getattr(error, "sqlite_errorcode", None) or 0
    # No room for the index of the log is reported as a fault of the disk.
    full = extended == sqlite3.SQLITE_IOERR_SHMSIZE
    match sqlite3.SQLITE_FULL if full else extended & 0xFF:
        case sqlite3.SQLITE_FULL:
            return DiskFullError(f"the disk that holds {what} is full", hint="make room")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return DatabaseCorruptError(f"{what} is damaged: {error}", hint=_RESTORE)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return DatabaseLockedError(
                f"{what} is held by another program", hint="end that program and try again"
            )
        case sqlite3.SQLITE_IOERR:
            return DatabaseError(
                f"{what} cannot be used: {error}", hint="is the disk, or a quota, full or failing?"
            )
        case _:
            return DatabaseError(f"{what} cannot be used: {error}")
