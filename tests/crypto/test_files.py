from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from qrfld.crypto import files
from qrfld.crypto.errors import KeystoreError


def test_written_file_is_private_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    previous = os.umask(0)
    try:
        files.write_private(path, b"data")
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1
    assert files.read_private(path, max_bytes=4) == b"data"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_existing_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    with pytest.raises(KeystoreError, match="exists already"):
        files.write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_dangling_link_is_never_written_through(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeystoreError, match="exists already"):
        files.write_private(path, b"new")
    assert not (tmp_path / "elsewhere").exists()


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeystoreError, match="No space left"):
        files.write_private(tmp_path / "secret", b"data")
    assert list(tmp_path.iterdir()) == []


def test_missing_directory_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="No such file or directory"):
        files.write_private(tmp_path / "no" / "secret", b"data")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o777])
def test_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"data")
    path.chmod(mode)
    with pytest.raises(KeystoreError, match=f"mode {mode:04o}"):
        files.read_private(path, max_bytes=10)
    assert files.read_private(path, max_bytes=10, ours_only=False) == b"data"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_file_closed_to_others_is_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"data")
    path.chmod(mode)
    assert files.read_private(path, max_bytes=10) == b"data"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    files.write_private(path, b"data")
    os.chown(path, 12345, -1)
    with pytest.raises(KeystoreError, match="belongs to user 12345"):
        files.read_private(path, max_bytes=10)


def test_missing_file_link_directory_and_fifo_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"data")
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "directory").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("missing", "link", "directory", "fifo"):
        with pytest.raises(KeystoreError, match=name):
            files.read_private(tmp_path / name, max_bytes=10)
    assert files.read_private(tmp_path / "link", max_bytes=10, ours_only=False) == b"data"


def test_larger_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    files.write_private(path, b"")
    os.truncate(path, 1 << 40)
    with pytest.raises(KeystoreError, match="at most 10"):
        files.read_private(path, max_bytes=10)


def test_file_that_grows_while_it_is_read_is_refused() -> None:
    # /dev/zero is no regular file, but a /proc file is one that claims 0 bytes and has more.
    with pytest.raises(KeystoreError, match="at most 10"):
        files.read_private(Path("/proc/self/maps"), max_bytes=10, ours_only=False)
