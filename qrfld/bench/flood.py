"""`qrfl bench flood`: a daemon under bogus first messages, and what its members notice of it.

A real daemon on loopback, one member's session with it, and a process that sends. Measured before
and during the flood: the member's pings, joins by token, and the daemon's CPU and memory.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvloop

from qrfld import api
from qrfld.bench import attack, member
from qrfld.bench.attack import Sent
from qrfld.bench.measure import percentile
from qrfld.bench.member import Pinger
from qrfld.bench.report import Goal, Result, Table, figure, goals
from qrfld.client import ControlClient
from qrfld.crypto.tokens import Token
from qrfld.errors import QrfldError
from qrfld.paths import Paths

HOST: Final = "127.0.0.1"
RATE: Final = 2000.0
SOURCES: Final = 64
PING_SECONDS: Final = 0.02
JOIN_SECONDS: Final = 2.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Phase:
    """What was seen in one span of time; all in seconds, memory in bytes."""

    seconds: float = 0.0
    pings: list[float] = field(default_factory=list)
    joins: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    cpu: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As a plain map; keys name the units."""
        return {
            "seconds": self.seconds,
            "pings": len(self.pings),
            "ping_ms": 1000 * median(self.pings),
            "ping_p99_ms": 1000 * percentile(self.pings, 0.99),
            "joins": len(self.joins),
            "joins_failed": self.refused,
            "join_ms": 1000 * median(self.joins) if self.joins else None,
            "join_most_ms": 1000 * max(self.joins) if self.joins else None,
            "cpu_share": self.cpu / self.seconds,
            "memory_mb": [size / 1e6 for size in self.memory],
        }


@dataclass(frozen=True)
class Target:
    """A running daemon."""

    client: ControlClient
    pid: int
    port: int

    def token(self) -> str:
        """A new one of its."""
        return str(self.client.call("token.create", expires_seconds=3600)["token"])

    def cpu(self) -> float:
        """Seconds of CPU time that it has used (proc_pid_stat(5), utime and stime)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> int:
        """Bytes that it holds in memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE


@contextmanager
def daemon(home: Path) -> Iterator[Target]:
    """A federation of one, and its daemon, as long as the context lasts."""
    paths, port = Paths(home), _free_port()
    where = f"{HOST}:{port}"
    api.init_federation(paths, name="bench", federation="bench", listen=where, advertise=[where])
    pid = api.start_daemon(paths)
    try:
        yield Target(ControlClient(paths.socket), pid, port)
    finally:
        api.stop_daemon(paths)


def measure(seconds: float, rate: float = RATE, addresses: int = SOURCES) -> Result:
    """Watch a daemon for ``seconds`` in peace and as long under ``rate`` first messages a second.

    They come from ``addresses`` loopback addresses. Raises what starting a daemon raises.
    """
    with (
        tempfile.TemporaryDirectory(prefix="qrfld-bench-") as home,
        daemon(Path(home)) as target,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        idle, under, sent = runner.run(_both(target, seconds, rate, addresses))
    return _result(idle, under, sent, rate, addresses)


async def _both(
    target: Target, seconds: float, rate: float, addresses: int
) -> tuple[Phase, Phase, Sent]:
    token = target.token()
    parsed = Token.parse(token)
    said = attack.messages(parsed.federation, parsed.issuer_id)
    async with member.session(token) as pinger:
        idle = await _watch(target, pinger, seconds)
        where = attack.sources(addresses)
        with attack.flooding((HOST, target.port), said, where, rate) as stop:
            under = await _watch(target, pinger, seconds)
            sent = stop()
    return idle, under, sent


async def _watch(target: Target, pinger: Pinger, seconds: float) -> Phase:
    phase, start, cpu = Phase(), time.perf_counter(), target.cpu()

    async def repeat(work: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            await work()
            if time.perf_counter() - start > seconds:
                return
            await asyncio.sleep(pause)

    async def ping() -> None:
        phase.pings.append(await pinger.ping())

    async def join() -> None:
        phase.memory.append(target.memory())
        token = await asyncio.to_thread(target.token)
        began = time.perf_counter()
        try:
            await member.join(token)
        except QrfldError as error:
            phase.refused.append(error.message)
        else:
            phase.joins.append(time.perf_counter() - began)

    await asyncio.gather(repeat(ping, PING_SECONDS), repeat(join, JOIN_SECONDS))
    phase.memory.append(target.memory())
    phase.seconds, phase.cpu = time.perf_counter() - start, target.cpu() - cpu
    return phase


def _result(idle: Phase, under: Phase, sent: Sent, rate: float, addresses: int) -> Result:
    rows = {"in peace": idle.as_json(), "under the flood": under.as_json()}
    slower = percentile(under.pings, 0.99) / percentile(idle.pings, 0.99)
    grown = under.memory[-1] / under.memory[len(under.memory) // 4]
    wanted = [
        Goal("ping p99 under the flood, to that in peace", 3.0, slower),
        Goal("memory at the end of the flood, to that after its first quarter", 1.1, grown),
        Goal("joins that failed under the flood", 0.0, float(len(under.refused))),
    ]
    data = {
        "rate_wanted": rate,
        "addresses": addresses,
        "rate": sent.made / sent.seconds,
        "connections_failed": sent.failed,
        "phases": rows,
        "goals": [goal.as_json() for goal in wanted],
    }
    note = (
        f"{sent.made / sent.seconds:,.0f} bogus first messages a second for {sent.seconds:.0f} s "
        f"from {addresses} addresses ({sent.failed} connections were not accepted in time): noise, "
        "each of our magics with noise behind it, M1 cut off, M1 with a wrong mac1, and M1 as one "
        "makes it who knows both IDs but is no member; a tenth of the senders wait. Sender, daemon "
        "and member share this machine's cores."
    )
    return Result("flood", data, [_table(rows, note), goals(wanted)])


def _table(rows: dict[str, dict[str, Any]], note: str) -> Table:
    head = ["daemon", "ping", "p99", "joins", "failed", "a join takes", "at most"]
    head += ["daemon's CPU", "memory"]
    body = [
        [
            name,
            f"{figure(row['ping_ms'])} ms",
            f"{figure(row['ping_p99_ms'])} ms",
            str(row["joins"]),
            str(len(row["joins_failed"])),
            f"{figure(row['join_ms'])} ms",
            f"{figure(row['join_most_ms'])} ms",
            f"{100 * row['cpu_share']:.0f} % of a core",
            f"{row['memory_mb'][0]:.1f} to {row['memory_mb'][-1]:.1f} MB",
        ]
        for name, row in rows.items()
    ]
    return Table("A daemon under bogus first messages", head, body, [note])


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port
