"""The check that the three configuration formats share."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

from fuzz.invariants import attempt, require
from qrfld.config import Config, load
from qrfld.config.documents import Document, read
from qrfld.config.key_lines import KeyPath
from qrfld.errors import ConfigError


def check(suffix: str, data: bytes) -> None:
    """A file is refused by name, or is a configuration that means the same written out as JSON.

    The line that is told for a key lies within the file.
    """
    path = _directory() / f"qrfld{suffix}"
    path.write_bytes(data)
    config = attempt(lambda: load(path, {}), ConfigError)
    if isinstance(config, Config):
        again = _directory() / "again.json"
        plain = config.describe()
        if plain["lab"]["attack_scale"] is None:
            del plain["lab"]["attack_scale"]
        again.write_text(json.dumps(plain))
        require(load(again, {}) == config, "a configuration has one meaning")
    document = attempt(lambda: read(path), ConfigError)
    if isinstance(document, Document):
        count = data.count(b"\n") + data.count(b"\r") + data.decode().count("\x85") + 1
        count += data.decode().count("\u2028") + data.decode().count("\u2029")
        for key in _paths(document.data, ()):
            line = document.line_of(key)
            require(line is None or 1 <= line <= count, f"line {line} of {key} is in the file")


def _paths(data: dict[str, object], path: KeyPath) -> list[KeyPath]:
    found: list[KeyPath] = []
    for key, value in data.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found += _paths(value, (*path, key))
    return found


@cache
def _directory() -> Path:
    """A place for files, in memory where there is one."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
    made = tempfile.mkdtemp(prefix="qrfld-fuzz-", dir=memory if memory.is_dir() else None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)
