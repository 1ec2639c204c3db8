"""Starting, stopping, listing and watching training runs."""

from __future__ import annotations

from typing import Annotated

import typer

from qrfld.cli import run_view
from qrfld.cli.arguments import parameters
from qrfld.cli.session import current

Run = Annotated[
    str, typer.Argument(metavar="[RUN]", help="The beginning of a run's id, or latest.")
]


def start(
    task: Annotated[
        str, typer.Argument(help="A task's name, as every member's configuration knows it.")
    ],
    rounds: Annotated[int, typer.Option(min=1, max=100_000, help="How many rounds.")] = 10,
    rule: Annotated[
        str, typer.Option(help="How updates are combined: mean, median, trimmed-mean, multi-krum.")
    ] = "trimmed-mean",
    f: Annotated[
        int | None,
        typer.Option(
            "--f",
            min=0,
            max=65_535,
            help="How many malicious members to withstand. [default: the most the rule can]",
        ),
    ] = None,
    quorum: Annotated[
        int | None,
        typer.Option(
            min=1, max=65_535, help="Updates that a round needs at least. [default: the daemon's]"
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
        task=task,
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
        session.note(f"\nFollow it: qrfl run watch {answer['run'][: run_view.SHORT]}")


def stop(run: Run = "latest") -> None:
    """Stop a run that this node coordinates.

    Its finished rounds and models stay.
    """
    answer = current().call("run.stop", run=run)
    current().show(answer, f"run {answer['run']} stopped")


def list_runs() -> None:
    """List every run of this node, newest first."""
    answer = current().call("run.list")
    current().show(answer, run_view.listing(answer["runs"]))


def show(run: Run = "latest") -> None:
    """Show a run: settings, rounds, suspects."""
    answer = current().call("run.show", run=run)
    current().show(answer, run_view.details(answer))


def watch(run: Run = "latest") -> None:
    """Show a run until it is over.

    Ctrl-C leaves it running. The exit code is 1 when the run does not finish. With --json: one
    object a line, "event": "round" for each round, then "event": "end".
    """
    _watch(run)


def _watch(run: str) -> None:
    from qrfld.cli.following import follow

    follow(current(), run)
