"""Tell glibc to keep the memory that records come and go in.

A transfer makes and frees buffers of some hundred KiB, several for each record. By its own rules
glibc gives such memory back to the kernel as soon as it is free, and every page of the next buffer
costs a fault: more than sealing what it holds.
"""

from __future__ import annotations

import ctypes
from typing import Final

#: mallopt(3): parameters, and their values in bytes.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
KEPT: Final = 16 * 1024 * 1024
LARGEST: Final = 4 * 1024 * 1024


def keep_freed_memory() -> None:
    """Keep up to ``KEPT`` freed bytes for buffers up to ``LARGEST``; nothing without glibc."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, LARGEST)
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT)
