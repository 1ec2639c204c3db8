"""What a measurement gives: data for programs, tables for people and for docs/benchmarks.md."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

_CPU: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Table:
    """One table in Markdown, which is readable as it stands; ``notes`` go below it."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        body = [_row(self.head, widths), _row(["-" * width for width in widths], widths)]
        body += [_row(row, widths) for row in self.rows]
        return "\n".join([f"### {self.title}", "", *body, *(f"\n{note}" for note in self.notes)])


@dataclass(frozen=True)
class Result:
    """A finished measurement. ``data`` has SI units, named in its keys."""

    name: str
    data: Mapping[str, object]
    tables: Sequence[Table] = field(repr=False)

    def as_json(self) -> dict[str, object]:
        """The object that ``--json`` prints."""
        return {"bench": self.name, "machine": machine(), **self.data}

    def as_text(self) -> str:
        """The tables, and where and when they were measured."""
        where = ", ".join(str(value) for value in machine().values())
        return "\n\n".join([*map(str, self.tables), f"Measured on: {where}."])


@dataclass(frozen=True)
class Goal:
    """A figure that has a limit; ``measured`` is None where it could not be measured."""

    what: str
    limit: float
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Whether the figure is within its limit."""
        return None if self.measured is None else self.measured <= self.limit

    def as_json(self) -> dict[str, object]:
        """The goal as a plain map."""
        return {"what": self.what, "limit": self.limit, "measured": self.measured, "met": self.met}


def goals(wanted: Sequence[Goal]) -> Table:
    """The table of goals."""
    words = {True: "yes", False: "**no**", None: "not measured"}
    return Table(
        "Goals",
        ["figure", "at most", "measured", "met"],
        [[g.what, figure(g.limit), figure(g.measured), words[g.met]] for g in wanted],
    )


def figure(value: float | None) -> str:
    """A number with three digits that count; ``-`` for none."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def machine() -> dict[str, object]:
    """Where and when: CPU, cores, other load, Python, the library with OpenSSL, the date."""
    return {
        "cpu": _cpu_name(),
        "cores": f"{os.cpu_count()} cores",
        "load": f"load {os.getloadavg()[0]:.1f}",
        "python": f"Python {platform.python_version()}",
        "cryptography": f"cryptography {version('cryptography')}",
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
    }


def _cpu_name() -> str:
    try:
        lines = _CPU.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(f"{cell:<{w}}" for cell, w in zip(cells, widths, strict=True)) + " |"
