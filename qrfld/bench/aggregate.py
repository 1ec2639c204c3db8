"""`qrfl bench aggregate`: speed of the aggregation rules, in units of one read of their input.

One thread, float32. The unit is the CPU time of ``input.sum()`` in the same run, best of three, as
is everything else; beside the rules stand numpy's own sort and median.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation import contract, rule, rules, suspects
from qrfld.bench.report import Result, Table, figure

COLUMNS: Final = 4_000_000
ROWS: Final = (5, 10, 20)
COMPOSED: Final = ("nnm+trimmed-mean", "arc+nnm+trimmed-mean")
_REPEATS: Final = 3


def measure(columns: int = COLUMNS, rows: Sequence[int] = ROWS) -> Result:
    """Time every rule on ``rows`` updates of ``columns`` parameters."""
    units: dict[int, float] = {}
    times: dict[str, dict[int, float]] = {}
    for n in rows:
        updates = np.random.default_rng(0).standard_normal((n, columns), dtype=np.float32)
        units[n] = _best(updates.sum)
        for name, work, repeats in _works(updates):
            times.setdefault(name, {})[n] = _best(work, repeats)
    reads = {name: {n: found[n] / units[n] for n in rows} for name, found in times.items()}
    table = Table(
        f"Aggregation rules, {columns:,} columns, in reads of the input",
        ["rule", *(f"n = {n}" for n in rows)],
        [[name, *(figure(found[n]) for n in rows)] for name, found in reads.items()],
        [
            "One thread, float32, f = n/5 or the most that the rule takes; one read takes "
            + ", ".join(f"{1000 * units[n]:.1f} ms (n = {n})" for n in rows)
            + "."
        ],
    )
    data = {
        "columns": columns,
        "read_ms": {str(n): 1000 * unit for n, unit in units.items()},
        "reads": {name: {str(n): value for n, value in f.items()} for name, f in reads.items()},
    }
    return Result("aggregate", data, [table])


def _works(
    updates: NDArray[np.float32],
) -> Iterator[tuple[str, Callable[[], object], int]]:
    """What is timed on these rows: name, work, how often."""
    n = len(updates)
    for entry in (*rules(), *map(rule, COMPOSED)):
        if n >= entry.least:
            f = min(n // 5, entry.largest_f(n))
            yield entry.name, partial(contract.run, entry, updates, f), _REPEATS
    yield "suspects", partial(suspects, updates), _REPEATS
    cut = n // 5
    yield "numpy sort and mean", lambda: np.sort(updates, axis=0)[cut : n - cut].mean(axis=0), 1
    yield "numpy median", partial(np.median, updates, axis=0), 1


def _best(work: Callable[[], object], repeats: int = _REPEATS) -> float:
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)
