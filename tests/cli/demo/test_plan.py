from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from qrfld.aggregation.errors import RuleBoundError, RuleError
from qrfld.cli.demo.plan import Plan, temporary_directory
from qrfld.errors import QrfldError, UsageError

DEFAULTS: dict[str, Any] = {
    "nodes": 5,
    "rounds": 10,
    "attackers": 1,
    "attack": "sign-flip",
    "rule": "trimmed-mean",
    "alpha": 0.5,
    "seed": 7,
    "directory": Path("/nowhere"),
}


def plan(**changed: Any) -> Plan:
    return Plan(**{**DEFAULTS, **changed})


def test_last_nodes_attack_and_the_first_does_not() -> None:
    chosen = plan(nodes=5, attackers=2)
    assert chosen.names == ["node-1", "node-2", "node-3", "node-4", "node-5"]
    assert chosen.attacking == ["node-4", "node-5"]
    assert chosen.f == 2


def test_nobody_attacks_in_a_plan_without_attackers() -> None:
    assert plan(attackers=0).attacking == []
    assert plan(nodes=2, attackers=0).f == 0


def test_mean_is_told_to_withstand_nobody() -> None:
    assert plan(rule="mean").f == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"nodes": 1, "attackers": 0}, "--nodes is 1"),
        ({"nodes": 25}, "--nodes is 25"),
        ({"rounds": 0}, "--rounds is 0"),
        ({"rounds": 1001}, "--rounds is 1001"),
        ({"attackers": -1}, "--attackers is -1"),
        ({"attackers": 3}, "--attackers is 3 of 5"),
        ({"nodes": 4, "attackers": 2}, "--attackers is 2 of 4"),
        ({"attack": "flip"}, "--attack is 'flip'"),
        ({"alpha": 0.0}, "--alpha is 0.0"),
        ({"alpha": float("nan")}, "--alpha is nan"),
        ({"alpha": float("inf")}, "--alpha is inf"),
    ],
)
def test_plan_that_cannot_be_is_refused_with_its_value(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(**changed)
    assert words in caught.value.message
    assert caught.value.hint


def test_rule_that_cannot_withstand_so_many_is_refused_before_anything_starts() -> None:
    with pytest.raises(RuleBoundError):
        plan(nodes=4, rule="multi-krum")


def test_rule_that_does_not_exist_is_refused_and_composed_ones_are_taken() -> None:
    with pytest.raises(RuleError, match="unknown aggregation rule 'magic'"):
        plan(rule="magic")
    assert plan(rule="arc+nnm+trimmed-mean").f == 1


def test_temporary_directory_is_new_each_time_and_not_made() -> None:
    first, second = temporary_directory(), temporary_directory()
    assert first != second
    assert first.parent == Path(tempfile.gettempdir())
    assert not first.exists()


def test_every_refusal_is_a_named_error() -> None:
    assert issubclass(RuleBoundError, QrfldError)
