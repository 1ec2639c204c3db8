"""The vectors of `spec/vectors` as inputs: the bytes that each implementation is tested with."""

from __future__ import annotations

import json
from pathlib import Path

_VECTORS = Path(__file__).parents[1] / "spec" / "vectors"
#: Longer ones repeat a byte up to a bound, which a corpus need not carry.
MAX_BYTES = 600


def inputs(area: str, field: str) -> list[bytes]:
    """``field`` of every vector under ``area``, where it is not too long."""
    paths = sorted((_VECTORS / area).glob("**/*.json"))
    written = [json.loads(path.read_text(encoding="ascii")).get(field) for path in paths]
    # Some vectors are about writing only. A list has repeated pieces: a long value.
    found = [bytes.fromhex(text) for text in written if isinstance(text, str)]
    return [data for data in found if len(data) <= MAX_BYTES]
