"""A disk of two megabytes, to fill up."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

SIZE = 2 << 20
PAGE = 4096


class SmallDisk:
    """A mounted tmpfs; one file of it is there to take the room away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    @classmethod
    @contextlib.contextmanager
    def mounted(cls) -> Iterator[Self]:
        """Mount one; the test is skipped where that is not permitted."""
        with tempfile.TemporaryDirectory() as directory:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "qrfld-test", directory]
            if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
                pytest.skip("no permission to mount a tmpfs")
            try:
                yield cls(Path(directory))
            finally:
                subprocess.run(["umount", "--lazy", directory], check=True)

    def leave(self, pages: int) -> None:
        """Fill the disk up to the last ``pages`` of 4 KiB."""
        self._filler.unlink(missing_ok=True)
        room = os.statvfs(self.path)
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, (room.f_bavail - pages) * PAGE or 1)

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)
