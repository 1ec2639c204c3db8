"""The commands under ``qrfl lab``; `qrfld.lab`, which measures, is imported when needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qrfld.cli.session import current
from qrfld.errors import UsageError

if TYPE_CHECKING:
    from qrfld.lab.grid import Line


def run(
    rules: Annotated[
        str, typer.Option(help="Rules, with commas between: docs/runs.md lists them.")
    ] = "mean,trimmed-mean,arc+nnm+trimmed-mean",
    attacks: Annotated[
        str, typer.Option(help="Attacks, with commas between, or all.")
    ] = "none,sign-flip,alie,ipm,mimic,label-flip",
    hostile: Annotated[
        str, typer.Option(help="Numbers of attackers, beside the honest clients.")
    ] = "3",
    alpha: Annotated[str, typer.Option(help="Dirichlet's alphas.")] = "0.5",
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="How many seeds, from 0.")] = 3,
    honest: Annotated[int, typer.Option(min=1, max=500, help="How many honest clients.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Rounds of each run.")] = 20,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="Local passes a round.")] = 1,
    momentum: Annotated[
        float, typer.Option(min=0, max=0.999, help="The clients' own momentum.")
    ] = 0.0,
    model: Annotated[str, typer.Option(help="fourier, softmax or mlp.")] = "fourier",
    out: Annotated[
        Path, typer.Option(help="Results, a line of JSON a cell; lines there are not played again.")
    ] = Path("lab.jsonl"),
) -> None:
    """Play a grid of rules, attacks, numbers of attackers and divisions of the digits.

    All in this process. An interrupted grid goes on where it was when it is called again.
    """
    from qrfld.lab import grid
    from qrfld.lab.report import markdown, summary, worst_cases
    from qrfld.lab.trial import catalogue

    plan = grid.Plan(
        rules=_names(rules),
        attacks=catalogue() if attacks == "all" else _names(attacks),
        hostile=[int(number) for number in _numbers("--hostile", hostile, 0)],
        alphas=_numbers("--alpha", alpha, 1e-3),
        seeds=range(seeds),
        honest=honest,
        rounds=rounds,
        epochs=epochs,
        momentum=momentum,
        model=model,
    )
    rows = summary(grid.run(plan, out, _progress))
    worst = worst_cases(rows)
    text = f"{markdown(rows)}\n\nThe worst attack on each:\n\n{markdown(worst)}"
    current().show({"cells": rows, "worst": worst}, text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(option: str, text: str, least: float) -> list[float]:
    try:
        numbers = [float(name) for name in _names(text)]
    except ValueError:
        numbers = []
    if not numbers or not all(least <= number <= 1e6 for number in numbers):
        raise UsageError(f"{option} is {text!r}", hint="give numbers with commas between")
    return numbers


def _progress(number: int, total: int, line: Line) -> None:
    cell = line.cell
    typer.echo(
        f"{number}/{total}  {cell.rule}  {cell.attack}  f {cell.hostile}  alpha {cell.alpha:g}  "
        f"seed {cell.seed}  {100 * line.outcome.accuracy:.1f} %",
        err=True,
    )
