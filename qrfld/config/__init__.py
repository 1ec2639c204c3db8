"""The daemon's settings: one schema, three file formats, environment overrides, exact errors.

``schema`` says what there is; ``documents`` turns a file into plain values and knows their lines;
``loading`` brings both together with the environment; ``rendering`` writes the commented template.
"""

from qrfld.config.addresses import parse_address, parse_peer
from qrfld.config.errors import (
    ConfigFileError,
    ConfigValueError,
    DuplicateKeyError,
    UnknownKeyError,
)
from qrfld.config.loading import load
from qrfld.config.rendering import render_default
from qrfld.config.schema import (
    Bootstrap,
    Config,
    Crypto,
    Lab,
    Limits,
    Listen,
    Log,
    Node,
    WorkerSettings,
)

__all__ = [
    "Bootstrap",
    "Config",
    "ConfigFileError",
    "ConfigValueError",
    "Crypto",
    "DuplicateKeyError",
    "Lab",
    "Limits",
    "Listen",
    "Log",
    "Node",
    "UnknownKeyError",
    "WorkerSettings",
    "load",
    "parse_address",
    "parse_peer",
    "render_default",
]
