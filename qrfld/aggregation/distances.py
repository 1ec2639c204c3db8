"""How far the rows lie from each other and from their coordinate median.

One pass over the column blocks gives the Gram matrix ``G[i, j] = <x_i - m, x_j - m>`` about the
coordinate median m, accumulated in float64. Its diagonal is each row's squared distance to the
median, ``G[i, i] + G[j, j] - 2·G[i, j]`` the squared distance of two rows.

Why centred, and why on the median: without centring, small differences of large rows cancel (on raw
models float32 gave negative squares); centred on some row, that row's owner decides how much
cancels. The median stays among the honest values while less than half of the rows lie, so the
honest distances keep their digits whatever the others send.

The products go through BLAS, whose summation order differs between machines: last digits of the
distances may differ, so distances feed decisions (which rows), never values of the result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation.blocks import BLOCK_COLUMNS, Updates, as_rows, blocks
from qrfld.aggregation.order import selection

Matrix = NDArray[np.float64]


def centred_gram(updates: Updates) -> Matrix:
    """Gram matrix of the rows about their coordinate median: shape (n, n), float64.

    Raises UpdateShapeError, NonFiniteUpdateError.
    """
    rows = as_rows(updates)
    n = len(rows)
    network = selection(n, (n - 1) // 2, n // 2 + 1)
    workspace = network.workspace()
    offsets = np.empty((n, BLOCK_COLUMNS))
    gram = np.zeros((n, n))
    for _, block in blocks(rows):
        middle = network.run(block, workspace)
        centre = (middle[0].astype(np.float64) + middle[-1]) / 2
        centred = offsets[:, : centre.size]
        for row, part in zip(centred, block, strict=True):
            np.subtract(part, centre, out=row)
        gram += centred @ centred.T
    return gram


def squared_distances(gram: Matrix) -> Matrix:
    """Squared distance of every pair of rows, shape (n, n), float64, never negative."""
    norms = np.diagonal(gram)
    squares = norms[:, None] + norms[None, :] - 2 * gram
    np.fill_diagonal(squares, 0.0)
    return np.maximum(squares, 0.0)
