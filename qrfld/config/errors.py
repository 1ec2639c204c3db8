"""What can be wrong with a configuration; all end in exit code 4."""

from __future__ import annotations

from qrfld.errors import ConfigError


class ConfigFileError(ConfigError):
    """The file cannot be read, or is not what its suffix says."""


class UnknownKeyError(ConfigError):
    """A section or key that does not exist; the error names the nearest that does."""


class DuplicateKeyError(ConfigError):
    """A key that is given twice."""


class ConfigValueError(ConfigError):
    """A value of the wrong type, out of its range, or at odds with another."""
