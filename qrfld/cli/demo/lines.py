"""The demonstration as lines of text, and its summary."""

from __future__ import annotations

from collections import Counter
from typing import Final, TextIO

import typer

from qrfld.cli import run_view, text
from qrfld.cli.demo.plan import MEAN
from qrfld.cli.demo.stage import Outcome
from qrfld.cli.following import new_rounds
from qrfld.cli.session import Answer

CURVE: Final = 40


class Lines:
    """A line for each step and each finished round, on ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told: Counter[str] = Counter()
        self._suites: set[str] = set()

    def say(self, what: str) -> None:
        """Tell a step."""
        self._line(what)

    def nodes(self, statuses: list[Answer | None]) -> None:
        """Tell each suite that sessions run with, when it is first seen."""
        peers = [peer for status in statuses if status for peer in status["peers"]]
        suites = {peer["suite"] for peer in peers if peer["state"] == "connected"}
        for suite in sorted(suites - self._suites):
            self._line(f"sessions: {suite}")
        self._suites |= suites

    def run(self, shown: Answer) -> None:
        """Tell each round once."""
        for done in new_rounds(shown, self._told[shown["run"]]):
            self._line(f"  {run_view.round_line(done, shown['config']['rounds'])}")
            self._told[shown["run"]] = done["round"]

    def _line(self, what: str) -> None:
        typer.echo(text.printable(what), file=self._stream)
        self._stream.flush()


def summary(outcome: Outcome, *, kept: bool) -> str:
    """What was shown, in a few lines; no more than the figures say."""
    plan = outcome.plan
    acts = [outcome.robust] if plan.rule == MEAN else [outcome.robust, outcome.mean]
    rows = [
        (act["rule"], f"f={act['f']}", text.percent(act["accuracy"]), _curve(act)) for act in acts
    ]
    parts = [
        "",
        f"{plan.nodes} nodes, {plan.attackers} attacking ({plan.attack}), {plan.rounds} rounds, "
        f"{outcome.suite}",
        *text.table(("RULE", "F", "ACCURACY", "ROUND BY ROUND"), rows).split("\n"),
        f"attackers: {', '.join(plan.attacking) or 'none'}",
        f"suspected under {plan.rule}: {_suspected(outcome.robust)}",
        f"every daemon has stopped; {outcome.seconds:.0f} s in all",
    ]
    if kept:
        parts.append(f"the state lies in {plan.directory}")
        parts.append(f"look around: qrfl --home {plan.directory / plan.names[0]} up")
    return text.lines(parts)


def _curve(shown: Answer) -> str:
    return text.curve([done["accuracy"] for done in shown["rounds"]], CURVE)


def _suspected(shown: Answer) -> str:
    counts = Counter(name for done in shown["rounds"] for name in done["suspects"])
    total = len(shown["rounds"])
    found = (f"{name} in {count} of {total} rounds" for name, count in counts.most_common())
    return ", ".join(found) or "nobody"
