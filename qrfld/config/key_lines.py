"""The line on which each key of a TOML or JSON text stands, for error messages.

The parsers do not tell. The text has already been parsed when we come, so it is valid, and one pass
over its strings, brackets and separators is enough: no value is looked at.
"""

from __future__ import annotations

import json
import re
import tomllib

KeyPath = tuple[str, ...]
Lines = dict[KeyPath, int]

_JSON_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}:\n]')
_TOML_PIECE = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\''''
    r"""|\#[^\n]*|[\[\]{}=,.\n]|[^\s\[\]{}=,."'\#]+""",
    re.DOTALL,
)


def json_lines(text: str) -> Lines:
    """Return the 1-based line of every key by its path; the items of an array share one path."""
    lines: Lines = {}
    path: list[str] = []  # the current key of each open object
    line = 1
    last = ("", 1)  # the last piece and its line
    for match in _JSON_PIECE.finditer(text):
        piece = match[0]
        if piece == "\n":
            line += 1
            continue
        if piece == "{":
            path.append("")
        elif piece == "}":
            path.pop()
        elif piece == ":":
            path[-1] = json.loads(last[0])
            lines.setdefault(tuple(path), last[1])
        last = (piece, line)
    return lines


def toml_lines(text: str) -> Lines:
    """Return the 1-based line of every key and table header by its path."""
    walk = _TomlWalk()
    for match in _TOML_PIECE.finditer(text):
        walk.step(match[0])
    walk.step("\n")
    return walk.lines


class _TomlWalk:
    """Where a TOML text stands between two pieces of it."""

    def __init__(self) -> None:
        self.lines: Lines = {}
        self._line = 1
        self._table: KeyPath = ()
        self._path: KeyPath = ()  # of the value being read
        # What is open around it: a bracket, and the path of the value that the bracket began.
        self._open: list[tuple[str, KeyPath]] = []
        self._key: list[str] = []
        self._at = "line"  # "line" start, "header", "key" or "value"

    def step(self, piece: str) -> None:
        if piece == "\n":
            self._end_line()
        elif self._at == "line" and piece == "[":
            self._at = "header"
        elif self._at == "value":
            self._in_value(piece)
        elif piece == "=":
            self._at = "value"
            table = self._open[-1][1] if self._open else self._table
            self._path = table + tuple(self._key)
            self._note(self._path)
        elif piece == "}":
            self._close()
        elif piece not in ("[", "]", ".") and not piece.startswith("#"):
            self._at = "key" if self._at == "line" else self._at
            self._key.append(_toml_word(piece))
        self._line += piece.count("\n")

    def _in_value(self, piece: str) -> None:
        if piece in ("[", "{"):
            self._open.append((piece, self._path))
        elif piece in ("]", "}"):
            self._close()
        if piece == "{" or (piece == "," and self._open and self._open[-1][0] == "{"):
            self._at, self._key = "key", []

    def _end_line(self) -> None:
        if self._open:
            return
        if self._at == "header":
            self._table = tuple(self._key)
            self._note(self._table)
        self._at, self._key = "line", []

    def _close(self) -> None:
        self._path = self._open.pop()[1]
        self._at = "value"

    def _note(self, path: KeyPath) -> None:
        for depth in range(1, len(path) + 1):
            self.lines.setdefault(path[:depth], self._line)


def _toml_word(piece: str) -> str:
    if piece[0] not in "\"'":
        return piece
    return str(tomllib.loads(f"word = {piece}")["word"])
