"""`qrfl bench handshake`: full mutual handshakes beside TLS 1.3 with the same algorithms."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import uvloop

from qrfld.bench import sans_io, sockets
from qrfld.bench.contenders import Contender, Ours, Recipe, baseline, ours
from qrfld.bench.measure import cpu, in_turns, percentile, ratio
from qrfld.bench.other import Other, other
from qrfld.bench.report import Goal, Result, Table, figure, goals
from qrfld.bench.sockets import Slice

#: Into how many turns the time over sockets is divided.
TURNS = 5
NO_TLS = "TLS was not measured: pyOpenSSL is missing (install qrfld[bench])."
HOW = (
    "CPU is of both sides together, the median over batches that took turns; ratios are medians "
    "over batches side by side. TLS is OpenSSL's, X25519MLKEM768 with mutual ML-DSA-65 "
    "certificates that the other side knew beforehand; its bytes are counted without tickets. "
    "A second: four at once, of resumptions one."
)


@dataclass
class Measured:
    """What was measured of one contender. Seconds of CPU of both sides, by batch or turn."""

    recipe: Recipe
    contender: Contender
    bytes: int
    memory: list[float] = field(default_factory=list)
    alone: list[Slice] = field(default_factory=list)
    crowded: list[Slice] = field(default_factory=list)

    @property
    def sockets(self) -> list[float]:
        """CPU seconds of both processes, by turn."""
        return [one.cpu for one in (*self.alone, *self.crowded)]

    def as_json(self, tls: Measured | None) -> dict[str, Any]:
        """As a plain map, with ratios to TLS where there is one."""
        latencies = [value for one in self.alone for value in one.latencies]
        turns = (*self.alone, *self.crowded)
        return {
            "name": self.recipe.name,
            "bytes": self.bytes,
            "bytes_to_tls": self.bytes / tls.bytes if tls else None,
            "memory_cpu_ms": 1000 * median(self.memory),
            "memory_cpu_least_ms": 1000 * min(self.memory),
            "memory_to_tls": ratio(self.memory, tls.memory) if tls else None,
            "sockets_cpu_ms": 1000 * median(self.sockets),
            "sockets_dialling_cpu_ms": 1000 * median(one.dialling for one in turns),
            "sockets_dialled_cpu_ms": 1000 * median(one.dialled for one in turns),
            "sockets_to_tls": ratio(self.sockets, tls.sockets) if tls else None,
            "per_second": median(one.per_second for one in self.crowded),
            "latency_ms": 1000 * median(latencies),
            "latency_p99_ms": 1000 * percentile(latencies, 0.99),
        }


def measure(seconds: float, suite_id: int | None = None, provider: str | None = None) -> Result:
    """Measure every contender for ``seconds`` in memory and as long over sockets.

    Raises UnsupportedSuiteError, ProviderError, OtherProcessError.
    """
    tls_recipe = baseline()
    recipes: list[Recipe] = [*([tls_recipe] if tls_recipe else []), *ours(suite_id, provider)]
    measured = [_prepared(recipe) for recipe in recipes]
    batches = in_turns({one.recipe.name: _once(one.contender) for one in measured}, seconds)
    for one in measured:
        one.memory = batches[one.recipe.name]
    _over_sockets(measured, seconds)
    tls = measured[0] if tls_recipe else None
    rows = [one.as_json(tls) for one in measured]
    refusals = [_refusing(one, seconds) for one in measured if _signs(one.recipe)]
    wanted = _goals(measured, refusals)
    data = {
        "seconds": seconds,
        "contenders": rows,
        "refusals": refusals,
        "goals": [goal.as_json() for goal in wanted],
    }
    tables = [_table(rows, HOW if tls else NO_TLS), _refusal_table(refusals), goals(wanted)]
    return Result("handshake", data, tables)


def _signs(recipe: Recipe) -> bool:
    return isinstance(recipe, Ours) and not recipe.resumes


def _prepared(recipe: Recipe) -> Measured:
    contender = recipe.prepare()
    sans_io.shake(contender)  # of those that resume, the one that does not
    return Measured(recipe, contender, sans_io.shake(contender).bytes)


def _once(contender: Contender) -> Callable[[], float]:
    def work() -> float:
        contender.ready()
        return sans_io.shake(contender).cpu

    return work


def _over_sockets(measured: Sequence[Measured], seconds: float) -> None:
    """Fill in ``alone`` and ``crowded``, each contender against a process of its own."""
    with ExitStack() as stack:
        others = [stack.enter_context(other(sockets.serve, one.recipe)) for one in measured]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_turns(measured, others, seconds / TURNS / 2))


async def _turns(measured: Sequence[Measured], others: Sequence[Other], seconds: float) -> None:
    contenders = [one.recipe.prepare() for one in measured]
    for contender, process in zip(contenders, others, strict=True):
        contender.ready()
        await sockets.handshake(contender, process.address)
    for _ in range(TURNS):
        for one, contender, process in zip(measured, contenders, others, strict=True):
            one.alone.append(await sockets.one_by_one(contender, process, seconds))
            one.crowded.append(await sockets.at_once(contender, process, seconds))


def _refusing(measured: Measured, seconds: float) -> dict[str, Any]:
    """What strangers' first messages cost the side that is dialled, beside serving a right one."""
    contender = measured.contender
    contender.ready()
    m1 = b"".join(contender.dial().data_to_send())
    wrong = m1[:-1] + bytes([m1[-1] ^ 1])
    noise = secrets.token_bytes(len(m1))
    batches = in_turns(
        {
            "serving": cpu(lambda: sans_io.serve(contender, m1)),
            "wrong_mac1": cpu(lambda: sans_io.refuse(contender, wrong)),
            "noise": cpu(lambda: sans_io.refuse(contender, noise)),
        },
        seconds / 2,
        batch=0.05,
    )
    costs = {f"{name}_us": 1e6 * median(values) for name, values in batches.items()}
    shares = {
        f"{name}_to_serving": ratio(batches[name], batches["serving"])
        for name in ("wrong_mac1", "noise")
    }
    return {"name": measured.recipe.name, **costs, **shares}


