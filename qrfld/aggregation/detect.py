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

from qrfld.aggregation.blocks import Updates
from qrfld.aggregation.distances import centred_gram

# Two rows are equally far from their median. Of three, one honest row with more data than the
# others came to be above the threshold in every round of a long run on digits.
_FEWEST_ROWS = 4


def evidence(updates: Updates) -> list[float]:
    """Distance of each row to the coordinate median over the median of these distances.

    ``updates`` as for `rules.aggregate`. When at least half of the rows equal the median exactly,
    the others' evidence is infinite. Raises UpdateShapeError, NonFiniteUpdateError.
    """
    distances = np.sqrt(np.diagonal(centred_gram(updates)))
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
