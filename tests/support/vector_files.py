"""The vectors of spec/vectors as Python values, read as section 20 of PROTOCOL.md says."""

from __future__ import annotations

import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

from qrfld.crypto.encoding import Structure

DIRECTORY = Path(__file__).resolve().parents[2] / "spec" / "vectors"


@cache
def all_vectors() -> dict[str, dict[str, Any]]:
    """Every vector by its path below the directory, without ``.json``."""
    return {
        path.relative_to(DIRECTORY).with_suffix("").as_posix(): json.loads(path.read_text("ascii"))
        for path in sorted(DIRECTORY.glob("*/**/*.json"))
    }


def unhex(data: Any) -> bytes:
    """Bytes: hexadecimal text, or a list of pieces."""
    pieces = data if isinstance(data, list) else [data]
    return b"".join(
        bytes.fromhex(piece)
        if isinstance(piece, str)
        else bytes.fromhex(piece["repeat"]) * piece["times"]
        for piece in pieces
    )


def value(written: Any) -> Any:
    """A value; named fields become a map of names."""
    if written is None or isinstance(written, bool):
        return written
    ((kind, content),) = written.items()
    match kind:
        case "int":
            return int(content)
        case "float":
            return struct.unpack(">d", bytes.fromhex(content))[0]
        case "text":
            return content
        case "bytes":
            return unhex(content)
        case "array":
            return [value(item) for item in content]
        case "map":
            return {key: value(item) for key, item in content}
        case "fields":
            return fields(content)
    raise ValueError(kind)


def fields(written: dict[str, Any]) -> dict[str, Any]:
    """The named fields of a structure."""
    return {name: value(content) for name, content in written.items()}


def named(structure: Structure) -> dict[str, Any]:
    """Our own structure in the same form."""
    found = ((name, getattr(structure, name)) for name in structure.__struct_fields__)
    return {name: _plain(content) for name, content in found if content is not None}


def same(ours: Any, theirs: Any) -> bool:
    """Equal in type too: 1, 1.0 and true are three values, and so are 0.0 and -0.0."""
    return repr(_ordered(ours)) == repr(_ordered(theirs))


def _plain(content: Any) -> Any:
    if isinstance(content, Structure):
        return named(content)
    if isinstance(content, tuple | list):
        return [_plain(item) for item in content]
    return content


def _ordered(content: Any) -> Any:
    if isinstance(content, dict):
        return [(key, _ordered(content[key])) for key in sorted(content)]
    if isinstance(content, list):
        return [_ordered(item) for item in content]
    return bytes(content) if isinstance(content, bytes) else content
