"""Robust statistics over updates: combine them, name suspects, attack them, judge the result.

The room knows arrays, nothing of networks, disks or identities. Reading order: `blocks` (how rows
are walked), `gram` and `view` (what a rule may look at), `selecting`, `centres`, `trusting` (how
rules choose), `decision` (choice and mix), `columns`, `order`, `sums` (how rows become one),
`stages` and `preaggregation` (what comes first), `rules` (the public entry point); then `detect`,
`attacks`, `evaluation`.
"""

from qrfld.aggregation.attacks import attack, attacks
from qrfld.aggregation.decision import Choice, Decision, mix
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
from qrfld.aggregation.rules import Rule, aggregate, decide, pre_aggregations, rule, rules
from qrfld.aggregation.view import View

__all__ = [
    "AggregationError",
    "Choice",
    "Decision",
    "NonFiniteUpdateError",
    "Rule",
    "RuleBoundError",
    "RuleError",
    "UpdateShapeError",
    "View",
    "WeightError",
    "aggregate",
    "attack",
    "attacks",
    "decide",
    "evidence",
    "mix",
    "pre_aggregations",
    "rule",
    "rules",
    "suspects",
    "trimmed_accuracy",
]