def _goals(measured: Sequence[Measured], refusals: Sequence[dict[str, Any]]) -> list[Goal]:
    """The goals of suite 1, which has the algorithms of the baseline."""
    tls = next((one for one in measured if not isinstance(one.recipe, Ours)), None)

    def find(provider: str, *, resumes: bool = False) -> Measured | None:
        mine = [(one, one.recipe) for one in measured if isinstance(one.recipe, Ours)]
        wanted = (1, provider, resumes)
        fitting = [one for one, r in mine if (r.suite_id, r.provider, r.resumes) == wanted]
        return fitting[0] if fitting else None

    def to(one: Measured | None, other: Measured | None) -> tuple[float | None, float | None]:
        if one is None or other is None:
            return None, None
        return ratio(one.memory, other.memory), ratio(one.sockets, other.sockets)

    openssl, liboqs = find("openssl"), find("liboqs")
    resumed = find("openssl", resumes=True)
    refusing = next((r for r in refusals if openssl and r["name"] == openssl.recipe.name), None)
    wanted = [
        ("bytes, to TLS", 0.65, openssl.bytes / tls.bytes if openssl and tls else None),
        ("CPU in memory, openssl, to TLS", 0.95, to(openssl, tls)[0]),
        ("CPU over sockets, openssl, to TLS", 0.95, to(openssl, tls)[1]),
        ("CPU in memory, liboqs, to TLS", 0.3, to(liboqs, tls)[0]),
        ("CPU over sockets, liboqs, to TLS", 0.3, to(liboqs, tls)[1]),
        ("bytes of a resumption", 3000, resumed.bytes if resumed else None),
        ("CPU in memory of a resumption, openssl, to a full one", 0.2, to(resumed, openssl)[0]),
        ("CPU over sockets of a resumption, openssl, to a full one", 0.2, to(resumed, openssl)[1]),
        ("refusing a wrong mac1, openssl, to answering M1", 0.01, _share(refusing, "wrong_mac1")),
        ("refusing noise, openssl, to answering M1", 0.01, _share(refusing, "noise")),
    ]
    return [Goal(*one) for one in wanted]


def _share(refusing: dict[str, Any] | None, kind: str) -> float | None:
    return refusing[f"{kind}_to_serving"] if refusing else None


def _table(rows: Sequence[dict[str, Any]], note: str) -> Table:
    head = ["contender", "bytes", "to TLS", "CPU in memory", "to TLS", "CPU over sockets"]
    head += ["to TLS", "dialling + dialled", "a second", "latency", "p99"]
    body = [
        [
            row["name"],
            f"{row['bytes']:,}",
            figure(row["bytes_to_tls"]),
            f"{figure(row['memory_cpu_ms'])} ms",
            figure(row["memory_to_tls"]),
            f"{figure(row['sockets_cpu_ms'])} ms",
            figure(row["sockets_to_tls"]),
            f"{row['sockets_dialling_cpu_ms']:.2f} + {row['sockets_dialled_cpu_ms']:.2f} ms",
            figure(row["per_second"]),
            f"{figure(row['latency_ms'])} ms",
            f"{figure(row['latency_p99_ms'])} ms",
        ]
        for row in rows
    ]
    return Table("Mutual handshakes", head, body, [note])


def _refusal_table(refusals: Sequence[dict[str, Any]]) -> Table:
    body = [
        [
            row["name"],
            f"{figure(row['serving_us'])} µs",
            f"{figure(row['wrong_mac1_us'])} µs",
            f"{100 * row['wrong_mac1_to_serving']:.2f} %",
            f"{figure(row['noise_us'])} µs",
            f"{100 * row['noise_to_serving']:.2f} %",
        ]
        for row in refusals
    ]
    head = ["suite", "answering M1", "refusing a wrong mac1", "share", "refusing noise", "share"]
    return Table("Refusing a stranger's first message (CPU, in memory)", head, body)
