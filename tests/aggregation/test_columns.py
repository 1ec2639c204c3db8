from __future__ import annotations

import numpy as np
import pytest
from naive_rules import meamed

from qrfld.aggregation.blocks import BLOCK_COLUMNS
from qrfld.aggregation.columns import Column, Combination


def combine(rows: np.ndarray, column: Column, cut: int = 0) -> np.ndarray:
    n, d = rows.shape
    out = np.empty(d, np.float32)
    Combination(column, (1.0,) * n, float(n), cut).mixer()(list(rows), out)
    return out


@pytest.mark.parametrize("d", [1, 30, BLOCK_COLUMNS])
@pytest.mark.parametrize("n", [1, 2, 5, 8, 13])
def test_column_rules_equal_numpys(n: int, d: int) -> None:
    rows = np.random.default_rng(n).standard_normal((n, d), dtype=np.float32)
    assert np.array_equal(combine(rows, "median"), np.median(rows, axis=0))
    cut = (n - 1) // 2
    expected = np.sort(rows, axis=0)[cut : n - cut].mean(axis=0)
    np.testing.assert_allclose(combine(rows, "trimmed-mean", cut), expected, 1e-6, 1e-7)
    np.testing.assert_allclose(combine(rows, "mean"), rows.mean(axis=0), 1e-5, 1e-6)


@pytest.mark.parametrize("cut", [0, 1, 3, 6])
def test_mean_around_the_median_equals_its_definition(cut: int) -> None:
    rows = np.random.default_rng(cut).standard_normal((9, 400), dtype=np.float32)
    rows[:2] *= 20
    expected = meamed(rows.astype(np.float64), cut)
    np.testing.assert_allclose(combine(rows, "meamed", cut), expected, 1e-6, 1e-6)


def test_mean_around_the_median_takes_the_smaller_of_two_equally_near() -> None:
    rows = np.array([[0], [2], [4]], np.float32)
    assert combine(rows, "meamed", 1) == [1]


def test_mean_around_the_median_drops_far_copies() -> None:
    rows = np.array([[-9], [-9], [0], [1], [2]], np.float32)
    assert combine(rows, "meamed", 2) == [1]
