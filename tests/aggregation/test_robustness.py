"""(f, κ)-robustness: for every set H of n - f rows the result's squared distance to the mean of H
is at most κ times the mean squared distance of H's rows to it. Constants from Allouah et al. 2023,
table 1 and lemma 1 (nearest-neighbour mixing).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrfld.aggregation import aggregate

KAPPA: dict[str, Callable[[int, int], float]] = {
    "trimmed-mean": lambda n, f: 6 * f / (n - 2 * f) * (1 + f / (n - 2 * f)),
    "krum": lambda n, f: 6 * (1 + f / (n - 2 * f)),
    "geometric-median": lambda n, f: 4 * (1 + f / (n - 2 * f)) ** 2,
    "median": lambda n, f: 4 * (1 + f / (n - 2 * f)) ** 2,
}


def after_mixing(name: str) -> Callable[[int, int], float]:
    return lambda n, f: 8 * f / (n - f) * (KAPPA[name](n, f) + 1)


BOUNDS = {**KAPPA, **{f"nnm+{name}": after_mixing(name) for name in KAPPA}}


def spread(rows: np.ndarray) -> float:
    return float(np.mean(np.sum((rows - rows.mean(axis=0)) ** 2, axis=1)))


def hostile(rows: np.ndarray, f: int, how: str, scale: float) -> np.ndarray:
    """The first f rows, chosen against the others."""
    honest = rows[f:]
    match how:
        case "opposite":
            return -scale * honest.mean(axis=0)
        case "within the spread":
            return honest.mean(axis=0) - scale * honest.std(axis=0)
        case "a copy":
            return honest[0]
        case _:
            return np.full(rows.shape[1], 1e12)


@pytest.mark.parametrize("name", BOUNDS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from([(5, 1), (7, 1), (9, 2), (10, 3)]),
    how=st.sampled_from(["opposite", "within the spread", "a copy", "far"]),
    scale=st.sampled_from([0.3, 1.0, 1.5, 10.0]),
)
def test_result_is_within_kappa_of_every_honest_mean(
    name: str, seed: int, shape: tuple[int, int], how: str, scale: float
) -> None:
    n, f = shape
    rows = np.random.default_rng(seed).normal(0.5, 1, (n, 8))
    rows[:f] = hostile(rows, f, how, scale)
    rows = rows.astype(np.float32).astype(np.float64)
    result = aggregate(name, rows, f=f)
    for subset in combinations(range(n), n - f):
        group = rows[list(subset)]
        bound = BOUNDS[name](n, f) * spread(group)
        error = float(np.sum((result - group.mean(axis=0)) ** 2))
        assert error <= bound * (1 + 1e-5) + 1e-9
