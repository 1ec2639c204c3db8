"""What can go wrong on this side of the control socket."""

from __future__ import annotations

from qrfld.errors import QrfldError


class OutputExistsError(QrfldError):
    """A file that would be written stands there already."""


class OutputError(QrfldError):
    """A file cannot be written."""


class ModelNotFoundError(QrfldError):
    """The daemon has no such model."""


class ModelDamagedError(QrfldError):
    """What the daemon sent does not have the hash that names it."""


class ExportError(QrfldError):
    """The model has no form in the chosen file format."""


class RunNotFinishedError(QrfldError):
    """A run that was followed has been stopped, or has failed."""


class DemoError(QrfldError):
    """The demonstration cannot go on."""
