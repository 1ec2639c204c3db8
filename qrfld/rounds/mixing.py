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
from qrfld.store.errors import StoreError

_BLOCK = 1 << 16


def manifest_of(path: Path, limit: int) -> Manifest:
    """The layout of a model file.

    Raises RoundFailedError unless all its tensors are float32, TensorError when it is larger than
    ``limit`` bytes or no model.
    """
    manifest = parse_manifest(_map(path), limit)
    if not manifest.is_flat:
        raise RoundFailedError(
            "the model has tensors that are not float32", hint="convert them in init_model"
        )
    return manifest


def check_update(path: Path, base: Path, limit: int) -> None:
    """Refuse an update that is not shaped like the model ``base``, or leads out of its numbers.

    The model plus the update must be finite. Every rule's result lies between the updates, so no
    member can end a run with a model that is not finite. Raises UpdateRefusedError, or TensorError
    for a file that is no update at all.
    """
    buffer, model = _map(path), _map(base)
    manifest = parse_manifest(buffer, limit)
    if manifest != parse_manifest(model, limit):
        raise UpdateRefusedError("the update's tensors are not named or shaped like the model's")
    values, start = flat_float32(buffer, manifest), flat_float32(model, manifest)
    with np.errstate(over="ignore", invalid="ignore"):
        for at in range(0, len(values), _BLOCK):
            block = slice(at, at + _BLOCK)
            if not np.isfinite(values[block] + start[block]).all():
                raise UpdateRefusedError("the update leads to a number that is not finite")


def next_model(
    base: Path,
    updates: Sequence[Path],
    rule: str,
    f: int,
    rng: np.random.Generator,
    limit: int,
    blobs: Blobs,
) -> tuple[bytes, int, list[int]]:
    """Aggregate ``updates`` (files, in the run's member order) onto ``base``.

    ``rng`` is for rules that draw. Returns the new model's hash, its size in bytes, and the rows
    the detector suspects. Raises RuleBoundError when there are too few rows for ``f``,
    RoundFailedError when the result is not finite, DiskFullError.
    """
    buffer = _map(base)
    manifest = parse_manifest(buffer, limit)
    rows = [_row(path, limit) for path in updates]
    step = aggregate(rule, rows, f=f, rng=rng)
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
    try:
        if path.stat().st_size == 0:  # which the system cannot map
            return memoryview(b"")
        return np.memmap(path, dtype=np.uint8, mode="r").data
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
