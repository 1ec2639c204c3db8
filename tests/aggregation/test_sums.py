from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qrfld.aggregation.sums import Adder

LARGEST = float(np.finfo(np.float32).max)


def mean(rows: np.ndarray, **options: Any) -> np.ndarray:
    out = np.empty(rows.shape[1], np.float32)
    Adder(rows.shape[1]).mean(list(rows), out, **options)
    return out


@given(
    st.integers(1, 40).flatmap(
        lambda n: arrays.arrays(np.float32, (n, 7), elements=st.floats(-1e6, 1e6, width=32))
    )
)
def test_mean_equals_float64s_within_float32s_digits(rows: np.ndarray) -> None:
    expected = rows.astype(np.float64).mean(axis=0)
    slack = 1e-6 * np.abs(rows).max(axis=0)
    assert (np.abs(mean(rows) - expected) <= slack + 1e-30).all()


def test_weights_and_divisor_are_applied() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert mean(rows, weights=[2.0, 0.5, 1.0], divisor=2.0) == pytest.approx(
        (2 * rows[0] + 0.5 * rows[1] + rows[2]) / 2
    )


@pytest.mark.parametrize("n", [1, 8, 9, 30])
def test_mean_of_the_largest_values_does_not_overflow(n: int) -> None:
    rows = np.full((n, 3), LARGEST, np.float32)
    rows[:, 1] *= -1
    assert np.array_equal(mean(rows), rows[0])


def test_sum_that_cancels_after_overflow_is_right() -> None:
    rows = np.array([[LARGEST], [LARGEST], [-LARGEST], [-LARGEST], [6.0]], np.float32)
    assert mean(rows) == pytest.approx([1.2])


@pytest.mark.parametrize("n", [1, 3, 17])
def test_negative_zeros_do_not_survive(n: int) -> None:
    assert not np.signbit(mean(np.full((n, 2), -0.0, np.float32))).any()


def test_rows_are_not_written() -> None:
    rows = np.ones((9, 5), np.float32)
    rows.setflags(write=False)
    assert np.array_equal(mean(rows), rows[0])
