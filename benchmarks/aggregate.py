"""Speed of the aggregation rules, in units of one read of their input.

    python benchmarks/aggregate.py [--columns 4000000] [--rows 5 10 20]

One thread, float32. The unit is the time of ``input.sum()`` in the same run, best of three, as is
everything else; beside the rules stand numpy's own sort and median. On a busy machine with two
cores, ten rows: mean 4, median 6, trimmed mean 8, Multi-Krum 16, suspects 13 reads; numpy's sort
44, its median 93.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import time
from collections.abc import Callable

import numpy as np

from qrfld.aggregation import aggregate, rules, suspects


def best(work: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def measure(n: int, columns: int) -> None:
    updates = np.random.default_rng(0).standard_normal((n, columns), dtype=np.float32)
    unit = best(updates.sum)
    print(f"\nn = {n}, d = {columns}: one read takes {1000 * unit:.1f} ms")

    def row(name: str, work: Callable[[], object], repeats: int = 3) -> None:
        print(f"  {name:24} {best(work, repeats) / unit:7.1f} reads")

    for entry in rules():
        f = min(n // 5, entry.largest_f(n))
        row(f"{entry.name} (f = {f})", lambda name=entry.name, f=f: aggregate(name, updates, f=f))
    row("suspects", lambda: suspects(updates))
    cut = n // 5
    row("numpy sort and mean", lambda: np.sort(updates, axis=0)[cut : n - cut].mean(axis=0), 1)
    row("numpy median", lambda: np.median(updates, axis=0), 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--columns", type=int, default=4_000_000)
    parser.add_argument("--rows", type=int, nargs="+", default=[5, 10, 20])
    options = parser.parse_args()
    for n in options.rows:
        measure(n, options.columns)


if __name__ == "__main__":
    main()
