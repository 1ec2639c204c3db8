"""Free TCP ports of this machine.

They are taken from below the range that the kernel hands out by itself: otherwise one node's
outgoing connection could take the port that the next node was about to listen on.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Final

from qrfld.cli.errors import DemoError

HOST: Final = "127.0.0.1"
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_DEFAULT_START: Final = 32768
_LOWEST: Final = 10000
_TRIES: Final = 1000


def free_ports(count: int) -> list[int]:
    """``count`` different ports on the loopback address that nobody listens on. DemoError."""
    highest = max(_LOWEST + _TRIES, _first_ephemeral())
    found: list[int] = []
    for _ in range(_TRIES):
        if len(found) == count:
            return found
        port = _LOWEST + secrets.randbelow(highest - _LOWEST)
        if port not in found and _is_free(port):
            found.append(port)
    raise DemoError(
        f"found {len(found)} free ports of {count} between {_LOWEST} and {highest}",
        hint="use fewer --nodes",
    )


def _first_ephemeral() -> int:
    try:
        return int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _DEFAULT_START


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
