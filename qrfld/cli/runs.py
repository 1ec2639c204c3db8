"""Starting, stopping, listing and watching training runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from qrfld.cli import run_view
from qrfld.cli.arguments import parameters
from qrfld.cli.session import current
from qrfld.errors import UsageError

Run = Annotated[
    str, typer.Argument(metavar="[RUN]", help="The beginning of a run's id, or latest.")
]


def start(
    task: Annotated[
        str,
        typer.Argument(
            help="A task's name, as every member's configuration knows it, or FILE.py:CLASS."
        ),
    ],
    rounds: Annotated[int, typer.Option(min=1, max=100_000, help="How many rounds.")] = 10,
    rule: Annotated[
        str, typer.Option(help="How updates are combined; docs/runs.md lists the rules.")
    ] = "trimmed-mean",
    f: Annotated[
        int | None,
        typer.Option(
            "--f",
            min=0,
            max=65_535,
            help="How many malicious members to withstand. "
            "[default: a fifth of the members, at least one, as far as the rule can]",
        ),
    ] = None,
    quorum: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            help="Updates that a round needs at least. [default: a majority, or more if --f does]",
        ),
    ] = None,
    deadline: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0.1, max=604_800, help="How long a round waits for updates."
        ),
    ] = 60.0,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Where all chance in the run comes from.")
    ] = 0,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A parameter of the task; may be repeated."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and show every round.")] = False,
) -> None:
    """Start a run with all members.

    This node coordinates it.
    """
    session = current()
    answer = session.call(
        "run.start",
        task=_task(task),
        rounds=rounds,
        rule=rule,
        f=f,
        quorum=quorum,
        deadline_seconds=deadline,
        seed=seed,
        params=parameters(param or ()),
    )
    session.show(answer, answer["run"])
    if watch:
        _watch(answer["run"])
    else:
        if not session.json:
            session.note(f"\n{_terms(session.call('run.show', run=answer['run']))}")
        follow = session.command(f"run watch {answer['run'][: run_view.SHORT]}")
        session.note(f"Follow it: {follow}")


def stop(run: Run = "latest") -> None:
    """Stop a run that this node coordinates.

    Its finished rounds and models stay.
    """
    answer = current().call("run.stop", run=_named(run))
    current().show(answer, f"run {answer['run']} stopped")


def list_runs() -> None:
    """List every run of this node, newest first."""
    answer = current().call("run.list")
    current().show(answer, run_view.listing(answer["runs"]))


def show(run: Run = "latest") -> None:
    """Show a run: settings, rounds, suspects."""
    answer = current().call("run.show", run=_named(run))
    current().show(answer, run_view.details(answer))


def watch(run: Run = "latest") -> None:
    """Show a run until it is over.

    Ctrl-C leaves it running. The exit code is 1 when the run does not finish. With --json: one
    object a line, "event": "round" for each round, then "event": "end".
    """
    _watch(_named(run))


def _task(task: str) -> str:
    """A task's file as a path that the daemon, whose directory is another, understands too."""
    file, separator, name = task.rpartition(":")
    return f"{Path(file).absolute()}{separator}{name}" if separator and file else task


def _named(run: str) -> str:
    if not run:
        raise UsageError("'' is no run", hint="name one by the beginning of its id, or latest")
    return run


def _terms(shown: dict[str, Any]) -> str:
    """What the daemon has chosen for a run, and a warning when it withstands nobody."""
    config = shown["config"]
    said = (
        f"{len(config['members'])} members, {config['rule']} with f = {config['f']}, "
        f"quorum {config['quorum']}"
    )
    if config["f"] == 0:
        said += "\nwarning: with f = 0 a single malicious member can ruin the result"
    return said


def _watch(run: str) -> None:
    from qrfld.cli.following import follow

    follow(current(), run)
