"""Naming suspects: evidence about updates, apart from averaging them.

A rule bounds what a bad update can do; the detector only says who looks bad. Its evidence is one
number a row: the row's distance to the coordinate median, divided by the median of all rows'
distances. Honest rows lie around 1; a row above the threshold (3 by default) is a suspect.

What it is worth: it sees updates that are *large* against the honest spread. An attacker who stays
within that spread (ALIE, a slow drift, flipped labels) is not seen, and honest nodes with few or
unusual data come nearer to the threshold. Measured rates per attack: `benchmarks/digits_under_
attack.py` prints them, and its docstring holds the last table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation.blocks import BLOCK_COLUMNS, Updates, as_rows, blocks
from qrfld.aggregation.columns import Combination

# Two rows are equally far from their median. Of three, one honest row with more data than the
# others came to be above the threshold in every round of a long run on digits.
_FEWEST_ROWS = 4


def evidence(updates: Updates) -> list[float]:
    """Distance of each row to the coordinate median over the median of these distances.

    ``updates`` as for `rules.aggregate`. When at least half of the rows equal the median exactly,
    the others' evidence is infinite. Raises UpdateShapeError, NonFiniteUpdateError.
    """
    distances = _distances_to_median(updates)
    typical = float(np.median(distances))
    if typical > 0:
        return [float(distance) / typical for distance in distances]
    return [float("inf") if distance > 0 else 0.0 for distance in distances]


def suspects(updates: Updates, *, threshold: float = 3.0) -> list[int]:
    """Indices of the rows whose `evidence` is above ``threshold``; none among fewer than 4 rows.

    Raises UpdateShapeError, NonFiniteUpdateError.
    """
    ratios = evidence(updates)
    if len(ratios) < _FEWEST_ROWS:
        return []
    return [index for index, ratio in enumerate(ratios) if ratio > threshold]


def _distances_to_median(updates: Updates) -> NDArray[np.float64]:
    """Distance of each row to the coordinate median, shape (n,); infinite beyond float32."""
    rows = as_rows(updates)
    median = Combination("median", (1.0,) * len(rows), 1.0).mixer()
    middles, differences = np.empty((2, BLOCK_COLUMNS), np.float32)
    squares = np.zeros(len(rows))
    for _, block in blocks(rows):
        middle, difference = (part[: block[0].size] for part in (middles, differences))
        median(block, middle)
        for index, row in enumerate(block):
            with np.errstate(over="ignore"):
                np.subtract(row, middle, out=difference)
                squares[index] += np.dot(difference, difference)
    distances: NDArray[np.float64] = np.sqrt(squares)
    return distances
