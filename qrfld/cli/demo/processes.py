"""Processes that are not our children, known by pid and start time.

A pid alone may name another process after the first has ended; together with the time of its start
(in clock ticks since boot, field 22 of ``/proc/PID/stat``, proc_pid_stat(5)) it cannot. A process
that has ended but was not yet collected by its parent (state Z) counts as gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

POLL_SECONDS: Final = 0.05
_ENDED: Final = frozenset({"Z", "X"})


@dataclass(frozen=True)
class Process:
    """One process, for as long as it lives."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this pid now; None if there is none."""
        fields = _stat(pid)
        return None if fields is None else cls(pid, fields[19])

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        fields = _stat(self.pid)
        return fields is not None and fields[0] not in _ENDED and fields[19] == self.started

    def end(self, patience: float = 5.0) -> None:
        """Terminate it, and kill it if it is still there after ``patience`` seconds."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            self.wait(patience)

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended; False if it is still there after ``seconds``."""
        deadline = time.monotonic() + seconds
        while self.alive and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return not self.alive


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on; None without such a process."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses, and may contain anything.
    return line.rpartition(")")[2].split()
