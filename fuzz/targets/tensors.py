"""Invariant: a blob is refused by name, or its model encodes to the same bytes; and reading it
takes memory in proportion to its manifest, whatever sizes it announces.

Input: a byte, 0 for a whole blob, 1 for a manifest that gets its head and its zeros of data.
"""

from __future__ import annotations

import numpy as np

from fuzz.invariants import Refused, attempt, memory_within, require
from qrfld.crypto.canonical import pack
from qrfld.protocol import tensors
from qrfld.protocol.errors import TensorError

#: Of a model, as a reader allows it; and of one that is filled here.
MAX_BYTES = 1 << 40
MAX_FILLED = 1 << 16
BYTES_PER_BYTE = 700
#: The writer of the manifest reserves 256 KiB.
BYTES_AT_LEAST = 320 << 10


def check(data: bytes) -> None:
    """See the module."""
    blob = _filled(data[1:]) if data[:1] == b"\1" else data[1:]
    limit = BYTES_AT_LEAST + BYTES_PER_BYTE * len(data) + len(blob)
    with memory_within(limit):
        manifest = attempt(lambda: tensors.parse_manifest(blob, MAX_BYTES), TensorError)
        model = attempt(lambda: tensors.decode(blob, max_bytes=MAX_BYTES), TensorError)
    if isinstance(manifest, tensors.Manifest):
        require(manifest.total_bytes <= MAX_BYTES, "a model stays within the limit")
        ends = [manifest.data_offset, *(tensor.end for tensor in manifest.tensors)]
        starts = [tensor.offset for tensor in manifest.tensors]
        require(
            all(0 <= start - end < 8 for end, start in zip(ends, starts, strict=False)),
            "blocks follow each other",
        )
    if isinstance(model, dict):
        require(not isinstance(manifest, Refused), "a model has a manifest")
        require(b"".join(tensors.encode(model)) == blob, "a model has one encoding")


def _filled(manifest: bytes) -> bytes:
    """A blob of zeros for a manifest, if it is one."""
    head = tensors.MAGIC + len(manifest).to_bytes(4) + manifest
    head += bytes(-len(head) % tensors.DATA_ALIGNMENT)
    parsed = attempt(lambda: tensors.parse_manifest(head, MAX_FILLED), TensorError)
    if isinstance(parsed, tensors.Manifest):
        return head + bytes(parsed.total_bytes - len(head))
    return head


def seeds() -> list[bytes]:
    """Models of every dtype and odd shapes, whole and as manifests."""
    models: list[tensors.Model] = [
        {"n": np.array([1, 2, 3], np.uint8), "w": np.array([[1], [-2]], np.float32)},
        {f"t{number}": np.zeros((2, number), dtype) for number, dtype in enumerate(_DTYPES)},
        {"scalar": np.array(np.nan, np.float64)},
    ]
    manifests: list[list[object]] = [
        [["w", "f4", [8, 2]], ["b", "f4", [2]]],
        [["u", "u1", [1]], ["d", "f8", [1]], ["e", "f8", [0, 3]]],
        [["huge", "f8", [1 << 40, 1 << 40]]],
        [["deep", "f4", [1] * 9]],
    ]
    whole = [b"\0" + b"".join(tensors.encode(model)) for model in models]
    return whole + [b"\1" + pack(manifest) for manifest in manifests]


_DTYPES = (np.uint8, np.float16, np.float32, np.float64, np.int32, np.int64)
