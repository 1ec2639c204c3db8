from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.aggregation import AggregationError, Report, trimmed_accuracy, trimmed_loss

reports = st.builds(
    Report, st.floats(0, 1), st.floats(0, 100), st.integers(min_value=1, max_value=2**32 - 1)
)


def test_accuracy_is_weighted_by_samples() -> None:
    assert trimmed_accuracy([Report(1.0, 0, 30), Report(0.5, 0, 10)], 0) == pytest.approx(0.875)


def test_accuracy_leaves_out_f_at_each_end() -> None:
    scores = [Report(value, 0, 1) for value in (0.0, 0.9, 1.0, 0.8, 0.7)]
    assert trimmed_accuracy(scores, 1) == pytest.approx(0.8)


def test_loss_is_trimmed_by_loss() -> None:
    scores = [Report(0.5, value, 1) for value in (1e9, 1.0, 3.0)]
    assert trimmed_loss(scores, 1) == 3.0


def test_few_reports_lower_f() -> None:
    assert trimmed_accuracy([Report(0.4, 0, 1), Report(0.8, 0, 1)], 5) == pytest.approx(0.6)
    assert trimmed_accuracy([Report(0.4, 0, 7)], 3) == pytest.approx(0.4)


def test_no_report_is_an_error() -> None:
    with pytest.raises(AggregationError):
        trimmed_accuracy([], 1)


@given(st.lists(reports, min_size=2, max_size=6), st.lists(reports, max_size=2))
def test_liars_cannot_leave_the_honest_range(honest: list[Report], liars: list[Report]) -> None:
    f = min(len(liars), (len(honest) + len(liars) - 1) // 2)
    if len(liars) <= f:
        figure = trimmed_accuracy(honest + liars, f)
        values = [report.accuracy for report in honest]
        assert min(values) - 1e-12 <= figure <= max(values) + 1e-12
