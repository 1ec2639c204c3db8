"""The command ``qrfl conformance``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qrfld.cli import text
from qrfld.cli.session import Session, current
from qrfld.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qrfld.conformance.verdict import Case, Result
    from qrfld.crypto.tokens import Token


def conformance(
    address: Annotated[
        str | None, typer.Argument(metavar="[HOST:PORT]", help="A node. [default: the token's]")
    ] = None,
    token: Annotated[
        str | None, typer.Option(metavar="FILE", help="A join token of that node; - reads stdin.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the tester's membership, for reruns.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Cases to run; may be repeated.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0.5, max=60, metavar="SECONDS", help="What counts as at once.")
    ] = 3.0,
    listing: Annotated[bool, typer.Option("--list", help="List the cases, run none.")] = False,
) -> None:
    """Test whether an implementation keeps the protocol's rules.

    Provokes each rule of spec/PROTOCOL.md on real connections and judges the reaction. Without a
    token only what strangers meet is tested. With one the tester becomes a member of the
    federation, which stays: test on a federation of its own. Exit code 1 if a rule is broken.
    """
    session = current()
    import asyncio

    from qrfld.conformance import report, server

    if listing:
        _list(session, server.catalogue())
        return
    where, results = asyncio.run(
        _test(session, address, _token(token), state, tuple(only or ()), patience)
    )
    session.show(report.as_json(where, results), report.summary(results))
    if not report.conforms(results):
        raise typer.Exit(1)


async def _test(
    session: Session,
    address: str | None,
    token: Token | None,
    state: Path | None,
    only: tuple[str, ...],
    patience: float,
) -> tuple[str, list[Result]]:
    from qrfld.conformance import runner, server

    where, plans = await server.plans(address, token, state, prompt=patience)
    plans = runner.chosen(plans, only)
    if not plans:
        raise UsageError(f"no case is called {' or '.join(only)}", hint="--list shows the cases")
    return where, await _shown(session, runner.judge(plans))


async def _shown(session: Session, results: AsyncIterator[Result]) -> list[Result]:
    """All results, each shown as it comes: under --json on standard error."""
    from qrfld.conformance import report

    collected = []
    async for result in results:
        collected.append(result)
        typer.echo(text.lines(report.lines(result)), err=session.json)
    return collected


def _list(session: Session, cases: list[Case[Any]]) -> None:
    from qrfld.conformance import report

    described = [
        {"id": c.id, "section": c.section, "rule": c.rule, "required": c.required} for c in cases
    ]
    session.show({"cases": described}, "\n".join(map(report.listed, cases)))


def _token(source: str | None) -> Token | None:
    from qrfld.crypto.tokens import TEXT_MAX_LENGTH, Token

    if source is None:
        return None
    most = 4 * TEXT_MAX_LENGTH
    if source == "-":
        return Token.parse(sys.stdin.read(most))
    try:
        with Path(source).open(encoding="utf-8", errors="replace") as file:
            return Token.parse(file.read(most))
    except OSError as error:
        raise UsageError(
            f"cannot read the token in {source}: {error.strerror}",
            hint="--token names a file with one line, or - for standard input",
        ) from error
