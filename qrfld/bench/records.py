"""`qrfl bench records`: sealed throughput, beside the AEAD alone and a bare socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any, Final

import uvloop

from qrfld.bench import channels
from qrfld.bench.channels import Channel, Raw, Sealed, Send
from qrfld.bench.contenders import Ours
from qrfld.bench.measure import in_turns, ratio
from qrfld.bench.other import Other, OtherProcessError, other
from qrfld.bench.report import Result, Table, figure
from qrfld.crypto.aead import Cipher
from qrfld.crypto.parameters import AEAD_KEY_SIZE, AEAD_NONCE_SIZE, AEAD_TAG_SIZE
from qrfld.crypto.suites import Aead
from qrfld.net.allocator import keep_freed_memory

SIZES: Final = (64 * 1024, 1024 * 1024)
TURNS: Final = 5
PATIENCE: Final = 30.0
_GB: Final = 1e9
_NONCE: Final = bytes(AEAD_NONCE_SIZE)
_HEADER: Final = bytes(4)


@dataclass(frozen=True)
class Slice:
    """What went through in one turn: CPU seconds of both processes, and wall seconds, for a GB."""

    wall: float
    sending: float
    receiving: float


def measure(seconds: float, sizes: Sequence[int] = SIZES) -> Result:
    """Send for ``seconds`` through every channel in records of each size (bytes of data).

    Raises OtherProcessError.
    """
    keep_freed_memory()  # as a daemon does
    keys = Ours.generate(1, "openssl")
    ways: list[Channel] = [Raw(), *(Sealed(keys, aead) for aead in Aead)]
    slices = _sent(ways, sizes, seconds)
    alone = in_turns(_alone(sizes), seconds / 4)
    rows = [_row(way, size, slices, alone) for size in sizes for way in ways]
    return Result("records", {"seconds": seconds, "rows": rows}, [_table(rows)])


def _sent(
    ways: Sequence[Channel], sizes: Sequence[int], seconds: float
) -> dict[tuple[str, int], list[Slice]]:
    with ExitStack() as stack:
        others = [stack.enter_context(other(channels.serve, way)) for way in ways]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_turns(ways, others, sizes, seconds / TURNS))


async def _turns(
    ways: Sequence[Channel], others: Sequence[Other], sizes: Sequence[int], seconds: float
) -> dict[tuple[str, int], list[Slice]]:
    found: dict[tuple[str, int], list[Slice]] = {}
    async with AsyncExitStack() as stack:
        pairs = list(zip(ways, others, strict=True))
        senders = [await stack.enter_async_context(way.open(one.address)) for way, one in pairs]
        for _, size in product(range(TURNS), sizes):
            for (way, one), send in zip(pairs, senders, strict=True):
                turn = await _turn(send, one, bytes(size), seconds)
                found.setdefault((way.name, size), []).append(turn)
    return found


async def _turn(send: Send, receiver: Other, data: bytes, seconds: float) -> Slice:
    before, start, cpu = receiver.state(), time.perf_counter(), time.process_time()
    count = 0
    while not count or time.perf_counter() - start < seconds:
        await send(data)
        count += len(data)
    while (after := receiver.state()).done - before.done < count:
        if time.perf_counter() - start > seconds + PATIENCE:
            raise OtherProcessError(f"{after.done - before.done} of {count} bytes arrived")
        await asyncio.sleep(0)  # the rest is still in our own buffers
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Slice(*(value / count * _GB for value in (wall, cpu, after.cpu - before.cpu)))


def _alone(sizes: Sequence[int]) -> dict[str, Callable[[], float]]:
    """Sealing and opening without anything else: CPU seconds for a GB."""
    works: dict[str, Callable[[], float]] = {}
    for aead in Aead:
        for size in sizes:
            cipher = Cipher(aead, bytes(AEAD_KEY_SIZE))
            data, out = bytes(size), bytearray(size + AEAD_TAG_SIZE)
            sealed = cipher.seal(_NONCE, data, _HEADER)

            def seal(cipher: Cipher = cipher, data: bytes = data, out: bytearray = out) -> float:
                start = time.process_time()
                cipher.seal_into(_NONCE, data, _HEADER, out)
                return (time.process_time() - start) / len(data) * _GB

            def unseal(cipher: Cipher = cipher, sealed: bytes = sealed, size: int = size) -> float:
                start = time.process_time()
                cipher.open(_NONCE, sealed, _HEADER)
                return (time.process_time() - start) / size * _GB

            works[f"{aead.label} {size} seal"] = seal
            works[f"{aead.label} {size} open"] = unseal
    return works


def _row(
    way: Channel,
    size: int,
    slices: dict[tuple[str, int], list[Slice]],
    alone: dict[str, list[float]],
) -> dict[str, Any]:
    turns, raw = slices[way.name, size], slices[Raw().name, size]
    wall = [turn.wall for turn in turns]
    sending, receiving = ([t.sending for t in turns], [t.receiving for t in turns])
    sealing = [alone.get(f"{way.name} {size} {what}") for what in ("seal", "open")]
    own = [median(found) if found else None for found in sealing]
    return {
        "channel": way.name,
        "record_bytes": size,
        "mb_per_s": 1000 / median(wall),
        "to_raw": 1 / ratio(wall, [turn.wall for turn in raw]),
        "sending_cpu_s_per_gb": median(sending),
        "receiving_cpu_s_per_gb": median(receiving),
        "aead_sealing_cpu_s_per_gb": own[0],
        "aead_opening_cpu_s_per_gb": own[1],
        "raw_sending_cpu_s_per_gb": median(turn.sending for turn in raw),
        "raw_receiving_cpu_s_per_gb": median(turn.receiving for turn in raw),
    }


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    head = ["channel", "record", "throughput", "to raw", "send CPU", "of it AEAD"]
    head += ["receive CPU", "of it AEAD"]
    body = [
        [
            row["channel"],
            f"{row['record_bytes'] // 1024} KiB",
            f"{figure(row['mb_per_s'])} MB/s",
            figure(row["to_raw"]),
            f"{figure(row['sending_cpu_s_per_gb'])} s/GB",
            _per_gb(row["aead_sealing_cpu_s_per_gb"]),
            f"{figure(row['receiving_cpu_s_per_gb'])} s/GB",
            _per_gb(row["aead_opening_cpu_s_per_gb"]),
        ]
        for row in rows
    ]
    note = (
        "One bulk connection over loopback, sender and receiver in a process of their own, nothing "
        "read from or written to disk. AEAD: sealing into, or opening from, one buffer in memory, "
        "measured alone. The raw socket runs on the same event loop with the same buffers."
    )
    return Table("Sealed records", head, body, [note])


def _per_gb(value: float | None) -> str:
    return "-" if value is None else f"{figure(value)} s/GB"
