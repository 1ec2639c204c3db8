from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation import RuleError, View
from qrfld.aggregation.preaggregation import PRE_AGGREGATIONS
from qrfld.aggregation.stages import Average, Scale, Stage


def decide(name: str, rows: np.ndarray, f: int = 1, **parameters: float) -> Stage:
    entry = PRE_AGGREGATIONS[name]
    given = {**entry.parameters, **parameters}
    rng = np.random.default_rng(0)
    return entry.decide(View(list(rows), f, (1,) * len(rows), given, rng))


LENGTHS = np.diag(np.array([1, 2, 3, 4, 10], np.float32))


def test_arc_shortens_the_longest_rows_to_the_longest_that_remains() -> None:
    assert decide("arc", LENGTHS, f=1) == Scale((1, 1, 1, 1, 0.4))  # ⌊2·1·4/5⌋ = 1 row
    assert decide("arc", LENGTHS, f=2) == Scale((1, 1, 1, 0.75, pytest.approx(0.3)))
    assert decide("arc", LENGTHS, f=0) == Scale((1,) * 5)


def test_clip_shortens_to_the_given_length_and_demands_one() -> None:
    assert decide("clip", LENGTHS, clip_norm=2.0) == Scale((1, 1, pytest.approx(2 / 3), 0.5, 0.2))
    for wrong in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(RuleError, match="clip_norm"):
            decide("clip", LENGTHS, clip_norm=wrong)


def test_nnm_averages_each_row_with_its_nearest_and_itself() -> None:
    rows = np.array([[0], [1], [2], [50]], np.float32)
    assert decide("nnm", rows, f=1) == Average(((0, 1, 2), (0, 1, 2), (0, 1, 2), (1, 2, 3)))


def test_nnm_of_equal_rows_keeps_each_in_its_own_group() -> None:
    groups = decide("nnm", np.ones((5, 3), np.float32), f=2)
    assert isinstance(groups, Average)
    assert all(index in group and len(group) == 3 for index, group in enumerate(groups.groups))


def test_bucketing_puts_each_row_in_one_bucket() -> None:
    for n, f, size, count in ((10, 2, 0, 5), (10, 0, 0, 10), (10, 1, 3, 4), (5, 2, 0, 5)):
        buckets = decide("bucketing", np.ones((n, 2), np.float32), f, bucket_size=size)
        assert isinstance(buckets, Average)
        assert buckets.rows == count
        assert sorted(index for bucket in buckets.groups for index in bucket) == list(range(n))


@pytest.mark.parametrize("size", [-1, 1.5])
def test_bucketing_refuses_a_size_that_is_none(size: float) -> None:
    with pytest.raises(RuleError, match="bucket_size"):
        decide("bucketing", np.ones((5, 2), np.float32), bucket_size=size)
