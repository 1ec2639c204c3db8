"""The models of `spec/analysis`: whole in every run, proved and attacked where ProVerif is."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

ANALYSIS = Path(__file__).resolve().parents[2] / "spec" / "analysis"
_spec = importlib.util.spec_from_file_location("analysis_check", ANALYSIS / "check.py")
assert _spec is not None
assert _spec.loader is not None
check = importlib.util.module_from_spec(_spec)
sys.modules["analysis_check"] = check
_spec.loader.exec_module(check)

PROVERIF = shutil.which("proverif")
BASE, VARIANTS = check.base_cases(), check.variant_cases()


@pytest.mark.parametrize("case", BASE + VARIANTS, ids=lambda case: case.name)
def test_proverif_answers_a_query_as_it_is_written_beside_it(case) -> None:
    if PROVERIF is None:
        pytest.skip("proverif not installed")
    assert check.run(case, PROVERIF) == case.expected


def test_variant_replaces_lines_that_stand_once_and_one_query_is_left() -> None:
    for case in BASE + VARIANTS:
        model = list(check.sources(case).values())[-1]
        assert model.count("\nquery ") + model.count("\nweaksecret ") == 1, case.name


def test_variant_attacks_only_what_the_model_proves() -> None:
    proved = {(case.model, case.query) for case in BASE if case.expected == "true"}
    assert {(case.model, case.query) for case in VARIANTS} <= proved


def test_query_that_a_model_proves_has_a_variant_that_breaks_it() -> None:
    proved = {(case.model, case.query) for case in BASE if case.expected == "true"}
    broken = {(case.model, case.query) for case in VARIANTS if case.expected == "false"}
    assert proved == broken


def test_model_shows_that_its_events_can_happen() -> None:
    reachable = {case.model for case in BASE if case.expected == "false"}
    assert {"handshake", "hiding", "resumption", "token"} <= reachable


def test_readme_lists_every_query_and_variant() -> None:
    text = (ANALYSIS / "README.md").read_text()
    names = {case.query for case in BASE} | {case.variant for case in VARIANTS}
    assert {name for name in names if name not in text} == set()
