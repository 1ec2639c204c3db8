"""The demonstration's federation: founded, joined, connected; and taken down, however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from qrfld.cli.demo.interrupts import Interrupts
from qrfld.cli.demo.nodes import DemoNode
from qrfld.cli.demo.plan import Plan
from qrfld.cli.demo.ports import HOST, free_ports
from qrfld.cli.errors import DemoError
from qrfld.cli.session import Answer
from qrfld.errors import QrfldError

CONNECT_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.25
_AT_ONCE: Final = 3
FEDERATION: Final = "demo"


class View(Protocol):
    """Whoever shows the demonstration. `say` and `nodes` are called from several threads."""

    def say(self, what: str) -> None:
        """Tell the step that is under way."""

    def nodes(self, statuses: list[Answer | None]) -> None:
        """Show what each node says about itself; None for one that does not run."""

    def run(self, shown: Answer) -> None:
        """Show a run's new state."""


class Federation:
    """All nodes of a plan. Leaving the context stops every daemon that it started."""

    def __init__(self, plan: Plan, interrupts: Interrupts, view: View) -> None:
        self.plan = plan
        self._interrupts = interrupts
        self._view = view
        attacks = dict.fromkeys(plan.attacking, plan.attack)
        self.nodes = [
            DemoNode(name, plan.directory / name, port, attacks.get(name, ""))
            for name, port in zip(plan.names, free_ports(plan.nodes), strict=True)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failed = _each(self.nodes, DemoNode.down)
        if failed and error is None:
            raise failed[0]

    @property
    def founder(self) -> DemoNode:
        """The node that founded the federation and will coordinate the runs."""
        return self.nodes[0]

    def start(self) -> None:
        """Found, invite, join, start. Raises DemoError."""
        self._view.say(f"{self.founder.name}: qrfl init, qrfl up")
        self.founder.qrfl("init", "--federation", FEDERATION, *_who(self.founder))
        self.founder.up()
        self._view.nodes(self.statuses())
        failed = _each(self.nodes[1:], self._enter)
        self._interrupts.pause()
        if failed:
            raise failed[0]

    def connect(self) -> None:
        """Wait until each node has a session with every other. Raises DemoError."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            statuses = self.statuses()
            self._view.nodes(statuses)
            alone = [
                node.name
                for node, status in zip(self.nodes, statuses, strict=True)
                if status is None or status["sessions"] < self.plan.nodes - 1
            ]
            if not alone:
                return
            if time.monotonic() > deadline:
                raise DemoError(
                    f"after {CONNECT_SECONDS:.0f} s not connected to all: {', '.join(alone)}",
                    hint=f"see the logs under {self.plan.directory}",
                )
            self._interrupts.pause(POLL_SECONDS)

    def statuses(self) -> list[Answer | None]:
        """What each daemon says about itself."""
        return [node.status() for node in self.nodes]

    def _enter(self, node: DemoNode) -> None:
        if self._interrupts.asked:
            return
        token = self.founder.qrfl("token", "create")["token"]
        self._view.say(f"{node.name}: qrfl join with a token of {self.founder.name}, qrfl up")
        node.qrfl("join", "-", *_who(node), stdin=token)
        node.up()
        self._view.nodes(self.statuses())


def prepare(directory: Path) -> None:
    """Make the directory of a demonstration. Raises DemoError unless it is new or empty."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = any(directory.iterdir())
    except OSError as error:
        raise DemoError(
            f"cannot use {directory}: {error.strerror}", hint="choose another --home"
        ) from error
    if taken:
        raise DemoError(
            f"{directory} is not empty", hint="name a new directory with --home, or leave it out"
        )


def _each(nodes: list[DemoNode], step: Callable[[DemoNode], None]) -> list[QrfldError]:
    """Do a step on all nodes, a few at a time; returns what failed."""

    def attempt(node: DemoNode) -> QrfldError | None:
        try:
            step(node)
        except QrfldError as error:
            return error
        return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [error for error in pool.map(attempt, nodes) if error is not None]


def _who(node: DemoNode) -> tuple[str, ...]:
    address = f"{HOST}:{node.port}"
    return ("--name", node.name, "--listen", address, "--advertise", address)
