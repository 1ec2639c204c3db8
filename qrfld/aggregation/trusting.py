"""Rules that judge directions: by the node's own update, by likeness, by clusters.

fltrust    each row weighs max(0, cosine to the reference) and is given the reference's length;
           the reference is the node's own update on data that it trusts (Cao et al. 2021)
foolsgold  rows that point the same way as others weigh less: Sybils do (Fung et al. 2020); this
           one sees a single round, the paper sums up each node's history. For comparison: two
           honest nodes with like data suffer too, and it withstands no single attacker
flame      rows are joined, nearest angle first, until one cluster holds more than half of them;
           that cluster is averaged, rows longer than the median length shortened to it. After
           Nguyen et al. 2022, with single linkage for HDBSCAN and without their noise
"""

from __future__ import annotations

import numpy as np

from qrfld.aggregation.decision import Choice
from qrfld.aggregation.gram import Coefficients, Matrix
from qrfld.aggregation.view import View


def cosines(products: Matrix) -> Matrix:
    """Cosine of the angle of every pair of rows, shape (n, n); 0 with a row of length 0."""
    norms = np.sqrt(np.maximum(np.diagonal(products), 0.0))
    inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    result: Matrix = np.clip(products * inverse[:, None] * inverse[None, :], -1.0, 1.0)
    return result


def fltrust(view: View) -> Choice:
    """Decide by likeness to the reference."""
    products = view.need_reference("fltrust")
    trust = np.maximum(cosines(products)[-1, :-1], 0.0)
    norms = np.sqrt(np.diagonal(products))
    lengths = np.divide(norms[-1], norms[:-1], out=np.zeros(view.n), where=norms[:-1] > 0)
    total = trust.sum()
    return Choice.weighted(trust * lengths / total if total > 0 else trust)


def foolsgold(view: View) -> Choice:
    """Decide by unlikeness to the others."""
    if view.n == 1:
        return Choice.mean([0])
    alike = cosines(view.products)
    np.fill_diagonal(alike, -np.inf)
    most = np.maximum(alike.max(axis=1), 0.0)
    # Pardoning: a row that others are alike to more than it is to anybody is judged by the less.
    pardon = np.divide(
        most[:, None], most[None, :], out=np.ones_like(alike), where=most[None, :] > most[:, None]
    )
    np.fill_diagonal(alike, -1.0)
    weights = np.clip(1.0 - (alike * pardon).max(axis=1), 0.0, 1.0)
    largest = weights.max()
    return Choice.weighted(_logit(weights / largest if largest > 0 else weights))


def _logit(weights: Coefficients) -> Coefficients:
    inside = np.clip(weights, 1e-12, 1 - 1e-5)
    weighed = np.clip(np.log(inside / (1 - inside)) + 0.5, 0.0, 1.0)
    total = weighed.sum()
    result: Coefficients = weighed / total if total > 0 else weighed
    return result


def flame(view: View) -> Choice:
    """Decide by the majority cluster of directions."""
    members = _majority(cosines(view.products))
    longest = float(np.median(view.norms))
    weights = np.zeros(view.n)
    for row in members:
        norm = float(view.norms[row])
        weights[row] = min(1.0, longest / norm) if norm > 0 else 1.0
    return Choice.weighted(weights, float(len(members)))


def _majority(alike: Matrix) -> list[int]:
    """The first cluster of more than half of the rows, joining the most alike pairs first."""
    n = len(alike)
    clusters = [{row} for row in range(n)]
    pairs = sorted((-alike[i, j], i, j) for i in range(n) for j in range(i + 1, n))
    for _, i, j in pairs:
        if clusters[i] is not clusters[j]:
            joined = clusters[i] | clusters[j]
            for row in joined:
                clusters[row] = joined
            if len(joined) > n // 2:
                return sorted(joined)
    return list(range(n))
