"""Rows and column blocks: how every rule walks over its input.

n updates of d values are n rows; they come as one ``(n, d)`` array or as n one-dimensional arrays
(views of files, most often). No rule copies them whole: it visits blocks of 16,384 columns, which
for ten rows is 640 KiB and stays in a core's second-level cache, so main memory is read once
however many operations a rule performs on a block. Each block is checked here, once, on its way
in: a row with NaN or infinity never reaches any arithmetic.

Rows may be float16, bfloat16 (of the package ml_dtypes), float32 or float64, contiguous or not;
blocks are native float32. A float64 value beyond the range of float32 counts as infinite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation.errors import NonFiniteUpdateError, UpdateShapeError

Vector = NDArray[np.float32]
Row = NDArray[np.floating]
Updates = NDArray[np.floating] | Sequence[Row]

BLOCK_COLUMNS = 16_384
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def as_rows(updates: Updates) -> list[Row]:
    """Check ``updates`` and return its n rows as views, each of shape ``(d,)``.

    Raises UpdateShapeError when there is no row, no column, a row of another length, or another
    type than float16, bfloat16, float32 or float64.
    """
    rows = list(updates)
    if not rows:
        raise UpdateShapeError("there are 0 updates", hint="give at least one row")
    for index, row in enumerate(rows):
        if not isinstance(row, np.ndarray) or row.ndim != 1:
            raise UpdateShapeError(
                f"update in row {index} is not a one-dimensional array",
                hint="give an (n, d) array or n arrays of shape (d,)",
            )
        if row.dtype.name not in _FLOATS:
            raise UpdateShapeError(
                f"update in row {index} has type {row.dtype}",
                hint="give float32 (float16 and float64 are converted)",
            )
        if row.size != rows[0].size or not row.size:
            raise UpdateShapeError(
                f"update in row {index} has {row.size} columns, row 0 has {rows[0].size}",
                hint="all rows need the same length of at least 1",
            )
    return rows


def blocks(
    rows: Sequence[Row], columns: int = BLOCK_COLUMNS
) -> Iterator[tuple[slice, list[Vector]]]:
    """Yield ``(columns, [one float32 block a row])`` from left to right, checked for finiteness.

    A float32 block is a view of its row: read it, never write it. Raises NonFiniteUpdateError.
    """
    width = rows[0].size
    for start in range(0, width, columns):
        span = slice(start, min(start + columns, width))
        with np.errstate(over="ignore"):
            block = [np.asarray(row[span], dtype=np.float32) for row in rows]
        for index, part in enumerate(block):
            _check(index, start, part)
        yield span, block


def _check(index: int, start: int, part: Vector) -> None:
    """Raise NonFiniteUpdateError if ``part``, columns ``start`` and on of row ``index``, holds one.

    A dot product with itself shows any NaN or infinity at a third of the cost of looking for them;
    only where it overflows does each value have to be looked at.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.dot(part, part) < np.inf
    if suspicious and not (finite := np.isfinite(part)).all():
        raise NonFiniteUpdateError(index, start + int(np.argmin(finite)))
