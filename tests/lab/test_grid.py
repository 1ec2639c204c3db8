from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qrfld.aggregation import RuleBoundError, RuleError
from qrfld.errors import UsageError
from qrfld.lab.grid import LabFileError, Line, Plan, read, run

pytest.importorskip("sklearn")


def plan(**changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "rules": ["mean", "median"],
        "attacks": ["none", "sign-flip"],
        "hostile": [1],
        "alphas": [1.0],
        "seeds": [0],
        "honest": 3,
        "rounds": 1,
        "model": "softmax",
    }
    return Plan(**{**fields, **changes})


def play(chosen: Plan, path: Path) -> tuple[list[Line], list[int]]:
    numbers: list[int] = []
    lines = run(chosen, path, lambda number, total, line: numbers.append(number * 100 + total))
    return lines, numbers


def test_grid_plays_the_product_and_writes_a_line_a_cell(tmp_path: Path) -> None:
    lines, numbers = play(plan(), tmp_path / "out")
    assert numbers == [104, 204, 304, 404]
    assert read(tmp_path / "out") == lines
    assert {(line.cell.rule, line.cell.attack) for line in lines} == {
        (rule, attack) for rule in ("mean", "median") for attack in ("none", "sign-flip")
    }


def test_grid_without_attackers_has_no_attack(tmp_path: Path) -> None:
    lines, _ = play(plan(hostile=[0]), tmp_path / "out")
    assert [line.cell.attack for line in lines] == ["none", "none"]


def test_interrupted_grid_goes_on_and_drops_the_torn_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    first, _ = play(plan(rules=["mean"]), path)
    path.write_bytes(path.read_bytes() + b'{"cell": {"rule": "medi')
    played: list[str] = []
    from qrfld.lab import grid

    real = grid.play
    monkeypatch.setattr(grid, "play", lambda cell: (played.append(cell.rule), real(cell))[1])
    lines, _ = play(plan(), path)
    assert played == ["median", "median"]
    assert lines[:2] == first
    assert read(path) == lines


def test_file_that_is_no_result_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("a diary\n")
    with pytest.raises(LabFileError, match="cannot be read"):
        play(plan(), path)
    assert path.read_text() == "a diary\n"
    with pytest.raises(LabFileError):
        play(plan(), tmp_path / "absent" / "out")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"attacks": ["nothing"]}, UsageError),
        ({"rules": ["nothing"]}, RuleError),
        ({"rules": ["median"], "hostile": [3]}, RuleBoundError),
        ({"model": "cnn"}, UsageError),
    ],
)
def test_plan_that_cannot_be_is_refused_before_anything_is_played(
    changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        plan(**changes)
