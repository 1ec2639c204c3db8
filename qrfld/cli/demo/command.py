"""The command ``qrfl demo``."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from qrfld.cli.session import Session, current

if TYPE_CHECKING:
    from qrfld.cli.demo.federation import View
    from qrfld.cli.demo.plan import Plan


def demo(
    nodes: Annotated[int, typer.Option(metavar="N", help="How many nodes, 2 to 24.")] = 5,
    rounds: Annotated[int, typer.Option(metavar="N", help="How many rounds a run has.")] = 10,
    attackers: Annotated[
        int, typer.Option(metavar="N", help="How many of the nodes attack; fewer than half.")
    ] = 1,
    attack: Annotated[
        str, typer.Option(help="What they send: sign-flip, gaussian, scaling or nan.")
    ] = "sign-flip",
    rule: Annotated[
        str, typer.Option(help="The rule that withstands them: trimmed-mean, median, multi-krum.")
    ] = "trimmed-mean",
    alpha: Annotated[
        float, typer.Option(help="How evenly data is spread (Dirichlet); small is uneven.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Where chance comes from.")] = 7,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep the nodes' state afterwards.")
    ] = True,
) -> None:
    """See a federation train beside an attacker.

    Real daemons, each with its own keys and state, found a federation with the commands of this
    program, train on real handwritten digits with a robust rule, and then, for contrast, with the
    plain mean. --home names a new directory for their state; without it a temporary one is made.
    """
    session = current()
    from qrfld.cli.demo import federation, lines, stage
    from qrfld.cli.demo.plan import Plan, temporary_directory

    directory = session.home.absolute() if session.home else temporary_directory()
    plan = Plan(nodes, rounds, attackers, attack, rule, alpha, seed, directory)
    federation.prepare(directory)
    try:
        with _view(session, plan) as view:
            outcome = stage.play(plan, view)
    except BaseException:
        typer.echo(f"the state lies in {directory}", err=True)
        raise
    if not keep:
        shutil.rmtree(directory)
    session.show(outcome.as_json(kept=keep), lines.summary(outcome, kept=keep))


@contextlib.contextmanager
def _view(session: Session, plan: Plan) -> Iterator[View]:
    """A live picture on a terminal; lines otherwise, which --json sends to standard error."""
    if session.json or not sys.stdout.isatty():
        from qrfld.cli.demo.lines import Lines

        yield Lines(sys.stderr if session.json else sys.stdout)
        return
    from qrfld.cli.demo.screen import DemoScreen

    with DemoScreen(plan) as screen:
        yield screen
