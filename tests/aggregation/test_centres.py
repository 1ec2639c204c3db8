from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation import RuleError, aggregate, decide


def sample(n: int, d: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal((n, d), dtype=np.float32)


def total_distance(rows: np.ndarray, point: np.ndarray) -> float:
    return float(np.linalg.norm(rows.astype(np.float64) - point, axis=1).sum())


def test_geometric_median_has_the_least_sum_of_distances() -> None:
    rows = sample(9, 30)
    found = aggregate("geometric-median", rows, f=4)
    best = total_distance(rows, found)
    for seed in range(20):
        step = np.random.default_rng(seed).standard_normal(30) * 1e-2
        assert best < total_distance(rows, found + step)


def test_geometric_median_of_a_majority_of_copies_is_the_copy() -> None:
    rows = sample(7, 10)
    rows[:4] = rows[0]
    np.testing.assert_allclose(aggregate("geometric-median", rows, f=3), rows[0], 1e-4, 1e-4)


def test_geometric_median_takes_sample_counts() -> None:
    rows = np.array([[0], [1], [10]], np.float32)
    assert aggregate("geometric-median", rows, f=1, weights=[1, 1, 9]) == pytest.approx([10], 1e-4)


def test_clipping_starts_at_the_reference() -> None:
    rows = sample(5, 20)
    far = np.full(20, 100, np.float32)
    one = aggregate("centered-clipping", rows, f=2, reference=far, tau=3.0)
    assert np.linalg.norm(one - far) == pytest.approx(3, rel=1e-2)
    expected = rows * np.minimum(1, 2 / np.linalg.norm(rows, axis=1))[:, None]
    zero = aggregate("centered-clipping", rows, f=2, tau=2.0)
    np.testing.assert_allclose(zero, expected.mean(axis=0), 1e-5, 1e-6)


def test_clipping_bounds_what_a_hostile_row_moves() -> None:
    rows = sample(9, 40)
    clean = aggregate("centered-clipping", rows, f=1, tau=5.0)
    rows[0] = 1e30
    moved = aggregate("centered-clipping", rows, f=1, tau=5.0) - clean
    assert np.linalg.norm(moved) <= 2 * 5.0 / 9


@pytest.mark.parametrize(
    "params", [{"steps": 0}, {"steps": 1e9}, {"tau": -1}, {"tau": np.nan}, {"tau": np.inf}]
)
def test_clipping_refuses_parameters_out_of_bounds(params: dict[str, float]) -> None:
    with pytest.raises(RuleError, match="centered clipping"):
        aggregate("centered-clipping", sample(5, 3), f=1, **params)


def test_caf_gives_a_crowd_in_one_direction_no_weight() -> None:
    rows = sample(10, 50)
    rows[:2] = 30 * rows[0]
    decision = decide("caf", rows, f=2)
    hostile = sum(w for row, w in zip(decision.rows, decision.weights, strict=True) if row < 2)
    assert hostile < 0.01


def test_caf_of_1e30_ends() -> None:
    rows = sample(10, 50)
    rows[:2] = 1e30
    assert np.abs(aggregate("caf", rows, f=2)).max() < 10


@pytest.mark.parametrize("name", ["geometric-median", "centered-clipping", "caf"])
def test_centres_of_equal_rows_are_the_row(name: str) -> None:
    rows = np.repeat(sample(1, 30), 5, axis=0)
    np.testing.assert_allclose(aggregate(name, rows, f=2), rows[0], 1e-6)
