"""Sums of rows: in a fixed order, without overflow, without negative zeros.

Eight rows at a time are added in float32, and these partial sums in float64: nearly as exact as
float64 throughout, at half the cost, and the same to the bit on every machine, since each operation
is one IEEE addition or multiplication per column. Where float32 overflows on the way (rows near
its largest value), the block is added again in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation.blocks import BLOCK_COLUMNS, Vector

_GROUP = 8


class Adder:
    """Scratch for sums over blocks of at most ``columns`` columns."""

    def __init__(self, columns: int = BLOCK_COLUMNS) -> None:
        self._partial = np.empty(columns, np.float32)
        self._term = np.empty(columns, np.float32)
        self._wide_term = np.empty(columns)
        self._wide = np.empty(columns)

    def mean(
        self,
        rows: Sequence[Vector],
        out: Vector,
        weights: Sequence[float] | None = None,
        divisor: float | None = None,
    ) -> None:
        """Write the sum of ``weights`` times ``rows``, divided by ``divisor``, to ``out``.

        ``weights`` are 1 and ``divisor`` is the sum of the weights if they are not given. All
        arrays have the same shape (columns,); ``out`` is none of the rows.
        """
        given = [1.0] * len(rows) if weights is None else list(weights)
        total = float(sum(given)) if divisor is None else divisor
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            self._narrow(rows, given, total, out)
            overflown = not np.isfinite(np.dot(out, out)) and not np.isfinite(out).all()
        if overflown:
            self._in_float64(rows, given, total, out)

    def _narrow(
        self, rows: Sequence[Vector], weights: list[float], total: float, out: Vector
    ) -> None:
        if len(rows) <= _GROUP and _fits(total):
            self._add(rows, weights, out)
            np.divide(out, np.float32(total), out=out)
            np.add(out, np.float32(0), out=out)  # -0.0 becomes 0.0
            return
        wide, partial = self._wide[: out.size], self._partial[: out.size]
        wide.fill(0.0)
        for start in range(0, len(rows), _GROUP):
            group = slice(start, start + _GROUP)
            self._add(rows[group], weights[group], partial)
            np.add(wide, partial, out=wide)
        np.divide(wide, total, out=out, casting="same_kind")

    def _add(self, rows: Sequence[Vector], weights: list[float], out: Vector) -> None:
        """Sum in float32, from the first row to the last."""
        term = self._term[: out.size]
        if weights[0] == 1:
            np.copyto(out, rows[0])
        else:
            np.multiply(rows[0], np.float32(weights[0]), out=out)
        for row, weight in zip(rows[1:], weights[1:], strict=True):
            if weight == 1:
                np.add(out, row, out=out)
            else:
                np.add(out, np.multiply(row, np.float32(weight), out=term), out=out)

    def _in_float64(
        self, rows: Sequence[Vector], weights: list[float], total: float, out: Vector
    ) -> None:
        wide: NDArray[np.float64] = self._wide[: out.size]
        term = self._wide_term[: out.size]
        wide.fill(0.0)
        for row, weight in zip(rows, weights, strict=True):
            np.add(wide, np.multiply(row, weight, out=term, dtype=np.float64), out=wide)
        np.divide(wide, total, out=out, casting="same_kind")


def _fits(total: float) -> bool:
    """Whether float32 holds the divisor exactly."""
    return float(np.float32(total)) == total
