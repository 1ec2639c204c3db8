"""The exception tree that every floor shares.

Every error a user can meet says three things: what happened, the value that caused it, and what to
do. Its class gives the exit code of the command line and, in kebab case, the stable name that
``--json``, the control socket and the logs carry.

    QrfldError                      1
    ├── UsageError                  2   the command line or an argument is wrong
    ├── DaemonNotRunningError       3   nothing answers on the control socket
    ├── ConfigError                 4   the configuration file or environment is wrong
    └── IdentityError               5   identity, keystore, token or admission

Rooms derive their own errors from these in their own ``errors.py``.
"""

from __future__ import annotations

import re
from typing import ClassVar


class QrfldError(Exception):
    """Base of all errors that qrfld raises on purpose.

    ``message`` says what happened and contains the offending value; ``hint`` says what to do.
    """

    exit_code: ClassVar[int] = 1
    name: ClassVar[str] = "qrfld"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        stem = cls.__name__.removesuffix("Error")
        cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", stem).lower()

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(QrfldError):
    """An argument is wrong."""

    exit_code = 2


class DaemonNotRunningError(QrfldError):
    """Nothing answers on the control socket."""

    exit_code = 3


class ConfigError(QrfldError):
    """The configuration is wrong."""

    exit_code = 4


class IdentityError(QrfldError):
    """Identity, keystore, token or admission is wrong."""

    exit_code = 5
