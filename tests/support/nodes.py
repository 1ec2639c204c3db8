"""Real nodes for tests: each has its own home, daemon process and control socket."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from qrfld.api import init_federation, join_federation
from qrfld.client import ControlClient
from qrfld.errors import QrfldError
from qrfld.paths import Paths

PATIENCE = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def eventually(what: str, probe: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait for a state that another process will reach; the limit only ends a hanging test."""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(QrfldError):
            if value := probe():
                return value
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {patience:.0f} s: {what}")
        time.sleep(0.05)


@dataclass
class TestNode:
    """One node on loopback."""

    __test__ = False

    name: str
    home: Path
    port: int = field(default_factory=free_port)
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def paths(self) -> Paths:
        return Paths(self.home)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def init(self, federation: str = "test", **options: Any) -> None:
        init_federation(
            self.paths, name=self.name, federation=federation, listen=self.address, **options
        )

    def join(self, token: str) -> None:
        join_federation(self.paths, token, name=self.name, listen=self.address)

    def up(self) -> TestNode:
        self.spawn()
        eventually(f"{self.name} is up", self.answers)
        return self

    def spawn(self) -> None:
        """Start the daemon's process, and wait for nothing."""
        with self.paths.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "qrfld.daemon", "--home", str(self.home)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env},
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        return bool(self.call("status")["pid"] == self.process.pid)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return ControlClient(self.paths.socket).call(method, **params)

    def token(self, **params: Any) -> str:
        token: str = self.call("token.create", **params)["token"]
        return token

    def log(self) -> str:
        return self.paths.log.read_text(errors="replace") if self.paths.log.exists() else ""

    def sessions(self) -> int:
        count: int = self.call("status")["sessions"]
        return count

    def run(self) -> dict[str, Any]:
        """The latest run with its rounds."""
        return self.call("run.show")

    def finished(self) -> bool:
        """Whether the latest run has ended well."""
        return bool(self.run()["state"] == "finished")

    def kill(self) -> None:
        """Power loss: no goodbye."""
        self._signal(signal.SIGKILL)

    def down(self) -> int:
        """An orderly stop; returns the exit code."""
        return self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code


def knows(node: TestNode, others: int) -> bool:
    """Whether a node has sessions with that many others."""
    return node.sessions() == others


@contextlib.contextmanager
def federation(
    directory: Path, names: str = "abcd", **env: dict[str, str]
) -> Iterator[list[TestNode]]:
    """Nodes with one-letter names, up and connected to each other; ``env`` by node name."""
    nodes = [TestNode(name, directory / name, env=env.get(name, {})) for name in names]
    founder, *others = nodes
    with stopped_at_end(nodes):
        founder.init()
        founder.up()
        for node in others:
            node.join(founder.token())
            node.up()
        for node in nodes:
            eventually(f"{node.name} knows everybody", partial(knows, node, len(nodes) - 1))
        yield nodes


@contextlib.contextmanager
def stopped_at_end(nodes: list[TestNode]) -> Iterator[list[TestNode]]:
    try:
        yield nodes
    finally:
        for node in nodes:
            if node.process is not None:
                node.kill()
