from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation.blocks import BLOCK_COLUMNS
from qrfld.aggregation.gram import about, distances_to, gram, medoid, squared_distances


def sample(n: int, d: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal((n, d), dtype=np.float32)


def exact_squares(rows: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    return np.array([[np.sum((a - b) ** 2) for b in wide] for a in wide])


@pytest.mark.parametrize("columns", [1, 7, BLOCK_COLUMNS, 2 * BLOCK_COLUMNS + 3])
@pytest.mark.parametrize("n", [1, 2, 5, 80])
def test_distances_equal_the_definition(n: int, columns: int) -> None:
    rows = sample(n, columns)
    expected = exact_squares(rows)
    assert squared_distances(gram(list(rows))) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_distances_of_large_offset_keep_their_digits() -> None:
    rows = np.float32(1000) + sample(6, 500)
    assert squared_distances(gram(list(rows))) == pytest.approx(exact_squares(rows), rel=1e-7)


def test_distances_hostile_row_of_1e30_does_not_blur_the_honest_ones() -> None:
    rows = sample(5, 300)
    expected = exact_squares(rows)[1:, 1:]
    rows[0] = 1e30
    assert squared_distances(gram(list(rows)))[1:, 1:] == pytest.approx(expected, rel=1e-9)


def test_distances_of_equal_rows_are_zero_and_never_negative() -> None:
    assert not squared_distances(gram(list(np.ones((4, 9), np.float32)))).any()
    near = np.float32(1e4) + 1e-3 * sample(6, 50)
    assert (squared_distances(gram(list(near))) >= 0).all()


def test_medoid_is_an_honest_row_whatever_the_others_send() -> None:
    rows = sample(7, 20)
    rows[:3] = 1e30
    assert medoid(gram(list(rows))) >= 3


def test_products_about_a_row_are_those_of_the_differences() -> None:
    rows = sample(5, 30)
    expected = gram(list(rows - rows[2]))
    assert about(gram(list(rows)), 2) == pytest.approx(expected, abs=1e-4)


def test_distances_to_a_weighted_sum_equal_the_definition() -> None:
    rows, weights = sample(6, 40), np.array([0.5, 0.1, 0, 0.2, 0.2, 0.0])
    wide = rows.astype(np.float64)
    expected = np.linalg.norm(wide - weights @ wide, axis=1)
    assert distances_to(gram(list(rows)), weights) == pytest.approx(expected, rel=1e-9)
