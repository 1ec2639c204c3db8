"""The keystore's passphrase, as it reaches the daemon: by a descriptor or by the environment.

Neither leaves a trace once it has been read. A variable would leave one: ``os.environ`` forgets it,
but the kernel goes on showing the block of memory that the process started with, in
``/proc/PID/environ``. So the variable's value is overwritten where it lies.
"""

from __future__ import annotations

import ctypes
import os

from qrfld.errors import UsageError

VARIABLE = "QRFLD_PASSPHRASE"
MOST_BYTES = 4096


def passphrase(descriptor: int | None) -> str | None:
    """The passphrase from ``descriptor``, else from the environment, which then forgets it.

    Raises UsageError when the descriptor cannot be read.
    """
    given = _take_variable()
    if descriptor is None:
        return given
    try:
        with os.fdopen(descriptor, "rb") as pipe:
            data = pipe.read(MOST_BYTES)
    except OSError as error:
        raise UsageError(
            f"--passphrase-fd {descriptor} cannot be read: {error.strerror}",
            hint="give the number of a descriptor that is open for reading",
        ) from error
    return data.decode("utf-8", "surrogateescape").rstrip("\n")


def _take_variable() -> str | None:
    given = os.environ.get(VARIABLE)
    if given is None:
        return None
    find = ctypes.CDLL(None).getenv
    find.restype = ctypes.c_void_p
    if (place := find(VARIABLE.encode())) is not None:
        ctypes.memset(place, 0, len(os.fsencode(given)))
    del os.environ[VARIABLE]
    return given
