from __future__ import annotations

from typing import Any

import pytest

from qrfld.aggregation import RuleBoundError, RuleError
from qrfld.lab.trial import Cell, Outcome, catalogue, play

pytest.importorskip("sklearn")


def cell(**changes: Any) -> Cell:
    fields: dict[str, Any] = {
        "rule": "trimmed-mean",
        "attack": "none",
        "honest": 5,
        "hostile": 1,
        "alpha": 1.0,
        "seed": 0,
        "rounds": 3,
        "epochs": 1,
        "momentum": 0.0,
        "model": "softmax",
    }
    return Cell(**{**fields, **changes})


def test_cell_without_attack_learns_and_counts_every_update() -> None:
    outcome = play(cell(rounds=5, epochs=3))
    assert outcome.accuracy > 0.7
    assert (outcome.clean, outcome.chances) == (25, 5)


def test_cell_is_the_same_every_time() -> None:
    assert play(cell(attack="gaussian")) == play(cell(attack="gaussian"))


def test_loud_attack_ruins_the_mean_and_is_named_and_the_trimmed_mean_bears_it() -> None:
    mean = play(cell(rule="mean", attack="sign-flip", rounds=5, epochs=3))
    robust = play(cell(attack="sign-flip", rounds=5, epochs=3))
    assert mean.accuracy < 0.2 < 0.6 < robust.accuracy
    assert robust.hits == robust.chances == 5


def test_update_that_is_not_finite_is_refused_at_the_door() -> None:
    outcome = play(cell(attack="nan", hostile=2))
    assert outcome.chances == 0
    assert outcome.accuracy > 0.5


@pytest.mark.parametrize("attack", [name for name in catalogue() if name != "nan"])
def test_every_attack_can_be_played(attack: str) -> None:
    outcome = play(cell(attack=attack, momentum=0.5))
    assert 0 <= outcome.accuracy <= 1
    assert isinstance(outcome, Outcome)


def test_cell_that_cannot_be_is_refused() -> None:
    with pytest.raises(RuleBoundError):
        play(cell(hostile=5))
    with pytest.raises(RuleError):
        play(cell(attack="nothing"))
