"""What applies to this node: settings, places, versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import qrfld
from qrfld.cli import text
from qrfld.cli.session import current
from qrfld.errors import DaemonNotRunningError

_LIBRARIES = ("cryptography", "liboqs-python", "numpy", "msgspec", "uvloop")


def show() -> None:
    """Show the settings in force.

    The running daemon's, else those of the file and the environment.
    """
    session = current()
    try:
        config, source = session.call("config.show")["config"], "daemon"
    except DaemonNotRunningError:
        from qrfld.config import load

        config, source = load(session.paths.config).describe(), str(session.paths.config)
    session.show({"config": config, "source": source}, _flat(config))
    session.note(f"\nfrom {source}")


def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The file. [default: this node's]")
    ] = None,
) -> None:
    """Check a configuration file.

    Together with the QRFLD_* environment variables, as the daemon would read them.
    """
    from qrfld.config import load

    path = file or current().paths.config
    config = load(path)
    warnings = config.warnings()
    lines = [f"{path}: ok", *(f"warning: {warning}" for warning in warnings)]
    answer = {"file": str(path), "ok": True, "warnings": warnings}
    current().show(answer, text.lines(lines))


def paths() -> None:
    """Show where this node keeps its things."""
    places = current().paths
    found = {
        "config": places.config,
        "keystore": places.keystore,
        "unlock": places.unlock,
        "database": places.database,
        "blobs": places.blobs,
        "spool": places.spool,
        "socket": places.socket,
        "log": places.log,
        "lock": places.lock,
    }
    named = {name: str(path) for name, path in found.items()}
    current().show({"paths": named}, text.fields(named))


def version() -> None:
    """Show the versions of qrfld and its libraries."""
    import platform
    from importlib import metadata

    libraries = {name: metadata.version(name) for name in _LIBRARIES}
    python = platform.python_version()
    answer = {"qrfld": qrfld.__version__, "python": python, "libraries": libraries}
    current().show(answer, text.fields({"qrfld": qrfld.__version__, "python": python, **libraries}))


def _flat(config: Mapping[str, Any]) -> str:
    return text.fields(
        {
            f"{section}.{key}": _written(value)
            for section, keys in sorted(config.items())
            for key, value in sorted(keys.items())
        }
    )


def _written(value: object) -> str:
    """A setting as one would write it; text without quotes, unless there is none."""
    if value is None:
        return "unset"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
