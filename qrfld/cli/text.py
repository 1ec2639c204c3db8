"""Figures, tables and curves as plain text of printable characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from qrfld.logs import printable

__all__ = ["amount", "curve", "duration", "fields", "lines", "percent", "printable", "table"]

_BARS: Final = "▁▂▃▄▅▆▇█"


def amount(count: float) -> str:
    """``count`` bytes in decimal units, three digits: ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"


def duration(seconds: float) -> str:
    """A span of time in its two largest units: ``2 h 03 min``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02} h"


def percent(share: float | None) -> str:
    """An accuracy between 0 and 1, or ``-`` while there is none."""
    return "-" if share is None else f"{share:.1%}"


def curve(values: Sequence[float | None], width: int) -> str:
    """The last ``width`` of ``values``, each between 0 and 1, as bars on that fixed scale.

    The scale does not stretch to the values: a curve that looks high is high. None is a gap.
    """
    shown = values[-width:] if width > 0 else ()
    return "".join(" " if v is None else _BARS[min(7, max(0, int(v * 8)))] for v in shown)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Left-aligned columns two spaces apart; nothing is cut, so that scripts and eyes see all."""
    lines = [list(head), *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(_width(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(_pad(cell, size) for cell, size in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def fields(values: Mapping[str, object]) -> str:
    """One ``name  value`` a line, the values below each other."""
    width = max((len(name) for name in values), default=0)
    return "\n".join(f"{name:<{width}}  {printable(str(value))}" for name, value in values.items())


def lines(parts: Iterable[str]) -> str:
    """Lines of printable text, each on its own."""
    return "\n".join(map(printable, parts))


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """The columns of a terminal that ``text`` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
