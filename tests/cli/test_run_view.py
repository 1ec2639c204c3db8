from __future__ import annotations

import pytest
from fixture_daemon import RUN, round_summary, run_summary, shown_run

from qrfld.cli import run_view


def test_one_line_tells_progress_phase_and_accuracy() -> None:
    line = run_view.one_line(run_summary())
    assert line == "1f2e3d4c digits, trimmed-mean f=1: round 2 of 10, training, 91.5%"


def test_one_line_before_the_first_round_has_no_accuracy() -> None:
    line = run_view.one_line(run_summary(round=0, accuracy=None, phase=""))
    assert line.endswith("round 0 of 10, running")


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (run_summary(state="failed", reason="quorum lost"), "failed: quorum lost"),
        (run_summary(state="stopped", reason="stopped by its operator"), "stopped by its operator"),
        (run_summary(state="finished", phase="done"), "finished"),
        (run_summary(state="waiting", phase="waiting for bob"), "waiting for bob"),
    ],
)
def test_state_of_a_run_that_is_over_is_why(run: dict[str, object], state: str) -> None:
    assert run_view.state(run) == state


def test_details_show_settings_and_rounds() -> None:
    text = run_view.details(shown_run(rounds=2))
    assert f"run          {RUN}" in text
    assert "parameters   alpha=0.5" in text
    assert "rounds       2 of 10" in text
    assert text.splitlines()[-1].startswith("2      90.0%")
    assert "mallory" in text


def test_details_before_the_first_round_have_no_table() -> None:
    assert "ACCURACY" not in run_view.details(shown_run(rounds=0))


def test_round_without_evaluations_has_no_figures() -> None:
    shown = shown_run()
    shown["rounds"] = [round_summary(1, None)]
    assert run_view.details(shown).splitlines()[-1].split()[:3] == ["1", "-", "-"]
    assert "accuracy      -" in run_view.round_line(round_summary(1, None), 10)


def test_round_line_names_suspects_and_late_members_printably() -> None:
    line = run_view.round_line(round_summary(3, stragglers=["bob\x1b[1m"]), 10)
    assert line == (
        "round   3 of 10  accuracy  90.0%    1.5 s  100 kB  suspect: mallory  late: bob\\x1b[1m"
    )


def test_summary_of_a_shown_run_counts_all_rounds() -> None:
    assert run_view.summary(shown_run(rounds=2, total=7))["rounds"] == 7
