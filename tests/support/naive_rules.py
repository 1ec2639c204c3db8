"""The rules as their papers define them, in float64 and as plainly as can be: oracles for tests."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

Array = np.ndarray


def squares(rows: Array) -> Array:
    return np.array([[np.sum((a - b) ** 2) for b in rows] for a in rows])


def krum_score(rows: Array, index: int, f: int) -> float:
    others = sorted(np.delete(squares(rows)[index], index))
    return float(sum(others[: len(rows) - f - 2]))


def mean(rows: Array, f: int) -> Array:
    return rows.mean(axis=0)


def median(rows: Array, f: int) -> Array:
    return np.median(rows, axis=0)


def trimmed_mean(rows: Array, f: int) -> Array:
    return np.sort(rows, axis=0)[f : len(rows) - f].mean(axis=0)


def meamed(rows: Array, f: int) -> Array:
    middle = np.median(rows, axis=0)
    order = np.argsort(np.abs(rows - middle), axis=0, kind="stable")[: len(rows) - f]
    return np.take_along_axis(rows, order, axis=0).mean(axis=0)


def krum(rows: Array, f: int) -> Array:
    scores = [krum_score(rows, index, f) for index in range(len(rows))]
    return rows[int(np.argmin(scores))]


def multi_krum(rows: Array, f: int) -> Array:
    scores = [krum_score(rows, index, f) for index in range(len(rows))]
    return rows[np.argsort(scores, kind="stable")[: len(rows) - f]].mean(axis=0)


def bulyan(rows: Array, f: int) -> Array:
    left, chosen = list(range(len(rows))), []
    for _ in range(len(rows) - 2 * f):
        part = squares(rows[left])
        count = max(1, len(left) - f - 2)
        scores = [sum(sorted(np.delete(part[i], i))[:count]) for i in range(len(left))]
        chosen.append(left.pop(int(np.argmin(scores))))
    return meamed(rows[sorted(chosen)], 2 * f)


def mda(rows: Array, f: int) -> Array:
    distances = squares(rows)
    subsets = combinations(range(len(rows)), len(rows) - f)
    best = min(subsets, key=lambda subset: distances[np.ix_(subset, subset)].max())
    return rows[list(best)].mean(axis=0)


def monna(rows: Array, f: int) -> Array:
    nearest = np.argsort(squares(rows)[0], kind="stable")[: len(rows) - f]
    return rows[nearest].mean(axis=0)


def geometric_median(rows: Array, f: int) -> Array:
    point = np.median(rows, axis=0)
    for _ in range(2000):
        weights = 1 / np.maximum(np.linalg.norm(rows - point, axis=1), 1e-12)
        point = weights @ rows / weights.sum()
    return point


def centered_clipping(rows: Array, f: int) -> Array:
    distances = np.linalg.norm(rows, axis=1)
    factors = np.minimum(1, np.median(distances) / distances)
    return (rows * factors[:, None]).mean(axis=0)


def nnm(rows: Array, f: int) -> Array:
    nearest = np.argsort(squares(rows), axis=1, kind="stable")[:, : len(rows) - f]
    return np.array([rows[group].mean(axis=0) for group in nearest])


def arc(rows: Array, f: int) -> Array:
    norms, n = np.linalg.norm(rows, axis=1), len(rows)
    longest = np.sort(norms)[n - 2 * f * (n - f) // n - 1]
    return rows * np.minimum(1, longest / norms)[:, None]


NAIVE: dict[str, Callable[[Array, int], Array]] = {
    "mean": mean,
    "median": median,
    "trimmed-mean": trimmed_mean,
    "meamed": meamed,
    "krum": krum,
    "multi-krum": multi_krum,
    "bulyan": bulyan,
    "mda": mda,
    "monna": monna,
    "geometric-median": geometric_median,
    "centered-clipping": centered_clipping,
}
