from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation.blocks import BLOCK_COLUMNS
from qrfld.aggregation.distances import centred_gram, squared_distances


def exact_squares(rows: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    return np.array([[np.sum((a - b) ** 2) for b in wide] for a in wide])


@pytest.mark.parametrize("columns", [1, 7, BLOCK_COLUMNS, 2 * BLOCK_COLUMNS + 3])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_distances_equal_the_definition(n: int, columns: int) -> None:
    rows = np.random.default_rng(n).standard_normal((n, columns), dtype=np.float32)
    assert squared_distances(centred_gram(rows)) == pytest.approx(exact_squares(rows), abs=1e-9)


def test_distances_of_large_offset_keep_their_digits() -> None:
    rows = np.float32(1000) + np.random.default_rng(1).standard_normal((6, 500), dtype=np.float32)
    assert squared_distances(centred_gram(rows)) == pytest.approx(exact_squares(rows), rel=1e-9)


def test_distances_hostile_row_of_1e30_does_not_blur_the_honest_ones() -> None:
    rows = np.random.default_rng(2).standard_normal((5, 300), dtype=np.float32)
    expected = exact_squares(rows)[1:, 1:]
    rows[0] = 1e30
    assert squared_distances(centred_gram(rows))[1:, 1:] == pytest.approx(expected, rel=1e-9)


def test_distances_of_equal_rows_are_zero() -> None:
    assert not squared_distances(centred_gram(np.ones((4, 9), np.float32))).any()
