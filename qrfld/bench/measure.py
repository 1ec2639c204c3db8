"""Batches in turns: how contenders are compared on a machine that others use too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final

#: How long one contender works before the next has its turn.
BATCH_SECONDS: Final = 0.1


def in_turns(
    works: Mapping[str, Callable[[], float]], seconds: float, *, batch: float = BATCH_SECONDS
) -> dict[str, list[float]]:
    """Run each work in turns for about ``seconds`` each; the mean of every batch.

    A work does one unit and returns what it cost, in any unit. Batch k of one work ran beside batch
    k of every other. Each work runs at least once.
    """
    means: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(max(1, round(seconds / batch))):
        for name, work in works.items():
            means[name].append(_batch(work, min(batch, seconds)))
    return means


def _batch(work: Callable[[], float], seconds: float) -> float:
    costs: list[float] = []
    end = time.perf_counter() + seconds
    while not costs or time.perf_counter() < end:
        costs.append(work())
    return sum(costs) / len(costs)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median ratio of batches that ran side by side."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def cpu(work: Callable[[], object]) -> Callable[[], float]:
    """``work``, returning the seconds of CPU time that this process spent on it."""

    def timed() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return timed


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the values lie: the nearest that occurred."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
