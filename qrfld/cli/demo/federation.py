"""The demonstration's federation: founded, joined, connected; and taken down, however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from qrfld.cli.demo.interrupts import Interrupts
from qrfld.cli.demo.nodes import DemoNode
from qrfld.cli.demo.plan import Plan
from qrfld.cli.demo.ports import HOST, free_ports
from qrfld.cli.errors import DemoError
from qrfld.cli.session import Answer
from qrfld.errors import QrfldError

CONNECT_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.25
_AT_ONCE: Final = 4
FEDERATION: Final = "demo"

Say = Callable[[str], None]


class Federation:
    """All nodes of a plan. Leaving the context stops every daemon that it started."""

    def __init__(self, plan: Plan, interrupts: Interrupts, say: Say) -> None:
        self.plan = plan
        self._interrupts = interrupts
        self._say = say
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
        failed = self._each(self.nodes, DemoNode.down)
        if failed and error is None:
            raise failed[0]

    @property
    def founder(self) -> DemoNode:
        """The node that founded the federation and will coordinate the runs."""
        return self.nodes[0]

    def start(self) -> None:
        """Found, invite, join, start. Raises DemoError."""
        founder, others = self.nodes[0], self.nodes[1:]
        self._say(f"{founder.name}: qrfl init, qrfl up")
        founder.qrfl("init", "--federation", FEDERATION, *_who(founder))
        founder.up()
        for node in others:
            self._interrupts.pause()
            self._say(f"{node.name}: qrfl join, with a token of {founder.name}")
            token = founder.qrfl("token", "create")["token"]
            node.qrfl("join", "-", *_who(node), stdin=token)
        self._interrupts.pause()
        self._say("the others: qrfl up")
        failed = self._each(others, DemoNode.up)
        if failed:
            raise failed[0]

    def connect(self, show: Callable[[list[Answer | None]], None]) -> None:
        """Wait until each node has a session with every other. Raises DemoError."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            statuses = self.statuses()
            show(statuses)
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

    def _each(self, nodes: list[DemoNode], step: Callable[[DemoNode], None]) -> list[QrfldError]:
        """Do a step on all nodes, a few at a time; returns what failed."""

        def attempt(node: DemoNode) -> QrfldError | None:
            try:
                step(node)
            except QrfldError as error:
                return error
            return None

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [error for error in pool.map(attempt, nodes) if error is not None]


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


def _who(node: DemoNode) -> tuple[str, ...]:
    address = f"{HOST}:{node.port}"
    return ("--name", node.name, "--listen", address, "--advertise", address)
