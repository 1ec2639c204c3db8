from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.aggregation import RuleError, aggregate, decide
from qrfld.aggregation.gram import gram, squared_distances
from qrfld.aggregation.selecting import krum_scores


def test_krum_scores_count_n_minus_f_minus_2_neighbours() -> None:
    points = list(np.array([[0], [1], [3], [7], [20]], np.float32))
    squares = squared_distances(gram(points))
    assert krum_scores(squares, 5 - 1 - 2) == pytest.approx([10, 5, 13, 52, 458])


def test_krum_takes_one_row_multi_krum_all_but_f() -> None:
    rows = np.random.default_rng(0).standard_normal((7, 40), dtype=np.float32)
    rows[2] += 9
    rows[5] -= 9
    assert decide("multi-krum", rows, f=2).rows == (0, 1, 3, 4, 6)
    assert len(decide("krum", rows, f=2).rows) == 1


@given(
    st.lists(st.integers(-20, 20), min_size=3, max_size=9), st.integers(0, 3), st.integers(0, 99)
)
def test_mda_finds_the_least_diameter_and_the_first_such_set(
    values: list[int], f: int, seed: int
) -> None:
    f = min(f, (len(values) - 1) // 2)
    noise = np.random.default_rng(seed).integers(-3, 3, (len(values), 2))
    rows = np.column_stack([values, noise]).astype(np.float32)
    squares = squared_distances(gram(list(rows)))
    subsets = list(combinations(range(len(rows)), len(rows) - f))
    least = min(squares[np.ix_(s, s)].max() for s in subsets)
    first = next(s for s in subsets if squares[np.ix_(s, s)].max() == least)
    assert decide("mda", rows, f=f).rows == first


def test_mda_with_many_rows_ends() -> None:
    rows = np.random.default_rng(0).standard_normal((41, 5), dtype=np.float32)
    assert len(decide("mda", rows, f=10).rows) == 31


@pytest.mark.parametrize("pivot", [-1, 5, 0.5, np.nan])
def test_monna_refuses_a_pivot_that_is_no_row(pivot: float) -> None:
    with pytest.raises(RuleError, match="pivot"):
        aggregate("monna", np.ones((5, 2), np.float32), f=1, pivot=pivot)


def test_monna_keeps_the_rows_nearest_to_its_own() -> None:
    rows = np.array([[0], [1], [2], [9], [10]], np.float32)
    assert decide("monna", rows, f=2, pivot=4).rows == (2, 3, 4)


def test_bulyan_needs_four_times_f_plus_three_and_ignores_f_far_rows() -> None:
    rows = np.random.default_rng(1).standard_normal((11, 60), dtype=np.float32)
    honest = aggregate("bulyan", rows, f=2)
    rows[:2] = 1e30
    assert np.linalg.norm(aggregate("bulyan", rows, f=2) - honest) < 8
