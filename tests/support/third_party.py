"""Third-party test vectors, from ``../shared/vectors`` beside the repository.

They are read where CI has them and never copied into the project; elsewhere their tests skip.
"""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(__file__).resolve().parents[2].parent / "shared" / "vectors"


def wycheproof(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each (group, test) of a Wycheproof file."""
    with lzma.open(_present(f"{name}_test.json.xz"), "rt") as file:
        document = json.load(file)
    for group in document["testGroups"]:
        for test in group["tests"]:
            yield group, test


def cctv_lines(name: str) -> list[bytes]:
    """The lines of a gzipped CCTV file, each one a hexadecimal value."""
    with gzip.open(_present(f"cctv_{name}.txt.gz"), "rt") as file:
        return [bytes.fromhex(line) for line in file.read().split()]


def cctv_fields(name: str) -> dict[str, bytes]:
    """The ``field = hexadecimal`` lines of a CCTV file."""
    text = _present(f"cctv_{name}.txt").read_text()
    pairs = (line.split("=") for line in text.splitlines() if "=" in line)
    return {field.strip(): bytes.fromhex(value.strip()) for field, value in pairs}


def _present(name: str) -> Path:
    path = DIRECTORY / name
    if not path.exists():
        pytest.skip(f"third-party vectors not present: {path.name}")
    return path
