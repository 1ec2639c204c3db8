from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from qrfld.aggregation import Choice, Rule, View, contract, rule, rules


@pytest.mark.parametrize("name", [entry.name for entry in rules()])
def test_every_rule_keeps_the_contract(name: str) -> None:
    contract.check(rule(name), needs_place=name == "monna")


@pytest.mark.parametrize("name", ["nnm+trimmed-mean", "arc+nnm+trimmed-mean", "nnm+multi-krum"])
def test_composed_rules_keep_the_contract(name: str) -> None:
    contract.check(rule(name))


def example(view: View) -> Choice:
    return Choice.mean([int(np.argmin(np.median(view.squared_distances, axis=1)))])


EXAMPLE = Rule("example", example, 2, 1, "n²", "docs/extending.md")


def test_example_of_the_documentation_keeps_the_contract() -> None:
    contract.check(EXAMPLE)


def _first(view: View) -> Choice:
    return Choice.mean([0])


@cache
def _fresh() -> np.random.Generator:
    return np.random.default_rng()


def _mean(view: View) -> Choice:
    return Choice.mean(range(view.n))


def _drawing(view: View) -> Choice:
    return Choice.mean([int(_fresh().integers(view.n))])


def _loose(view: View) -> Choice:
    return Choice.weighted([1.0] * view.n, 100.0 / np.sqrt(view.norms.max()))


MUTANTS = {
    "the order of rows": replace(EXAMPLE, decide=_first),
    "f rows of 1e30": replace(EXAMPLE, decide=_mean),
    "the same bits": replace(EXAMPLE, decide=_drawing),
    "a common scale": replace(EXAMPLE, decide=_loose),
}


@pytest.mark.parametrize("broken", MUTANTS)
def test_contract_names_what_a_broken_rule_breaks(broken: str) -> None:
    with pytest.raises(AssertionError, match=broken):
        contract.check(MUTANTS[broken])
