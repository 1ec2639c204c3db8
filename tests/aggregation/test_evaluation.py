from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.aggregation import AggregationError, trimmed_accuracy

reports = st.tuples(st.floats(0, 1), st.integers(min_value=1, max_value=2**32 - 1))


def test_accuracy_is_weighted_by_samples() -> None:
    assert trimmed_accuracy([(1.0, 30), (0.5, 10)], 0) == pytest.approx(0.875)


def test_accuracy_leaves_out_f_at_each_end() -> None:
    assert trimmed_accuracy([(v, 1) for v in (0.0, 0.9, 1.0, 0.8, 0.7)], 1) == pytest.approx(0.8)


def test_few_reports_lower_f() -> None:
    assert trimmed_accuracy([(0.4, 1), (0.8, 1)], 5) == pytest.approx(0.6)
    assert trimmed_accuracy([(0.4, 7)], 3) == pytest.approx(0.4)


def test_no_report_is_an_error() -> None:
    with pytest.raises(AggregationError):
        trimmed_accuracy([], 1)


@given(st.lists(reports, min_size=3, max_size=6), st.lists(reports, max_size=2))
def test_liars_cannot_leave_the_honest_range(
    honest: list[tuple[float, int]], liars: list[tuple[float, int]]
) -> None:
    figure = trimmed_accuracy(honest + liars, len(liars))
    values = [value for value, _ in honest]
    assert min(values) - 1e-9 <= figure <= max(values) + 1e-9
