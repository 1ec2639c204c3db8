"""Keeping a session with every member: dial, wait while it lives, back off, dial again.

One task a member. Who has the higher node ID gives the other a head start, so that two nodes that
come up together do not both dial. After a failure, and after a session that ended as soon as it had
begun, the pause doubles up to `Timing.backoff_most`, with full jitter: everybody who lost the same
peer would otherwise come back at once.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Protocol

from qrfld.crypto.identity import NodeId
from qrfld.net.dialer import connect
from qrfld.net.errors import PeerUnreachableError
from qrfld.net.members import Members
from qrfld.net.session import Session
from qrfld.net.timing import Timing
from qrfld.protocol.session import Endpoint
from qrfld.protocol.tickets import Tickets


class Mesh(Protocol):
    """What dialling needs of the mesh."""

    @property
    def sessions(self) -> dict[NodeId, Session]:
        """The sessions there are, by member."""

    @property
    def tickets(self) -> Tickets:
        """What sessions can be resumed with."""

    def full(self) -> bool:
        """Whether no further member gets a session."""

    async def run(self, session: Session) -> None:
        """Serve a session that was dialled, until it ends."""


@dataclass(eq=False)
class Attempts:
    """What is known of our attempts to reach one member; ``since`` is loop time."""

    task: asyncio.Task[None]
    since: float
    last_error: str = ""


class Reaching:
    """Dials every member that it is told of, as long as it lives."""

    def __init__(self, endpoint: Endpoint, members: Members, mesh: Mesh, timing: Timing) -> None:
        self._endpoint = endpoint
        self._members = members
        self._mesh = mesh
        self._timing = timing
        self._jitter = secrets.SystemRandom()
        self._attempts: dict[NodeId, Attempts] = {}

    def attempts(self, node: NodeId) -> Attempts | None:
        """Our attempts to reach a member, None when we do not try."""
        return self._attempts.get(node)

    def keep(self, node: NodeId) -> None:
        """See to it that there is a session with a member, from now on."""
        if node != self._endpoint.identity.node_id and node not in self._attempts:
            task = asyncio.create_task(self._dial_forever(node))
            self._attempts[node] = Attempts(task, since=asyncio.get_running_loop().time())

    def stop(self) -> list[asyncio.Task[None]]:
        """Dial no more; returns the tasks that are about to end."""
        tasks = [attempts.task for attempts in self._attempts.values()]
        for task in tasks:
            task.cancel()
        return tasks

    async def _dial_forever(self, node: NodeId) -> None:
        failures, timing, mesh = 0, self._timing, self._mesh
        loop = asyncio.get_running_loop()
        if self._endpoint.identity.node_id > node:
            await asyncio.sleep(timing.head_start)
        while True:
            began = loop.time()
            if (session := mesh.sessions.get(node)) is not None:
                began = session.started
                await session.closed.wait()
            elif not mesh.full():
                await self._dial(node)
            failures = 0 if loop.time() - began > timing.settled else failures + 1
            ceiling = min(timing.backoff_most, timing.backoff_first * 2 ** min(failures - 1, 10))
            await asyncio.sleep(self._jitter.uniform(0, ceiling))

    async def _dial(self, node: NodeId) -> None:
        """Try the addresses of a member until one leads to a session, and serve that."""
        attempts, addresses = self._attempts[node], self._members.addresses(node)
        if not addresses:
            attempts.last_error = "no address of it is known yet"
        for address in addresses:
            try:
                session = await connect(
                    self._endpoint, node, address, self._timing, self._mesh.tickets
                )
            except PeerUnreachableError as error:
                attempts.last_error = str(error)
                continue
            await self._mesh.run(session)
            attempts.last_error = "" if session.member else str(session.error or "")
            return
