"""Screens that stay: ``status --watch`` and ``run watch`` on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from qrfld.cli import run_view, screens
from qrfld.cli.polling import polls
from qrfld.cli.session import Answer, Session
from qrfld.errors import DaemonNotRunningError

ROUNDS_SHOWN: Final = 10
AWAY: Final = "the daemon is not running; waiting for it (qrfl up starts it, Ctrl-C leaves)"
# Lines of the status screen that are not peers: header, warnings, run, foot, heads.
_OTHER_LINES: Final = 14
# Lines of the run screen that are not rounds: heads, panel, the daemon's absence, the cursor.
_AROUND_ROUNDS: Final = 8


class Screen:
    """A renderable that is drawn again on every `draw`."""

    def __init__(self, *, whole: bool, console: Console | None = None) -> None:
        self.console = console or Console()
        self._live = Live(console=self.console, screen=whole, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def draw(self, what: RenderableType) -> None:
        """Show ``what`` instead of what was shown before."""
        self._live.update(what, refresh=True)


class RunScreen(Screen):
    """One run, in place; its last state stays on the terminal."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(whole=False, console=console)
        self._latest: Answer | None = None

    def show(self, shown: Answer | None) -> None:
        """Draw the run, or its last known state and that the daemon is away."""
        self._latest = shown or self._latest
        parts: list[RenderableType] = []
        if self._latest is not None:
            parts += run_parts(self._latest, *self.console.size)
        if shown is None:
            parts.append(Text(AWAY, style="yellow"))
        self.draw(Group(*parts))


class StatusScreen(Screen):
    """The node on the whole terminal."""

    def __init__(self, session: Session, console: Console | None = None) -> None:
        super().__init__(whole=True, console=console)
        self._session = session
        self._curve: tuple[object, list[float | None]] = (None, [])

    def show(self, status: Answer | None) -> None:
        """Draw the status, or that there is no daemon."""
        if status is None:
            self.draw(Text(AWAY, style="yellow"))
            return
        width, height = self.console.size
        parts = [screens.header(status), Text()]
        most = max(3, height - _OTHER_LINES)
        parts.append(screens.peers(status["peers"], width=width, most=most))
        parts.append(Text())
        if status["run"]:
            accuracies = self._accuracies(status["run"])
            parts.append(screens.run(status["run"], accuracies, width=width))
        else:
            parts.append(Text("no run yet: qrfl run start TASK", style="dim"))
        parts.append(Text("Ctrl-C leaves", style="dim"))
        self.draw(Group(*parts))

    def _accuracies(self, run: Answer) -> list[float | None]:
        """The run's curve, asked for only when a round has been added to it."""
        key = (run["run"], run["round"])
        if self._curve[0] != key:
            try:
                shown = self._session.call("run.show", run=run["run"])
            except DaemonNotRunningError:
                return self._curve[1]
            self._curve = (key, [done["accuracy"] for done in shown["rounds"]])
        return self._curve[1]


def run_parts(shown: Answer, width: int, height: int) -> list[RenderableType]:
    """A shown run as its panel and as many of its last rounds as there is room for."""
    accuracies = [done["accuracy"] for done in shown["rounds"]]
    panel = screens.run(run_view.summary(shown), accuracies, width=width)
    most = max(1, min(ROUNDS_SHOWN, height - _AROUND_ROUNDS))
    return [screens.rounds(shown["rounds"], most=most), panel]


def watch(session: Session) -> None:
    """Draw the status twice a second until Ctrl-C."""
    answers = polls(lambda: session.call("status"))
    latest = next(answers)
    try:
        with StatusScreen(session) as screen:
            screen.show(latest)
            for answer in answers:
                screen.show(answer)
    except KeyboardInterrupt:
        return
