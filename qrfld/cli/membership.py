"""Founding a federation, joining one, inviting others, and who this node is."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from qrfld.cli import passphrases, text
from qrfld.cli.arguments import seconds
from qrfld.cli.session import current
from qrfld.errors import UsageError

if TYPE_CHECKING:
    from qrfld.api import NodeInfo

MAX_TOKEN_CHARACTERS: Final = 4096

Name = Annotated[
    str | None, typer.Option(metavar="NAME", help="This node's name. [default: the host's name]")
]
Listen = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Where peers connect to. [default: 0.0.0.0:7483]"),
]
Advertise = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST:PORT", help="An address to tell peers; may be repeated."),
]
Prompt = Annotated[
    bool,
    typer.Option(
        "--passphrase",
        help="Ask for a passphrase that opens the keystore, instead of making a key file.",
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Read the passphrase from a file's first line."),
]


def init(
    federation: Annotated[str, typer.Option(metavar="NAME", help="The federation's name.")],
    name: Name = None,
    suite: Annotated[
        int,
        typer.Option(metavar="NUMBER", help="Its cryptographic suite: see `qrfl crypto list`."),
    ] = 1,
    listen: Listen = None,
    advertise: Advertise = None,
    passphrase: Prompt = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Found a federation with this node in it.

    The node is its first member and validator: it can invite others.

    The keystore is opened by a key file beside it (for unattended starts), or by a passphrase:
    --passphrase asks, --passphrase-file or QRFLD_PASSPHRASE give it.
    """
    _check_suite(suite)
    _check_name("--federation", federation)
    _check_own(name, listen, advertise)
    unlock = passphrases.unlock(prompt=passphrase, file=passphrase_file)
    from qrfld import api

    info = api.init_federation(
        current().paths,
        name=name or os.uname().nodename,
        federation=federation,
        suite_id=suite,
        unlock=unlock,
        listen=listen,
        advertise=advertise or (),
    )
    _show(info)
    up, invite = current().command("up"), current().command("token create")
    current().note(f"\nNext: `{up}` starts the daemon, `{invite}` invites a member.")


def join(
    token: Annotated[str, typer.Argument(help="A token from `qrfl token create`; - reads stdin.")],
    name: Name = None,
    listen: Listen = None,
    advertise: Advertise = None,
    passphrase: Prompt = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Join a federation with a one-time token.

    The issuer's daemon must be running and reachable. A token is a secret: `-` reads it from
    standard input and keeps it out of the shell's history.
    """
    _check_own(name, listen, advertise)
    given = _read_token() if token == "-" else token  # noqa: S105
    unlock = passphrases.unlock(prompt=passphrase, file=passphrase_file)
    from qrfld import api

    info = api.join_federation(
        current().paths,
        given.strip(),
        name=name or os.uname().nodename,
        unlock=unlock,
        listen=listen,
        advertise=advertise or (),
    )
    _show(info)
    current().note(f"\nNext: `{current().command('up')}` starts the daemon.")


def show_id() -> None:
    """Show this node's ID and federation.

    The daemon need not run.
    """
    from qrfld import api

    _show(api.node_info(current().paths))


def create(
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="How long it is valid: 90s, 15m, 2h, 7d.")
    ] = "1h",
) -> None:
    """Make a one-time token that lets one new member join."""
    valid = seconds(expires)
    answer = current().call("token.create", expires_seconds=valid)
    current().show(answer, answer["token"])
    current().note(
        f"\nIt admits one member within {text.duration(valid)}; "
        "treat it as a password.\nOn the new machine: qrfl join TOKEN --name NAME"
    )


def list_tokens() -> None:
    """List the tokens this node has issued, without their secrets."""
    answer = current().call("token.list")
    current().show(
        answer,
        text.table(("TOKEN", "STATE", "EXPIRES IN", "REDEEMED BY"), map(_row, answer["tokens"])),
    )


def _read_token() -> str:
    """The first line of standard input; a person at a terminal is asked for it."""
    if sys.stdin.isatty():
        typer.echo("Token: ", err=True, nl=False)
    return sys.stdin.readline(MAX_TOKEN_CHARACTERS)


def _check_own(name: str | None, listen: str | None, advertise: list[str] | None) -> None:
    """Refuse what cannot be written into a configuration, by the option that it came with."""
    from qrfld.config import ConfigValueError, parse_address

    if name:
        _check_name("--name", name)
    options = [("--listen", listen)] if listen else []
    for option, address in [*options, *(("--advertise", one) for one in advertise or ())]:
        try:
            parse_address(address)
        except ConfigValueError as error:
            raise UsageError(f"{option}: {error.message}", hint=error.hint) from None


def _check_suite(number: int) -> None:
    """Refuse a number without a meaning; a plugin that is broken has an error of its own."""
    from qrfld.crypto.errors import SuitePluginError, UnsupportedSuiteError
    from qrfld.crypto.suites import suite

    try:
        suite(number)
    except SuitePluginError:
        raise
    except UnsupportedSuiteError as error:
        raise UsageError(f"--suite {number}: {error.message}", hint=error.hint) from None


def _check_name(option: str, name: str) -> None:
    from qrfld.crypto.names import name_flaw

    if flaw := name_flaw(name):
        raise UsageError(f"{option}: {flaw}", hint="choose another")


def _row(token: dict[str, Any]) -> tuple[str, str, str, str]:
    left = _remaining(token["expires_at"]) if token["state"] == "open" else "-"
    return token["id"], token["state"], left, token["redeemed_by"] or "-"


def _remaining(expires_at: float) -> str:
    return text.duration(round(expires_at - time.time()))


def _show(info: NodeInfo) -> None:
    shown = {
        "name": info.name,
        "node ID": info.node_id,
        "federation": info.federation,
        "federation ID": info.federation_id,
        "suite": info.suite,
        "home": info.home,
    }
    current().show(dataclasses.asdict(info), text.fields(shown))
