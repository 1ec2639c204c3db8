"""Handshakes between two processes over loopback, on the `Link` that a daemon uses."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from qrfld.bench.contenders import Contender, Recipe
from qrfld.bench.other import Other, OtherProcessError, Served
from qrfld.net.link import Link
from qrfld.protocol.events import Event, SessionEstablished

HOST: Final = "127.0.0.1"
PATIENCE: Final = 30.0


@dataclass
class Slice:
    """Handshakes of one slice of time. Seconds; CPU of the side that dials and the one dialled."""

    seconds: float
    latencies: list[float]
    dialling_cpu: float
    dialled_cpu: float

    @property
    def dialling(self) -> float:
        """CPU seconds of the process that dials, for one handshake."""
        return self.dialling_cpu / len(self.latencies)

    @property
    def dialled(self) -> float:
        """CPU seconds of the process that is dialled, for one handshake."""
        return self.dialled_cpu / len(self.latencies)

    @property
    def per_second(self) -> float:
        """The rate."""
        return len(self.latencies) / self.seconds

    @property
    def cpu(self) -> float:
        """Seconds of both processes for one handshake."""
        return self.dialling + self.dialled


class _Counter:
    """Owner of all accepted links: counts the handshakes that were completed, and hangs up."""

    def __init__(self, contender: Contender) -> None:
        self.served = Served((HOST, 0))
        self._contender = contender

    def link_event(self, link: Link, event: Event) -> None:
        if isinstance(event, SessionEstablished):
            self._contender.accepted(event.session)
            self.served.done += 1
            link.close()

    def link_lost(self, link: Link, error: Exception | None) -> None:
        """As it should be."""


async def serve(recipe: Recipe) -> Served:
    """Answer handshakes of a contender: the other process."""
    contender = recipe.prepare()
    counter = _Counter(contender)
    server = await asyncio.get_running_loop().create_server(
        lambda: Link(lambda _: contender.accept(), counter), HOST, 0, backlog=256
    )
    served = counter.served
    served.address = server.sockets[0].getsockname()
    served.keep.append(server)
    return served


@dataclass(eq=False)
class _Dialled:
    """Owner of one link of ours."""

    contender: Contender
    established: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def link_event(self, link: Link, event: Event) -> None:
        if isinstance(event, SessionEstablished):
            self.contender.dialled(event.session)
            self.established.set()

    def link_lost(self, link: Link, error: Exception | None) -> None:
        self.lost.set()
        self.established.set()


async def handshake(contender: Contender, address: tuple[str, int]) -> float:
    """Dial, complete the handshake, be hung up on; seconds from the start to the session."""
    owner, start = _Dialled(contender), time.perf_counter()
    async with asyncio.timeout(PATIENCE):
        _, link = await asyncio.get_running_loop().create_connection(
            lambda: Link(lambda _: contender.dial(), owner), *address
        )
        await owner.established.wait()
        seconds = time.perf_counter() - start
        if owner.lost.is_set():
            raise ConnectionError(f"no handshake: {link.error}")
        await owner.lost.wait()
    return seconds


async def one_by_one(contender: Contender, other: Other, seconds: float) -> Slice:
    """One handshake after the other: their latency."""
    return await _slice(contender, other, seconds, 1)


async def at_once(contender: Contender, other: Other, seconds: float) -> Slice:
    """Several at a time: how many two processes manage."""
    return await _slice(contender, other, seconds, contender.at_once)


async def _slice(contender: Contender, other: Other, seconds: float, count: int) -> Slice:
    contender.ready()
    latencies: list[float] = []
    before, start, cpu = other.state(), time.perf_counter(), time.process_time()

    async def work() -> None:
        while not latencies or time.perf_counter() - start < seconds:
            latencies.append(await handshake(contender, other.address))

    await asyncio.gather(*(work() for _ in range(count)))
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    after = other.state()
    if (done := after.done - before.done) != len(latencies):
        raise OtherProcessError(f"{done} handshakes of {len(latencies)} were completed")
    return Slice(elapsed, latencies, cpu, after.cpu - before.cpu)
