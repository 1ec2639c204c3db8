"""What systemd is told: readiness, status, stopping, and that we are alive (sd_notify(3)).

Without ``NOTIFY_SOCKET`` every function does nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket


def ready() -> None:
    """The daemon is up."""
    _send("READY=1")


def stopping() -> None:
    """The daemon has begun to stop."""
    _send("STOPPING=1")


def status(text: str) -> None:
    """One line for ``systemctl status``."""
    _send(f"STATUS={' '.join(text.splitlines())}")


def watchdog() -> None:
    """The event loop turns."""
    _send("WATCHDOG=1")


def watchdog_interval() -> float | None:
    """How often systemd expects `watchdog`, in seconds; None when it does not watch us."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    # Zero is no interval (sd_watchdog_enabled(3)).
    return int(microseconds) / 1e6 or None if ours and microseconds.isdecimal() else None


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # "@" stands for the NUL byte of an abstract socket's name. A manager that is gone is no reason
    # for the daemon to fail.
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
    ):
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(message.encode())
