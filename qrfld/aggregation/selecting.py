"""Rules that choose rows by their distances, and average those.

    krum        the row with the lowest Krum score
    multi-krum  the n - f rows with the lowest Krum scores
    bulyan      n - 2f rows, chosen one by one by Krum among those that remain; then in each column
                the mean of the n - 4f values nearest to their median (El Mhamdi et al. 2018)
    mda         the n - f rows of least diameter, exactly (Rousseeuw 1985; El Mhamdi et al. 2021)
    monna       the n - f rows nearest to row ``pivot``, the node's own (Farhadkhani et al. 2023)

The Krum score of a row is the sum of its n - f - 2 smallest squared distances to others, as in
Blanchard et al. (2017) and Flower; ByzFL counts one neighbour more. Of rows that tie, the first
counts: the caller sorts rows by node ID.
"""

from __future__ import annotations

import numpy as np

from qrfld.aggregation.decision import Choice
from qrfld.aggregation.errors import RuleError
from qrfld.aggregation.gram import Coefficients, Matrix
from qrfld.aggregation.view import View


def krum_scores(squares: Matrix, neighbours: int) -> Coefficients:
    """Sum of each row's ``neighbours`` smallest squared distances to other rows, shape (n,)."""
    others = np.sort(squares + np.diag(np.full(len(squares), np.inf)), axis=1)
    scores: Coefficients = others[:, :neighbours].sum(axis=1)
    return scores


def krum(view: View) -> Choice:
    """Decide by Krum."""
    scores = krum_scores(view.squared_distances, view.n - view.f - 2)
    return Choice.mean([int(np.argmin(scores))])


def multi_krum(view: View) -> Choice:
    """Decide by Multi-Krum with m = n - f."""
    scores = krum_scores(view.squared_distances, view.n - view.f - 2)
    return Choice.mean(_lowest(scores, view.n - view.f))


def bulyan(view: View) -> Choice:
    """Decide by Bulyan over Krum."""
    left = list(range(view.n))
    chosen: list[int] = []
    while len(chosen) < view.n - 2 * view.f:
        squares = view.squared_distances[np.ix_(left, left)]
        scores = krum_scores(squares, max(1, len(left) - view.f - 2))
        chosen.append(left.pop(int(np.argmin(scores))))
    return Choice.column(sorted(chosen), "meamed", 2 * view.f)


def monna(view: View) -> Choice:
    """Decide by nearness to the pivot."""
    pivot = view.parameters["pivot"]
    if pivot not in range(view.n):
        raise RuleError(
            f"pivot {pivot:g} is none of the rows 0 to {view.n - 1}",
            hint="give pivot= the index of the node's own update",
        )
    squares = view.squared_distances[int(pivot)].copy()
    squares[int(pivot)] = -1.0
    return Choice.mean(_lowest(squares, view.n - view.f))


def mda(view: View) -> Choice:
    """Decide by minimum diameter; of several such sets the first in dictionary order.

    Rows farther apart than a candidate diameter conflict; a set within it exists if f rows cover
    all conflicts, which takes at most 2^f steps to find out.
    """
    squares = view.squared_distances
    candidates = np.unique(squares)
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if _coverable(squares > candidates[middle], view.f):
            high = middle
        else:
            low = middle + 1
    conflicts = squares > candidates[low]
    kept: list[int] = []
    dropped: set[int] = set()
    for row in range(view.n):
        if row in dropped or len(kept) == view.n - view.f:
            continue
        with_row = dropped | {int(other) for other in np.flatnonzero(conflicts[row])}
        left = [index for index in range(view.n) if index not in with_row]
        if _coverable(conflicts[np.ix_(left, left)], view.f - len(with_row)):
            kept, dropped = [*kept, row], with_row
        else:
            dropped = dropped | {row}
    return Choice.mean(kept)


def _coverable(conflicts: np.ndarray[tuple[int, int], np.dtype[np.bool_]], f: int) -> bool:
    """Whether dropping at most ``f`` rows ends all conflicts (a vertex cover of size f)."""
    if f < 0:
        return False
    degrees = conflicts.sum(axis=1)
    worst = int(np.argmax(degrees)) if len(degrees) else 0
    if not len(degrees) or degrees[worst] == 0:
        return True
    if f == 0 or degrees.sum() > 2 * f * degrees[worst]:
        return False
    without = [index for index in range(len(degrees)) if index != worst]
    if _coverable(conflicts[np.ix_(without, without)], f - 1):
        return True
    keep = [index for index in without if not conflicts[worst, index]]
    return _coverable(conflicts[np.ix_(keep, keep)], f - int(degrees[worst]))


def _lowest(scores: Coefficients, count: int) -> list[int]:
    return sorted(int(index) for index in np.argsort(scores, kind="stable")[:count])
