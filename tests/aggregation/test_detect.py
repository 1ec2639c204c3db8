from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation import NonFiniteUpdateError, evidence, suspects


def honest(n: int, d: int = 500) -> np.ndarray:
    return np.random.default_rng(n).standard_normal((n, d), dtype=np.float32)


def test_suspects_of_alike_updates_are_none() -> None:
    assert suspects(honest(8)) == []


def test_suspects_name_the_far_row() -> None:
    rows = honest(5)
    rows[3] *= -10
    assert suspects(rows) == [3]
    assert evidence(rows)[3] > 5


def test_suspects_follow_the_threshold() -> None:
    rows = honest(5)
    rows[1] *= 2
    assert suspects(rows, threshold=1.5) == [1]
    assert suspects(rows, threshold=3.0) == []


def test_suspects_among_too_few_rows_are_none() -> None:
    rows = np.array([[0], [1e6], [1], [2]], np.float32)
    assert suspects(rows) == [1]
    assert suspects(rows[:3]) == suspects(rows[:2]) == []


def test_evidence_against_identical_rows_is_infinite() -> None:
    rows = np.zeros((5, 3), np.float32)
    rows[2, 0] = 1
    assert evidence(rows) == [0, 0, float("inf"), 0, 0]
    assert suspects(rows) == [2]


def test_evidence_of_a_non_finite_row_is_refused() -> None:
    rows = honest(4)
    rows[1, 7] = np.nan
    with pytest.raises(NonFiniteUpdateError, match="row 1"):
        suspects(rows)
