"""The node, its peers and its current run, at a glance."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from qrfld.cli import run_view, text
from qrfld.cli.polling import polls
from qrfld.cli.session import Answer, current
from qrfld.errors import UsageError


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing it until Ctrl-C.")] = False,
) -> None:
    """Show the node at a glance.

    Who it is, whom it is connected to, what it trains.
    """
    session = current()
    if not watch:
        answer = session.call("status")
        session.show(as_json(answer), as_text(answer))
        return
    if session.json:
        for latest in polls(lambda: session.call("status")):
            session.emit({"running": latest is not None, **(as_json(latest) if latest else {})})
    elif sys.stdout.isatty():
        from qrfld.cli.watching import watch as watch_screen

        watch_screen(session)
    else:
        raise UsageError(
            "--watch draws on a terminal, and standard output is none",
            hint="leave it out, or take --json for one object a line",
        )


def peers() -> None:
    """List the members and how they are reached."""
    answer = current().call("peers")
    head = ("NAME", "NODE", "STATE", "ADDRESS", "RTT", "SENT", "RECEIVED", "SESSION")
    current().show(answer, text.table(head, map(_row, run_view.in_order(answer["peers"]))))


def as_json(answer: Answer) -> dict[str, Any]:
    """The daemon's answer under the keys of ``qrfl status --json``.

    The daemon's own version becomes ``qrfld``: ``version`` is the version of the JSON.
    """
    renamed = dict(answer)
    renamed["qrfld"] = renamed.pop("version")
    return renamed


def as_text(answer: Answer) -> str:
    """The daemon's answer as lines for a person."""
    node, run = answer["node"], answer["run"]
    connected = sum(peer["state"] == "connected" for peer in answer["peers"])
    shown = {
        "node": f"{node['name']} ({node['short']})",
        "federation": answer["federation"]["name"],
        "daemon": f"{answer['version']}, pid {answer['pid']}, "
        f"up {text.duration(answer['uptime_seconds'])}",
        "suite": f"{answer['suite']} ({answer['provider']})",
        "listening": ", ".join(answer["listen"]) or "-",
        "members": f"{answer['members']}, {connected} connected",
        "run": run_view.one_line(run) if run else "none",
    }
    warnings = [f"warning: {text.printable(warning)}" for warning in answer["warnings"]]
    return "\n".join([*warnings, text.fields(shown)])


def _row(peer: Answer) -> tuple[str, ...]:
    rtt = peer["rtt_ms"]
    return (
        peer["name"],
        peer["short"],
        peer["state"],
        peer["address"] or "-",
        "-" if rtt is None else f"{rtt:.1f} ms",
        text.amount(peer["bytes_sent"]),
        text.amount(peer["bytes_received"]),
        peer["suite"] or run_view.why_away(peer) or "-",
    )
