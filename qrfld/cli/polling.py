"""Asking the daemon again and again.

A daemon that goes away does not end a screen: it says so, and goes on when the daemon is back. One
that was never there does, with exit code 3, as for any other command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from qrfld.cli.session import Answer
from qrfld.errors import DaemonNotRunningError

POLL_SECONDS: Final = 0.5


def polls(ask: Callable[[], Answer]) -> Iterator[Answer | None]:
    """What ``ask`` returns, twice a second without end; None while the daemon does not run."""
    latest: Answer | None = ask()
    while True:
        yield latest
        time.sleep(POLL_SECONDS)
        try:
            latest = ask()
        except DaemonNotRunningError:
            latest = None
