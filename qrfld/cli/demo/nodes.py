"""One node of the demonstration, steered by real `qrfl` commands in processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from qrfld import api
from qrfld.cli.demo.processes import Process
from qrfld.cli.errors import DemoError
from qrfld.cli.session import Answer
from qrfld.client import ControlClient
from qrfld.errors import DaemonNotRunningError, QrfldError
from qrfld.paths import Paths

COMMAND_SECONDS: Final = 60.0
# What the demonstration decides itself must not come from the user's environment.
_OURS: Final = re.compile(r"QRFLD_(HOME|PASSPHRASE|(NODE|LISTEN|LAB|BOOTSTRAP|LOG)_.*)")


class DemoNode:
    """A node's home and daemon. ``attack`` is what its daemon will do to the others, or ""."""

    def __init__(self, name: str, home: Path, port: int, attack: str = "") -> None:
        self.name = name
        self.home = home
        self.port = port
        self.attack = attack
        self.process: Process | None = None
        self._paths = Paths(home)
        self._client = ControlClient(self._paths.socket)

    def qrfl(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        """Run a `qrfl` command on this node; returns its JSON. DemoError if it fails."""
        command = [sys.executable, "-P", "-m", "qrfld.cli", "--json", "--home", str(self.home)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                [*command, *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                # Ctrl-C is for the demonstration, which then takes the daemons down.
                start_new_session=True,
                env=environment(os.environ, self.attack),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DemoError(
                f"{self.name}: `qrfl {_command(arguments)}` took over {COMMAND_SECONDS:.0f} s",
                hint=f"see {self.home}/qrfld.log; is the machine overloaded?",
            ) from None
        return self._result(arguments, done)

    def up(self) -> None:
        """Start the daemon and remember its process."""
        self.process = Process.of(int(self.qrfl("up")["pid"]))

    def down(self) -> None:
        """Stop the daemon, by asking it and, if that does not help, by its process."""
        try:
            api.stop_daemon(self._paths)
        except QrfldError:
            if self.process is None:
                raise
        if self.process is not None:
            self.process.end()

    def status(self) -> Answer | None:
        """What the daemon says about itself; None if it does not run."""
        try:
            return self._client.call("status")
        except DaemonNotRunningError:
            return None

    def run(self, run_id: str) -> Answer:
        """A run as this node knows it."""
        return self._client.call("run.show", run=run_id)

    def _result(
        self, arguments: tuple[str, ...], done: subprocess.CompletedProcess[str]
    ) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except json.JSONDecodeError:
            answer = {"error": {"message": done.stderr.strip()[-500:] or "no answer", "hint": ""}}
        if done.returncode == 0:
            return answer
        error = answer["error"]
        raise DemoError(
            f"{self.name}: `qrfl {_command(arguments)}` failed: {error['message']}",
            hint=error["hint"] or f"see {self.home}/qrfld.log",
        )


def environment(base: Mapping[str, str], attack: str) -> dict[str, str]:
    """The environment of a node's commands and daemon: ``base`` without what names another node."""
    kept = {name: value for name, value in base.items() if not _OURS.fullmatch(name)}
    # Where the user stands is no place to import modules from.
    kept["PYTHONSAFEPATH"] = "1"
    if attack:
        kept["QRFLD_LAB_ATTACK"] = attack
    return kept


def _command(arguments: tuple[str, ...]) -> str:
    """The command's name without its options: ``run start``."""
    return " ".join(takewhile(lambda word: not word.startswith("-"), arguments[:2]))
