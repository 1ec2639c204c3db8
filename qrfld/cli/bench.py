"""The commands under ``qrfl bench``; `qrfld.bench`, which measures, is imported when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qrfld.cli.session import current

if TYPE_CHECKING:
    from qrfld.bench.report import Result

Seconds = Annotated[
    float, typer.Option(min=0.01, max=3600, help="How long each contender is measured.")
]


def handshake(
    seconds: Seconds = 10.0,
    suite: Annotated[int | None, typer.Option(help="Only this suite.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Only this provider: openssl or liboqs.")
    ] = None,
) -> None:
    """Full mutual handshakes, beside TLS 1.3 with the same algorithms.

    Each suite by each provider that is here, in memory and between two processes over loopback.
    TLS needs pyOpenSSL: install qrfld[bench].
    """
    from qrfld.bench import handshake as bench

    _show(bench.measure(seconds, suite, provider))


def records(seconds: Seconds = 10.0) -> None:
    """Sealed throughput between two processes, beside the AEAD alone and a bare socket."""
    from qrfld.bench import records as bench

    _show(bench.measure(seconds))


def flood(
    seconds: Seconds = 20.0,
    rate: Annotated[
        float, typer.Option(min=1, max=1e6, help="How many first messages a second.")
    ] = 2000.0,
    addresses: Annotated[
        int, typer.Option(min=1, max=60_000, help="How many loopback addresses they come from.")
    ] = 64,
) -> None:
    """A daemon under bogus first messages: its members' pings, joins, CPU and memory."""
    from qrfld.bench import flood as bench

    _show(bench.measure(seconds, rate, addresses))


def aggregate(
    columns: Annotated[
        int, typer.Option(min=1, max=1 << 28, help="How many parameters an update has.")
    ] = 4_000_000,
    rows: Annotated[
        list[int] | None, typer.Option(min=3, max=1000, help="How many updates; repeatable.")
    ] = None,
) -> None:
    """The aggregation rules, in units of one read of their input."""
    from qrfld.bench import aggregate as bench

    _show(bench.measure(columns, rows or bench.ROWS))


def everything(
    seconds: Seconds = 10.0,
) -> None:
    """All of them, one after the other: the tables of docs/benchmarks.md.

    With --json one object a line.
    """
    from qrfld.bench import aggregate, flood, handshake, records

    _show(handshake.measure(seconds))
    _show(records.measure(seconds))
    _show(flood.measure(2 * seconds))
    _show(aggregate.measure())


def _show(result: Result) -> None:
    current().show(result.as_json(), result.as_text())
