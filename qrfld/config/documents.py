"""A configuration file's text as a tree of plain values, and the line of each key.

TOML, YAML and JSON by suffix. The parsers are the ones everybody has (``tomllib``, PyYAML's safe
loader, ``json``); what is added here is that they refuse: more than 256 KiB, bytes that are not
UTF-8, duplicate keys, YAML aliases (small files that unfold to gigabytes) and deep nesting.

The parsers do not tell the line of a key. PyYAML's nodes know it; TOML and JSON are walked again
(``key_lines``) when an error needs it.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qrfld.config.errors import ConfigFileError, DuplicateKeyError
from qrfld.config.key_lines import KeyPath, json_lines, toml_lines
from qrfld.config.yaml_files import read_yaml

MAX_FILE_BYTES = 1 << 18
# The schema is two deep; ten levels are room for a mistake to be named as one.
MAX_NESTING = 10
# tomllib takes time in the square of a dotted key's parts (CPython 3.11 to 3.14): hours for a key
# of a megabyte. No honest line comes near this.
_MAX_DOTS = 512


@dataclass(frozen=True)
class Document:
    """A parsed file: ``data``, and ``line_of(path)``, 1-based, None where it cannot be told."""

    name: str
    data: dict[str, Any]
    line_of: Callable[[KeyPath], int | None]

    def where(self, path: KeyPath) -> str:
        """Return ``name, line N`` for the key at ``path``."""
        line = self.line_of(path)
        return f"{self.name}, line {line}" if line else self.name


def read(path: Path) -> Document:
    """Read and parse ``path``.

    Raises ``ConfigFileError`` (unreadable, too large, not text, not valid in its format) and
    ``DuplicateKeyError``.
    """
    parsers = {".toml": _toml, ".yaml": _yaml, ".yml": _yaml, ".json": _json}
    parse = parsers.get(path.suffix.lower())
    if parse is None:
        raise ConfigFileError(
            f"{path}: unknown configuration format {path.suffix!r}",
            hint="name it .toml, .yaml, .yml or .json",
        )
    text = _read_text(path)
    try:
        document = parse(path.name, text)
    except RecursionError as error:
        raise ConfigFileError(f"{path} is nested too deeply") from error
    if not isinstance(document.data, dict):
        raise ConfigFileError(f"{path} holds {_kind(document.data)}, not sections of settings")
    _check_nesting(path, document.data)
    return document


def _read_text(path: Path) -> str:
    try:
        # A pipe or a device is no configuration; opening one must not make us wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigFileError(f"{path} is not a regular file")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigFileError(
            f"cannot read the configuration {path}: {error.strerror}",
            hint="`qrfl init` writes one" if isinstance(error, FileNotFoundError) else "",
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigFileError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigFileError(f"{path} is not UTF-8 text (byte {error.start})") from error


def _toml(name: str, text: str) -> Document:
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MAX_DOTS:
            raise ConfigFileError(f"{name}, line {number}: more than {_MAX_DOTS} dots in one line")
    # ValueError: bad TOML, and also integers of more digits than Python converts.
    try:
        data = tomllib.loads(text)
    except ValueError as error:
        again = "Cannot overwrite" in str(error) or "twice" in str(error)
        failure = DuplicateKeyError if again else ConfigFileError
        raise failure(f"{name} is not valid TOML: {error}") from error
    return Document(name, data, lambda path: toml_lines(text).get(path))


def _yaml(name: str, text: str) -> Document:
    data, lines = read_yaml(name, text)
    return Document(name, data, lines.get)


def _json(name: str, text: str) -> Document:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            if key in made:
                raise DuplicateKeyError(f"{name} gives {key!r} twice")
            made[key] = value
        return made

    try:
        data = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ConfigFileError(
            f"{name} is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from error
    except ValueError as error:
        raise ConfigFileError(f"{name} is not valid JSON: {error}") from error
    return Document(name, data, lambda path: json_lines(text).get(path))


def _check_nesting(path: Path, value: Any) -> None:
    level = [value]
    for _ in range(MAX_NESTING):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise ConfigFileError(f"{path} is nested more than {MAX_NESTING} levels deep")


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
