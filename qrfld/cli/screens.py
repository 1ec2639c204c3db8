"""What moving screens are made of: pure functions from the daemon's answers to rich renderables.

Every text that another node may have chosen (names, addresses, errors, reasons) passes `safe`:
control characters escaped, no markup read. All of it fits a terminal of 80 columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qrfld.cli import run_view, text
from qrfld.cli.session import Answer

WIDE: Final = 130  # columns from which on the session's suite and addresses are shown
CURVE: Final = 40
_STATES: Final = {
    "self": "bold",
    "connected": "green",
    "connecting": "yellow",
    "unreachable": "red",
    "finished": "green",
    "stopped": "yellow",
    "failed": "red",
}


def header(status: Answer) -> RenderableType:
    """Who this node is, in two lines, and its warnings."""
    node = status["node"]
    first = Text.assemble(
        (text.printable(f"{node['name']} "), "bold"),
        f"{node['short']}  ",
        safe(status["federation"]["name"], "bold"),
        f"  up {text.duration(status['uptime_seconds'])}  pid {status['pid']}  "
        f"qrfld {status['version']}",
    )
    second = safe(f"{status['suite']} ({status['provider']})", "dim")
    warnings = [safe(warning, "bold red") for warning in status["warnings"]]
    return Group(first, second, *warnings)


def peers(entries: Sequence[Answer], *, width: int, most: int) -> RenderableType:
    """A row for each of at most ``most`` peers."""
    wide = width >= WIDE
    grid = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim")
    grid.add_column("peer", no_wrap=True, overflow="ellipsis", ratio=2)
    grid.add_column("node", no_wrap=True)
    grid.add_column("state", no_wrap=True, overflow="ellipsis", ratio=3)
    if wide:
        grid.add_column("address", no_wrap=True, overflow="ellipsis", ratio=3)
        grid.add_column("suite", no_wrap=True, overflow="ellipsis", max_width=46)
    for head in ("rtt", "sent", "received"):
        grid.add_column(head, justify="right", no_wrap=True, min_width=8)
    for peer in run_view.in_order(entries)[:most]:
        extra = (safe(peer["address"] or "-"), safe(peer["suite"] or "-")) if wide else ()
        rtt = "-" if peer["rtt_ms"] is None else f"{peer['rtt_ms']:.1f} ms"
        grid.add_row(
            safe(peer["name"]),
            safe(peer["short"]),
            _state(peer),
            *extra,
            rtt,
            text.amount(peer["bytes_sent"]),
            text.amount(peer["bytes_received"]),
        )
    if len(entries) <= most:
        return grid
    return Group(grid, Text(f"and {len(entries) - most} more: qrfl peers", style="dim"))


def run(summary: Answer, accuracies: Sequence[float | None], *, width: int) -> RenderableType:
    """A run's progress and its curve of accuracies."""
    progress = Table.grid(padding=(0, 2), expand=True)
    progress.add_column(no_wrap=True)
    progress.add_column(ratio=1)
    done, total = summary["round"], summary["rounds"]
    progress.add_row(f"round {done} of {total}", ProgressBar(total=total, completed=done))
    accuracy = Text.assemble(
        "accuracy ",
        (text.percent(summary["accuracy"]), "bold"),
        "  ",
        (text.curve(accuracies, min(CURVE, width - 30)), "cyan"),
    )
    over = _STATES.get(summary["state"], "")
    title = safe(
        f"{summary['run'][: run_view.SHORT]}  {summary['task']}  "
        f"{summary['rule']} f={summary['f']}  by {summary['coordinator_name']}"
    )
    body = Group(progress, accuracy, safe(run_view.state(summary), over))
    return Panel(body, title=title, title_align="left", border_style=over or "blue")


def rounds(finished: Sequence[Answer], *, most: int) -> RenderableType:
    """A row for each of the last ``most`` rounds."""
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("round", "accuracy", "time", "bytes", "suspects", "late"):
        names = head in ("suspects", "late")
        grid.add_column(
            head, no_wrap=True, overflow="ellipsis", justify="left" if names else "right"
        )
    for done in finished[-most:]:
        grid.add_row(
            str(done["round"]),
            text.percent(done["accuracy"]),
            f"{done['seconds']:.1f} s",
            text.amount(done["bytes_sent"] + done["bytes_received"]),
            safe(", ".join(done["suspects"]) or "-", "red" if done["suspects"] else ""),
            safe(", ".join(done["stragglers"]) or "-"),
        )
    return grid


def _state(peer: Answer) -> Text:
    state = str(peer["state"])
    style = _STATES.get(state, "")
    why = run_view.why_away(peer)
    return safe(f"{state}: {why}" if why else state, style)


def safe(value: str, style: str = "") -> Text:
    """``value`` as text that can neither steer the terminal nor be read as markup."""
    return Text(text.printable(str(value)), style=style)
