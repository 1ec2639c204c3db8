"""Starting and stopping the daemon."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from qrfld.cli import passphrases
from qrfld.cli.session import Session, current
from qrfld.errors import DaemonNotRunningError

Timeout = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.1, max=600, help="How long to wait at most.")
]


def up(
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for the keystore's passphrase.")
    ] = False,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read the passphrase from a file's first line."),
    ] = None,
    timeout: Timeout = 20.0,
) -> None:
    """Start the daemon in the background.

    It waits until the daemon answers. It is no error when it runs
    already. Under systemd use the unit instead.
    """
    session = current()
    pid = _running(session)
    started = pid is None
    if pid is None:
        ask = passphrase or _needs_passphrase(session)
        secret = passphrases.find(prompt=ask, file=passphrase_file)
        from qrfld import api

        pid = api.start_daemon(session.paths, passphrase=secret, timeout=timeout)
    word = "started" if started else "already running"
    session.show({"pid": pid, "started": started}, f"daemon {word}, pid {pid}")


def down(timeout: Timeout = 20.0) -> None:
    """Stop the daemon.

    It waits until the process is gone. It is no error when it does not run.
    Runs it takes part in go on when it is back.
    """
    from qrfld import api

    stopped = api.stop_daemon(current().paths, timeout=timeout)
    current().show({"stopped": stopped}, "daemon stopped" if stopped else "daemon was not running")


def _running(session: Session) -> int | None:
    try:
        return int(session.call("status")["pid"])
    except DaemonNotRunningError:
        return None


def _needs_passphrase(session: Session) -> bool:
    """Whether to ask a person at a terminal: there is a keystore, and no key file opens it."""
    credential = "CREDENTIALS_DIRECTORY" in os.environ
    paths = session.paths
    return (
        sys.stdin.isatty()
        and not credential
        and paths.keystore.exists()
        and not paths.unlock.exists()
    )
