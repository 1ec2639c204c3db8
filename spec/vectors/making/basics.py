"""A vector, its JSON (section 20), and the canonical encoding (section 11) from the text alone."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from typing import Any

#: Up to 64 bytes, repeated: from this length on in all, only their number is written.
_RUN = 200
_RUNS = re.compile(rb"(?s)(.{1,64}?)\1{3,}")


@dataclass(frozen=True)
class Vector:
    """One behaviour: ``name`` is the file without ``.json``, ``values`` the keys of its area."""

    name: str
    expect: str
    section: str
    comment: str
    values: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """The file."""
        first = {"comment": self.comment, "expect": self.expect, "section": self.section}
        return json.dumps({**first, **self.values}, indent=1, ensure_ascii=True) + "\n"


def hexed(data: bytes) -> Any:
    """Bytes as JSON: hexadecimal text, or a list of pieces in which long runs are counted."""
    pieces: list[Any] = []
    at = 0
    for run in _RUNS.finditer(data):
        if len(run[0]) < _RUN:
            continue
        if run.start() > at:
            pieces.append(data[at : run.start()].hex())
        pieces.append({"repeat": run[1].hex(), "times": len(run[0]) // len(run[1])})
        at = run.end()
    if not pieces:
        return data.hex()
    return [*pieces, data[at:].hex()] if at < len(data) else pieces


class Structure(dict[tuple[int, str], Any]):
    """A map whose keys are (key, field name); values may be Structures again."""

    def map(self) -> dict[int, Any]:
        """The map of integer keys."""
        return {key: unnamed(value) for (key, _), value in self.items()}

    def changed(self, name: str, value: Any) -> Structure:
        """The same with another value in one field."""
        return Structure({k: value if k[1] == name else v for k, v in self.items()})

    def without(self, name: str) -> Structure:
        """The same without one field."""
        return Structure({k: v for k, v in self.items() if k[1] != name})

    def with_key(self, key: int, value: Any) -> Structure:
        """The same with a field that this version does not know."""
        return Structure(sorted([*self.items(), ((key, "unknown"), value)]))

    def pack(self) -> bytes:
        """The canonical encoding."""
        return pack(self.map())


def unnamed(value: Any) -> Any:
    """The value with maps in place of Structures."""
    if isinstance(value, Structure):
        return value.map()
    if isinstance(value, list | tuple):
        return [unnamed(item) for item in value]
    return value


def notation(value: Any) -> Any:
    """A value as JSON that keeps its type (section 20.2)."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Structure):
        return {"fields": {name: notation(item) for (_, name), item in value.items()}}
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, float):
        return {"float": struct.pack(">d", value).hex()}
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, bytes):
        return {"bytes": hexed(value)}
    if isinstance(value, dict):
        return {"map": [[key, notation(item)] for key, item in value.items()]}
    return {"array": [notation(item) for item in value]}


def fields(value: Structure) -> Any:
    """The fields of a structure by name, as JSON."""
    return notation(value)["fields"]


def pack(value: Any) -> bytes:
    """The canonical encoding of a value without Structures."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode()
        return _head(len(data), (0xA0, 32), {1: 0xD9, 2: 0xDA, 4: 0xDB}) + data
    if isinstance(value, bytes):
        return _head(len(value), None, {1: 0xC4, 2: 0xC5, 4: 0xC6}) + value
    if isinstance(value, dict):
        items = b"".join(pack(key) + pack(value[key]) for key in sorted(value))
        return _head(len(value), (0x80, 16), {2: 0xDE, 4: 0xDF}) + items
    return _head(len(value), (0x90, 16), {2: 0xDC, 4: 0xDD}) + b"".join(map(pack, value))


def _head(size: int, fix: tuple[int, int] | None, tags: dict[int, int]) -> bytes:
    if fix and size < fix[1]:
        return bytes([fix[0] | size])
    width = next(width for width in tags if size < 1 << 8 * width)
    return bytes([tags[width]]) + size.to_bytes(width)


def _integer(value: int) -> bytes:
    if -32 <= value < 128:
        return bytes([value & 0xFF])
    for place, width in enumerate((1, 2, 4, 8)):
        if 0 <= value < 1 << 8 * width:
            return bytes([0xCC + place]) + value.to_bytes(width)
        if value < 0 and value >= -(1 << 8 * width - 1):
            return bytes([0xD0 + place]) + value.to_bytes(width, signed=True)
    raise ValueError(value)
