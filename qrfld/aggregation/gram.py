"""Distances and angles of rows: their Gram matrix, and what follows from it.

One pass over the column blocks gives ``G[i, j] = <x_i, x_j>``, accumulated in float64. It holds all
that a rule needs which weighs whole rows: ``G[i, i] + G[j, j] - 2·G[i, j]`` is the squared distance
of two rows, and the distance of a row to any weighted sum of rows is a quadratic form.

Precision. Each entry depends on its two rows only, so that a hostile row of 1e30 blurs its own
entries and no honest one. Rows are updates, which are differences from a common model already; a
common offset of a million times their spread still leaves their distances four digits. (In float32,
raw models gave negative squares.)

The products go through BLAS, whose summation order differs between machines: last digits may
differ, so distances feed decisions (which rows, which weights), never values of the result.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation.blocks import Row, blocks

Matrix = NDArray[np.float64]
Coefficients = NDArray[np.float64]

# float64 copies of one block stay within 320 KiB: in a second-level cache, beside the rows.
_BLOCK_VALUES = 40_960


def gram(rows: Sequence[Row]) -> Matrix:
    """Inner products of all pairs of rows: shape (n, n), float64.

    Raises NonFiniteUpdateError.
    """
    n = len(rows)
    columns = max(256, _BLOCK_VALUES // n)
    wide = np.empty((n, columns))
    total = np.zeros((n, n))
    for _, block in blocks(rows, columns):
        part = wide[:, : block[0].size]
        for target, row in zip(part, block, strict=True):
            target[...] = row
        total += part @ part.T
    return total


def squared_distances(products: Matrix) -> Matrix:
    """Squared distance of every pair of rows, shape (n, n), float64, never negative."""
    norms = np.diagonal(products)
    squares = norms[:, None] + norms[None, :] - 2 * products
    np.fill_diagonal(squares, 0.0)
    return np.maximum(squares, 0.0)


def medoid(products: Matrix) -> int:
    """The row with the least sum of distances to the others; of several, the first."""
    return int(np.argmin(np.sqrt(squared_distances(products)).sum(axis=1)))


def about(products: Matrix, origin: int) -> Matrix:
    """Inner products of the rows with row ``origin`` as their zero, shape (n, n)."""
    with_origin = products[origin]
    result: Matrix = products - with_origin[:, None] - with_origin[None, :]
    result += products[origin, origin]
    return result


def distances_to(products: Matrix, weights: Coefficients) -> Coefficients:
    """Distance of each row to the sum of all rows times ``weights`` (n), shape (n,)."""
    with_sum = products @ weights
    squares = np.diagonal(products) - 2 * with_sum + weights @ with_sum
    distances: Coefficients = np.sqrt(np.maximum(squares, 0.0))
    return distances
