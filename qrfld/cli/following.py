"""Following one run to its end: as a screen on a terminal, else as lines, or as JSON objects."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import typer

from qrfld.cli import run_view, text
from qrfld.cli.errors import RunNotFinishedError
from qrfld.cli.polling import polls
from qrfld.cli.session import Answer, Session


class Sink(Protocol):
    """Whoever is shown the run each time it was asked for; None while the daemon is away."""

    def show(self, shown: Answer | None) -> None:
        """Take the run as it is now."""


def follow(session: Session, name: str) -> None:
    """Show the run called ``name`` until it is over.

    Raises RunNotFinishedError when it was stopped or has failed.
    """
    run_id = session.call("run.show", run=name)["run"]
    with _sink(session) as sink:
        for shown in polls(lambda: session.call("run.show", run=run_id)):
            sink.show(shown)
            if shown is not None and shown["state"] in run_view.OVER:
                break
    if shown is not None and shown["state"] != "finished":
        raise RunNotFinishedError(
            f"run {run_id[: run_view.SHORT]} {run_view.state(shown)}",
            hint="its finished rounds and models stay: qrfl run show, qrfl model list",
        )


class Lines:
    """A line for each finished round, and one when the daemon goes or comes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told = 0
        self._away = False

    def show(self, shown: Answer | None) -> None:
        """Tell what is new."""
        if (shown is None) != self._away:
            self._away = shown is None
            self._session.note("the daemon does not run" if self._away else "the daemon is back")
        if shown is None:
            return
        for done in new_rounds(shown, self._told):
            typer.echo(run_view.round_line(done, shown["config"]["rounds"]))
            self._told = done["round"]
        if shown["state"] in run_view.OVER:
            found = shown["accuracy"]
            accuracy = "" if found is None else f", accuracy {text.percent(found)}"
            typer.echo(text.printable(f"{run_view.state(shown)}{accuracy}"))
        sys.stdout.flush()


class Objects:
    """A JSON object for each finished round, and one for the end."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told = 0

    def show(self, shown: Answer | None) -> None:
        """Tell what is new."""
        if shown is None:
            return
        for done in new_rounds(shown, self._told):
            self._session.emit({"event": "round", "run": shown["run"], **done})
            self._told = done["round"]
        if shown["state"] in run_view.OVER:
            over = {key: shown[key] for key in ("run", "state", "reason", "round", "accuracy")}
            self._session.emit({"event": "end", **over})


def new_rounds(shown: Answer, told: int) -> list[Answer]:
    """The finished rounds after round ``told``."""
    return [done for done in shown["rounds"] if done["round"] > told]


def _sink(session: Session) -> AbstractContextManager[Sink]:
    if session.json:
        return nullcontext(Objects(session))
    if not sys.stdout.isatty():
        return nullcontext(Lines(session))
    from qrfld.cli.watching import RunScreen

    return RunScreen()
