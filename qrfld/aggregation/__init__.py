"""Robust statistics over updates: combine them, name suspects, attack them, judge the result.

The room knows arrays, nothing of networks, disks or identities. Reading order: `blocks` (how rows
are walked), `order` (ranks by selection networks), `distances`, `rules` (the public entry point),
then `detect`, `attacks`, `evaluation`.
"""

from qrfld.aggregation.attacks import attack, attacks
from qrfld.aggregation.detect import evidence, suspects
from qrfld.aggregation.errors import (
    AggregationError,
    NonFiniteUpdateError,
    RuleBoundError,
    RuleError,
    UpdateShapeError,
    WeightError,
)
from qrfld.aggregation.evaluation import trimmed_accuracy
from qrfld.aggregation.rules import Decision, Rule, aggregate, decide, mix, rule, rules

__all__ = [
    "AggregationError",
    "Decision",
    "NonFiniteUpdateError",
    "Rule",
    "RuleBoundError",
    "RuleError",
    "UpdateShapeError",
    "WeightError",
    "aggregate",
    "attack",
    "attacks",
    "decide",
    "evidence",
    "mix",
    "rule",
    "rules",
    "suspects",
    "trimmed_accuracy",
]
