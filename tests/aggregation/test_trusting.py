from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation import RuleError, aggregate, decide


def around(centre: float, n: int, d: int = 40) -> np.ndarray:
    return (centre + 0.3 * np.random.default_rng(n).standard_normal((n, d))).astype(np.float32)


def test_fltrust_ignores_rows_against_the_reference_and_gives_the_rest_its_length() -> None:
    rows, own = np.concatenate([around(1, 4), -around(1, 2), 100 * around(1, 1)]), around(1, 8)[0]
    decision = decide("fltrust", rows, f=3, reference=own)
    assert decision.rows == (0, 1, 2, 3, 6)
    result = aggregate("fltrust", rows, f=3, reference=own)
    assert np.linalg.norm(result) == pytest.approx(np.linalg.norm(own), rel=0.1)


def test_fltrust_without_a_reference_or_without_trust_says_so() -> None:
    rows = around(1, 5)
    with pytest.raises(RuleError, match="needs a reference"):
        aggregate("fltrust", rows, f=1)
    with pytest.raises(RuleError, match="gives no row a weight"):
        aggregate("fltrust", rows, f=1, reference=-rows[0])
    with pytest.raises(RuleError, match="gives no row a weight"):
        aggregate("fltrust", np.zeros((5, 40), np.float32), f=1, reference=rows[0])


def test_foolsgold_takes_weight_from_rows_that_point_the_same_way() -> None:
    rows = np.random.default_rng(0).standard_normal((8, 200), dtype=np.float32)
    rows[5:] = rows[5] * np.array([[1], [1.01], [0.99]], np.float32)
    decision = decide("foolsgold", rows, f=0)
    assert set(decision.rows) == {0, 1, 2, 3, 4}


def test_foolsgold_of_sybils_alone_gives_nobody_a_weight() -> None:
    with pytest.raises(RuleError, match="gives no row a weight"):
        aggregate("foolsgold", np.ones((4, 3), np.float32), f=0)


def test_flame_keeps_the_majority_cluster_and_shortens_its_long_rows() -> None:
    rows = np.concatenate([around(1, 5), -around(1, 3)])
    rows[0] *= 50
    decision = decide("flame", rows, f=3)
    assert set(decision.rows) <= {0, 1, 2, 3, 4}
    assert len(decision.rows) == 5
    assert decision.weights[0] < 0.05


def test_flame_of_zeros_is_zero() -> None:
    assert not aggregate("flame", np.zeros((5, 4), np.float32), f=1).any()
