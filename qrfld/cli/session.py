"""One invocation of `qrfl`: its options, its node, and the two streams it may write to."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from qrfld.errors import DaemonNotRunningError
from qrfld.paths import Paths

if TYPE_CHECKING:
    from qrfld.client import ControlClient

# What the daemon answers to a method of the control socket.
Answer = Mapping[str, Any]

# The version of every object that --json prints. A new key does not raise it; a changed one does.
JSON_VERSION: Final = 1


@dataclass(frozen=True)
class Session:
    """What the options of every command said: ``--home``, ``--json``, ``--verbose``."""

    home: Path | None = None
    json: bool = False
    verbose: bool = False

    @cached_property
    def paths(self) -> Paths:
        """The places of the node this invocation is about."""
        return Paths(self.home)

    @cached_property
    def client(self) -> ControlClient:
        """The daemon's control socket. Nothing is connected before the first call."""
        from qrfld.client import ControlClient

        return ControlClient(self.paths.socket)

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Ask the daemon. Raises DaemonNotRunningError, or the daemon's own error."""
        try:
            return self.client.call(method, **params)
        except DaemonNotRunningError as error:
            error.hint = self._how_to_start()
            raise

    def command(self, words: str) -> str:
        """``qrfl words``, as this node's commands are to be typed: with ``--home`` if it was given.

        So that what a hint says can be copied, and never meets another node.
        """
        home = f"--home {shlex.quote(str(self.home))} " if self.home else ""
        return f"qrfl {home}{words}"

    def _how_to_start(self) -> str:
        paths = self.paths
        # Not Path.exists: that raises where this user may not look.
        if any(map(os.path.exists, (paths.keystore, paths.database))):
            return f"start it with: {self.command('up')}"
        where = paths.state_directory
        return f"there is no node in {where}: qrfl init or join makes one, --home names another"

    def show(self, data: Mapping[str, object], text: str) -> None:
        """Print the command's result on standard output, in the form that was asked for."""
        if self.json:
            self.emit(data)
        else:
            typer.echo(text)

    def emit(self, data: Mapping[str, object]) -> None:
        """Print one versioned JSON object on one line of standard output."""
        typer.echo(json.dumps({"version": JSON_VERSION, **data}))
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Tell a person something that is not the result; silent under ``--json``."""
        if not self.json:
            typer.echo(text, err=True)


_current: ContextVar[Session] = ContextVar("session")


def begin(session: Session) -> None:
    """Make ``session`` the one that commands see."""
    _current.set(session)


def current() -> Session:
    """The session of this invocation."""
    return _current.get()
