"""The demonstration as one live picture: the nodes, then each act's progress and curve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from qrfld.cli import run_view, screens
from qrfld.cli.demo.plan import Plan
from qrfld.cli.session import Answer
from qrfld.cli.watching import Screen


class DemoScreen(Screen):
    """Draws what the stage tells; its last picture stays on the terminal."""

    def __init__(self, plan: Plan, console: Console | None = None) -> None:
        super().__init__(whole=False, console=console)
        self._plan = plan
        self._step = ""
        self._statuses: list[Answer | None] = [None] * plan.nodes
        self._runs: dict[str, Answer] = {}

    def say(self, what: str) -> None:
        """Show the step under way below the picture."""
        self._step = what
        self._redraw()

    def nodes(self, statuses: list[Answer | None]) -> None:
        """Show the nodes."""
        self._statuses = statuses
        self._redraw()

    def run(self, shown: Answer) -> None:
        """Show a run; an earlier one stays above it."""
        self._runs[shown["run"]] = shown
        self._redraw()

    def _redraw(self) -> None:
        width = self.console.width
        latest = list(self._runs.values())[-1:]
        parts: list[RenderableType] = [
            _suites(self._statuses),
            node_table(self._plan, self._statuses, latest[0] if latest else None),
        ]
        for shown in self._runs.values():
            accuracies = [done["accuracy"] for done in shown["rounds"]]
            parts.append(screens.run(run_view.summary(shown), accuracies, width=width))
        parts.append(screens.safe(f"▸ {self._step}", "dim"))
        self.draw(Group(*parts))


def node_table(
    plan: Plan, statuses: Sequence[Answer | None], shown: Answer | None
) -> RenderableType:
    """A row for each node: what it is, what it does, how often it was suspected."""
    suspected = Counter(
        name for done in (shown or {"rounds": []})["rounds"] for name in done["suspects"]
    )
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("node", "", "state", "sessions", "round", "suspected"):
        grid.add_column(head, no_wrap=True, overflow="ellipsis")
    for name, status in zip(plan.names, statuses, strict=True):
        attacking = name in plan.attacking
        count = suspected[name]
        grid.add_row(
            Text(name, style="bold"),
            Text(plan.attack, style="red") if attacking else Text("honest", style="dim"),
            screens.safe(_state(status)),
            f"{status['sessions']} of {plan.nodes - 1}" if status else "-",
            _round(status),
            Text(f"in {count} rounds" if count != 1 else "in 1 round", style="red")
            if count
            else "-",
        )
    return grid


def _suites(statuses: Sequence[Answer | None]) -> Text:
    peers = [peer for status in statuses if status for peer in status["peers"]]
    suites = sorted({peer["suite"] for peer in peers if peer["state"] == "connected"})
    return screens.safe(f"sessions: {', '.join(suites) or 'none yet'}", "dim")


def _state(status: Answer | None) -> str:
    if status is None:
        return "down"
    run = status["run"]
    return run_view.state(run) if run and run["state"] not in run_view.OVER else "up"


def _round(status: Answer | None) -> str:
    if status is None or not status["run"]:
        return "-"
    return f"{status['run']['round']} of {status['run']['rounds']}"
