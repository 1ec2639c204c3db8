"""What can go wrong in a run."""

from __future__ import annotations

from qrfld.errors import QrfldError, UsageError


class RunError(QrfldError):
    """A run cannot go on, or a message about it is refused."""


class RunNotFoundError(UsageError):
    """No run has this id."""


class RunRefusedError(UsageError):
    """A run cannot be started like this."""


class RecordRefusedError(RunError):
    """A round record does not continue the chain we hold."""


class UpdateRefusedError(RunError):
    """An update is not acceptable; the message says why and goes to its trainer."""


class EvaluationRefusedError(RunError):
    """Scores that cannot be counted."""


class RoundFailedError(RunError):
    """Too few usable updates and nobody left to wait for."""
