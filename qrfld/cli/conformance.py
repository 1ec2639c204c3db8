"""The command ``qrfl conformance``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from qrfld.cli import text
from qrfld.cli.session import Session, current
from qrfld.crypto.suites import SUITES
from qrfld.errors import UsageError

if TYPE_CHECKING:
    from qrfld.conformance.runner import Plan
    from qrfld.conformance.verdict import Case, Result
    from qrfld.crypto.tokens import Token

ANY_PORT: Final = ("127.0.0.1", 0)


def conformance(
    address: Annotated[
        str | None,
        typer.Argument(
            metavar="[HOST:PORT]",
            help="A node. [default: the token's]; with --client where to listen",
        ),
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
    client: Annotated[
        bool, typer.Option("--client", help="Test a client: listen at HOST:PORT and be called.")
    ] = False,
    command: Annotated[
        str | None, typer.Option("--exec", metavar="CMD", help="Start this client for each case.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the output of --exec goes.")
    ] = None,
    suite: Annotated[int, typer.Option(metavar="N", help="Suite of the --client federation.")] = 1,
) -> None:
    """Test whether an implementation keeps the protocol's rules.

    Provokes each rule of spec/PROTOCOL.md on real connections and judges the reaction. Without a
    token only what strangers meet is tested. With one the tester becomes a member of the
    federation, which stays: test on a federation of its own. With --client the tester is a node
    that a client under test joins and calls. Exit code 1 if a rule is broken.
    """
    session = current()
    import asyncio

    from qrfld.conformance import client as clients
    from qrfld.conformance import report, server

    _check_options(token or state, command or log, client=client, suite=suite)
    if listing:
        _list(session, (clients if client else server).catalogue())
        return
    wanted = _Wanted(session, tuple(only or ()), patience)
    if client:
        testing = _test_client(wanted, address, command, log, suite)
    else:
        testing = _test_server(wanted, address, _token(token), state)
    where, results = asyncio.run(testing)
    session.show(report.as_json(where, results), report.summary(results))
    if not report.conforms(results):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Wanted:
    """What both kinds of tests are told. ``prompt`` is in seconds."""

    session: Session
    only: tuple[str, ...]
    prompt: float


def _check_options(server: object, client_only: object, *, client: bool, suite: int) -> None:
    if client and server:
        raise UsageError("--token and --state are for testing a node that listens")
    if client_only and not client:
        raise UsageError("--exec and --log are for testing a client", hint="add --client")
    if suite not in SUITES:
        raise UsageError(f"there is no suite {suite}", hint="choose --suite 1 or --suite 2")


async def _test_server(
    wanted: _Wanted, address: str | None, token: Token | None, state: Path | None
) -> tuple[str, list[Result]]:
    from qrfld.conformance import server

    where, plans = await server.plans(address, token, state, prompt=wanted.prompt)
    return where, await _judged(wanted, plans)


async def _test_client(
    wanted: _Wanted, address: str | None, command: str | None, log: Path | None, suite: int
) -> tuple[str, list[Result]]:
    from qrfld.config import parse_address
    from qrfld.conformance import client

    host, port = parse_address(address) if address else ANY_PORT
    async with client.receiving(
        host, port, suite_id=suite, command=command, log=log, prompt=wanted.prompt
    ) as reception:
        if command is None:
            typer.echo(f"listening on {reception.address}; a client joins with", err=True)
            typer.echo(reception.token.text(), err=True)
        return reception.address, await _judged(wanted, reception.plans)


async def _judged(wanted: _Wanted, plans: list[Plan]) -> list[Result]:
    """The results of the cases that are wanted, each shown as it comes: --json on stderr."""
    from qrfld.conformance import report, runner

    chosen = runner.chosen(plans, wanted.only)
    if not chosen:
        raise UsageError(
            f"no case is called {' or '.join(wanted.only)}", hint="--list shows the cases"
        )
    collected = []
    async for result in runner.judge(chosen):
        collected.append(result)
        typer.echo(text.lines(report.lines(result)), err=wanted.session.json)
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
