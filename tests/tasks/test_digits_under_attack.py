"""The demo's promise without daemons: the benchmark's simulation at the demo's settings."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn")

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "digits_under_attack.py"


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(BENCHMARK))


def outcome(benchmark: dict[str, Any], rule: str, attack: str, seed: int = 7) -> Any:
    result = benchmark["Outcome"]()
    benchmark["run"](rule, attack, seed, {}, result)
    return result


@pytest.mark.parametrize("attack", ["sign-flip", "gaussian", "scaling", "nan"])
def test_trimmed_mean_keeps_digits_accurate(benchmark: dict[str, Any], attack: str) -> None:
    assert outcome(benchmark, "trimmed-mean", attack).accuracies[0] >= 0.94


def test_plain_mean_does_not(benchmark: dict[str, Any]) -> None:
    assert outcome(benchmark, "mean", "sign-flip").accuracies[0] <= 0.7


def test_sign_flipper_is_named_and_nobody_else(benchmark: dict[str, Any]) -> None:
    result = outcome(benchmark, "trimmed-mean", "sign-flip")
    assert all(result.hits)
    assert not any(result.false)
