"""From update files to the next model: blocking work, run in a thread.

Nothing here knows of peers: files in, arrays and a file out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation import aggregate, suspects
from qrfld.protocol.tensors import Manifest, flat_float32, parse_manifest
from qrfld.rounds.errors import RoundFailedError, UpdateRefusedError
from qrfld.store.blobs import Blobs


def manifest_of(path: Path, limit: int) -> Manifest:
    """The layout of a model file. Raises RoundFailedError unless all its tensors are float32."""
    manifest = parse_manifest(_map(path), limit)
    if not manifest.is_flat:
        raise RoundFailedError(
            "the model has tensors that are not float32", hint="convert them in init_model"
        )
    return manifest


def check_update(path: Path, model: Manifest, limit: int) -> None:
    """Refuse an update that is not shaped like the model or holds a non-finite number.

    Raises UpdateRefusedError, or TensorError for a file that is no update at all.
    """
    buffer = _map(path)
    manifest = parse_manifest(buffer, limit)
    if manifest != model:
        raise UpdateRefusedError("the update's tensors are not named or shaped like the model's")
    values = flat_float32(buffer, manifest)
    # A sum is NaN or infinite as soon as one term is; float64 keeps finite float32 sums finite.
    if not np.isfinite(values.sum(dtype=np.float64)):
        raise UpdateRefusedError("the update holds a number that is not finite")


def next_model(
    base: Path, updates: Sequence[Path], rule: str, f: int, limit: int, blobs: Blobs
) -> tuple[bytes, int, list[int]]:
    """Aggregate ``updates`` (files, in the run's member order) onto ``base``.

    Returns the new model's hash, its size in bytes, and the rows the detector suspects. Raises
    RuleBoundError when there are too few rows for ``f``, RoundFailedError when the result is not
    finite, DiskFullError.
    """
    buffer = _map(base)
    manifest = parse_manifest(buffer, limit)
    rows = [_row(path, limit) for path in updates]
    step = aggregate(rule, rows, f=f)
    with np.errstate(over="ignore"):
        model = flat_float32(buffer, manifest) + step
    if not np.isfinite(model).all():
        raise RoundFailedError(f"the rule {rule!r} yields a model that is not finite")
    blob = manifest.head + model.astype("<f4", copy=False).tobytes()
    return blobs.put_bytes(blob), len(blob), suspects(rows)


def _row(path: Path, limit: int) -> NDArray[np.float32]:
    buffer = _map(path)
    return flat_float32(buffer, parse_manifest(buffer, limit))


def _map(path: Path) -> memoryview:
    return np.memmap(path, dtype=np.uint8, mode="r").data
