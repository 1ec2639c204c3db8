from __future__ import annotations

import pytest

from qrfld.bench.measure import cpu, in_turns, percentile, ratio


def test_works_take_turns_and_every_batch_has_its_mean() -> None:
    order: list[str] = []

    def work(name: str, cost: float) -> float:
        order.append(name)
        return cost

    means = in_turns({"a": lambda: work("a", 2.0), "b": lambda: work("b", 3.0)}, 0.0)
    assert means == {"a": [2.0], "b": [3.0]}
    assert order == ["a", "b"]


def test_more_seconds_give_more_batches() -> None:
    means = in_turns({"a": lambda: 1.0, "b": lambda: 1.0}, 0.003, batch=0.001)
    assert [len(found) for found in means.values()] == [3, 3]


def test_ratio_is_of_batches_that_ran_side_by_side() -> None:
    assert ratio([1.0, 20.0, 3.0], [2.0, 40.0, 30.0]) == 0.5


def test_cpu_counts_what_the_work_took() -> None:
    assert 0.0 <= cpu(lambda: None)() < 60.0


@pytest.mark.parametrize(("share", "found"), [(0.0, 1.0), (0.5, 2.0), (0.99, 3.0), (1.0, 3.0)])
def test_percentile_is_a_value_that_occurred(share: float, found: float) -> None:
    assert percentile([3.0, 1.0, 2.0], share) == found
