"""Files that hold secrets: written whole or not at all, read only if nobody else can.

Writing: a temporary file in the same directory, mode 0600 from its first moment, is filled, flushed
to disk and then *linked* to its name, which fails if the name exists (a rename would replace it);
then the directory is flushed. A crash leaves the old state or the new one.

Reading: the file is opened once and judged by that one descriptor: a regular file, ours, closed to
group and others, no link at its end, and not larger than it may be.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from qrfld.crypto.errors import KeystoreError


def write_private(path: Path, data: bytes) -> None:
    """Write a new file with mode 0600; KeystoreError if `path` exists or cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        try:
            _write_flushed(temporary, data)
            os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _flush_directory(path.parent)
    except FileExistsError:
        raise KeystoreError(
            f"{path} exists already", hint="qrfld never overwrites a key; move it away first"
        ) from None
    except OSError as error:
        raise KeystoreError(f"cannot write {path}: {error.strerror}") from error


def read_private(path: Path, *, max_bytes: int, ours_only: bool = True) -> bytes:
    """The content of a secret file of at most `max_bytes`.

    KeystoreError if it is missing, not a regular file, or too large; with `ours_only` also if it
    belongs to another user, or group or others have any right to it.
    """
    # Without O_NONBLOCK a FIFO in the file's place would hold the daemon for ever. Secrets that an
    # orchestrator mounts are often links.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if ours_only else 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise KeystoreError(f"cannot open {path}: {error.strerror}") from error
    try:
        _judge(path, os.fstat(descriptor), max_bytes, ours_only)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise KeystoreError(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise _too_large(path, len(data), max_bytes)
    return data


def _judge(path: Path, status: os.stat_result, max_bytes: int, ours_only: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeystoreError(f"{path} is not a regular file")
    if status.st_size > max_bytes:
        raise _too_large(path, status.st_size, max_bytes)
    if not ours_only:
        return
    if status.st_uid != os.geteuid():
        raise KeystoreError(
            f"{path} belongs to user {status.st_uid}, not to user {os.geteuid()}",
            hint=f"run as its owner, or chown {path}",
        )
    if status.st_mode & 0o077:
        raise KeystoreError(
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}: others can reach it",
            hint=f"chmod 600 {path}, and consider its key known",
        )


def _too_large(path: Path, size: int, max_bytes: int) -> KeystoreError:
    return KeystoreError(f"{path} has {size} bytes or more; at most {max_bytes} are expected")


def _write_flushed(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
