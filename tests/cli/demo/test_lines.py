from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from fixture_daemon import SUITE, peer, round_summary, shown_run, status

from qrfld.cli.demo.lines import Lines, summary
from qrfld.cli.demo.plan import Plan
from qrfld.cli.demo.stage import Outcome


def outcome(rule: str = "trimmed-mean", attackers: int = 1) -> Outcome:
    plan = Plan(5, 2, attackers, "sign-flip", rule, 0.5, 7, Path("/nowhere/demo"))
    suspects = ["node-5"] if attackers else []
    rounds = [round_summary(n, suspects=suspects) for n in (1, 2)]
    robust = shown_run(2, total=2, rule=rule, f=0 if rule == "mean" else 1, accuracy=0.95)
    mean = shown_run(2, total=2, rule="mean", f=0, accuracy=0.1)
    robust["rounds"] = mean["rounds"] = rounds
    return Outcome(plan, SUITE, robust, mean, 31.4)


def test_lines_tell_each_suite_and_each_round_once() -> None:
    stream = StringIO()
    lines = Lines(stream)
    lines.say("step one")
    for rounds in (1, 1, 2):
        lines.nodes([None, status(peers=[peer("node-2")])])
        lines.run(shown_run(rounds, total=2))
    lines.run(shown_run(1, total=2, run="ff" * 16))
    said = [line.split()[:2] for line in stream.getvalue().splitlines()]
    assert said == [
        ["step", "one"],
        ["sessions:", "X25519+ML-KEM-768"],
        ["round", "1"],
        ["round", "2"],
        ["round", "1"],
    ]


def test_summary_shows_both_rules_and_who_was_suspected() -> None:
    text = summary(outcome(), kept=True)
    assert "5 nodes, 1 attacking (sign-flip), 2 rounds" in text
    assert "trimmed-mean  f=1  95.0%     ██" in text
    assert "mean          f=0  10.0%" in text
    assert "attackers: node-5" in text
    assert "suspected under trimmed-mean: node-5 in 2 of 2 rounds" in text
    assert "the state lies in /nowhere/demo" in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"attackers": 0}, "attackers: none"), ({"attackers": 0}, "trimmed-mean: nobody")],
)
def test_summary_without_attackers_names_nobody(changed: dict[str, Any], words: str) -> None:
    assert words in summary(outcome(**changed), kept=False)


def test_summary_of_the_mean_alone_has_one_row() -> None:
    assert summary(outcome("mean"), kept=False).count("f=0") == 1


def test_summary_of_what_was_not_kept_names_no_place() -> None:
    assert "/nowhere" not in summary(outcome(), kept=False)
