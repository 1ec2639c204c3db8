"""A process on a real pseudo-terminal, and what it has drawn so far."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

PATIENCE = 30.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """``python -m qrfld.cli ARGUMENTS`` on a terminal of 80 by 24."""

    def __init__(self, arguments: Sequence[str], *, columns: int = 80, rows: int = 24) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qrfld.cli", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(slave)
        self.raw = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def until(self, text: str) -> str:
        """Read until ``text`` has been drawn after what was read before; returns all new text."""
        fresh = ""
        deadline = time.monotonic() + PATIENCE
        while text not in (plain := _CONTROL.sub("", fresh)):
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} was not drawn: {plain!r}")
            if select.select([self._master], [], [], 1.0)[0]:
                fresh += os.read(self._master, 65536).decode(errors="replace")
        self.raw += fresh
        return plain

    def type(self, text: str) -> None:
        """Type ``text``."""
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Read to the end; returns the exit code."""
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the process has closed its terminal
                return self.process.wait(PATIENCE)
            self.raw += data.decode(errors="replace")

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        self.type("\x03")
        return self.end()
