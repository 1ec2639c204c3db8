from __future__ import annotations

from typing import Any

import pytest

from qrfld.lab.grid import Line
from qrfld.lab.report import markdown, summary, worst_cases
from qrfld.lab.trial import Cell, Outcome


def line(attack: str, seed: int, accuracy: float, **counts: Any) -> Line:
    cell = Cell(
        rule="median",
        attack=attack,
        honest=4,
        hostile=1,
        alpha=0.5,
        seed=seed,
        rounds=1,
        epochs=1,
        momentum=0.0,
        model="softmax",
    )
    numbers = {"hits": 1, "chances": 2, "false_alarms": 0, "clean": 8, **counts}
    return Line(cell, Outcome(accuracy=accuracy, **numbers))


LINES = [
    line("none", 0, 0.9),
    line("none", 1, 0.8, false_alarms=4),
    line("alie", 0, 0.7),
    line("alie", 1, 0.5, chances=0, hits=0),
]


def test_summary_takes_mean_and_worst_over_the_seeds() -> None:
    none, alie = summary(LINES)
    assert (none["mean"], none["worst"], none["seeds"]) == (pytest.approx(0.85), 0.8, 2)
    assert (none["recall"], none["false_alarms"]) == (None, 0.25)
    assert (alie["mean"], alie["recall"]) == (pytest.approx(0.6), 0.5)


def test_worst_case_is_the_attack_with_the_lowest_mean() -> None:
    assert [row["attack"] for row in worst_cases(summary(LINES))] == ["alie"]


def test_table_has_a_line_for_each_attack() -> None:
    text = markdown(summary(LINES))
    assert "| median | 1 | 0.5 | alie | 60.0 % | 50.0 % | 50.0 % | 0.0 % |" in text
    assert len(text.splitlines()) == 4
