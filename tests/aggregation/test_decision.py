from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from qrfld.aggregation import Choice, Decision, RuleError, decide, mix
from qrfld.aggregation.stages import Average, Scale

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_choice_leaves_rows_without_weight_out() -> None:
    choice = Choice.weighted([0.0, 2.0, 0.0, 1.0], 3.0)
    assert choice.rows == (1, 3)
    assert mix(ROWS, Decision("x", 0, (), choice)) == pytest.approx((2 * ROWS[1] + ROWS[3]) / 3)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_choice_without_usable_weights_is_refused(weights: list[float]) -> None:
    with pytest.raises(RuleError, match="gives no row a weight"):
        Choice.weighted(weights)


def test_mix_passes_rows_through_the_stages_in_order() -> None:
    stages = (Scale((1.0, 0.5, 1.0, 1.0)), Average(((0, 1), (2, 3))))
    decision = Decision("x", 0, stages, Choice.mean([0]))
    assert mix(ROWS, decision) == pytest.approx((ROWS[0] + ROWS[1] / 2) / 2)


GOOD = decide("arc+nnm+trimmed-mean", ROWS, f=1)


@pytest.mark.parametrize(
    "decision",
    [
        decide("mean", np.ones((5, 3), np.float32), f=0),
        replace(GOOD, stages=(Scale((1.0,) * 3),)),
        replace(GOOD, stages=(Average(((0, 4),)),)),
        replace(GOOD, stages=(Average(((0, -1),)),)),
        replace(GOOD, choice=Choice.mean([])),
        replace(GOOD, choice=Choice.mean([-1])),
        replace(GOOD, choice=replace(GOOD.choice, rows=(0, 1))),
    ],
)
def test_decision_that_does_not_fit_is_refused(decision: Decision) -> None:
    with pytest.raises(RuleError, match="does not fit"):
        mix(ROWS, decision)


PROGRAM = """
import hashlib, numpy as np
from qrfld.aggregation import aggregate, decide
rows = np.random.default_rng(3).standard_normal((11, 40_000), dtype=np.float32)
rows[:3] *= -4
for name in {names!r}:
    decision = decide(name, rows, f=2)
    print(name, decision.rows, hashlib.sha256(aggregate(name, rows, f=2).tobytes()).hexdigest())
"""
NAMES = ["median", "trimmed-mean", "meamed", "krum", "multi-krum", "mda", "bulyan",
         "nnm+trimmed-mean", "nnm+median"]  # fmt: skip


def test_results_are_the_same_to_the_bit_under_other_blas_kernels() -> None:
    """Rules that choose rows; those with real weights repeat a *decision* to the bit, not more."""
    outputs = set()
    for core in ("Haswell", "Nehalem", "Prescott"):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(names=NAMES)],
            env={**os.environ, "OPENBLAS_CORETYPE": core, "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1
