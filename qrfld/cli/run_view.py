"""Runs and rounds as lines of text.

A *run* is a summary, as in ``run.list``: its ``rounds`` is how many there will be. A *shown* run is
the answer of ``run.show``: its ``rounds`` are the finished ones, and the number is in its config.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qrfld.cli import text
from qrfld.cli.session import Answer

SHORT: Final = 8  # characters of a run id that people see; commands take any unique beginning
OVER: Final = frozenset({"finished", "stopped", "failed"})
# The state stands last: it may be a sentence.
_RUN_HEAD: Final = ("RUN", "TASK", "RULE", "F", "ROUND", "ACCURACY", "ROLE", "COORDINATOR", "STATE")
_ROUND_HEAD: Final = ("ROUND", "ACCURACY", "LOSS", "TIME", "SENT", "RECEIVED", "SUSPECTS", "LATE")


def in_order(peers: Sequence[Answer]) -> list[Answer]:
    """Peers as people look for them: the node itself, then by name."""
    return sorted(peers, key=lambda peer: (peer["state"] != "self", peer["name"], peer["id"]))


def why_away(peer: Answer) -> str:
    """Why there is no session with ``peer``, without the address that stands beside it."""
    if peer["state"] in ("self", "connected"):
        return ""
    return str(peer["last_error"]).removeprefix(f"{peer['address']}: ")


def summary(shown: Answer) -> Answer:
    """The summary that is in a shown run."""
    return {**shown, "rounds": shown["config"]["rounds"]}


def one_line(run: Answer) -> str:
    """A run in one line: ``1f2e3d4c digits, trimmed-mean f=1: round 3 of 10, training, 93.1%``."""
    parts = [f"round {run['round']} of {run['rounds']}", state(run)]
    if run["accuracy"] is not None:
        parts.append(text.percent(run["accuracy"]))
    head = f"{run['run'][:SHORT]} {run['task']}, {run['rule']} f={run['f']}"
    return text.printable(f"{head}: {', '.join(parts)}")


def state(run: Answer) -> str:
    """What the run does now, or why it is over."""
    if run["state"] in OVER:
        state, reason = str(run["state"]), str(run["reason"])
        return reason if reason.startswith(state) else f"{state}: {reason}" if reason else state
    return str(run["phase"] or run["state"])


def listing(runs: list[Answer]) -> str:
    """One row a run."""
    return text.table(_RUN_HEAD, map(_run_row, runs))


def details(run: Answer) -> str:
    """A shown run: its settings and its finished rounds."""
    config = run["config"]
    shown = {
        "run": run["run"],
        "state": state(run),
        "task": config["task"],
        "parameters": " ".join(f"{k}={v}" for k, v in config["params"].items()) or "-",
        "rule": f"{run['rule']}, f = {run['f']}",
        "rounds": f"{run['round']} of {config['rounds']}",
        "deadline": f"{config['deadline_seconds']:g} s a round, quorum {config['quorum']}",
        "seed": config["seed"],
        "members": ", ".join(member["name"] for member in config["members"]),
        "coordinator": f"{run['coordinator_name']} ({run['coordinator']})",
        "this node": run["role"],
        "accuracy": text.percent(run["accuracy"]),
    }
    if not run["rounds"]:
        return text.fields(shown)
    return f"{text.fields(shown)}\n\n{text.table(_ROUND_HEAD, map(_round_row, run['rounds']))}"


def round_line(done: Answer, rounds: int) -> str:
    """One finished round, for a stream of lines."""
    line = (
        f"round {done['round']:>3} of {rounds}  accuracy {text.percent(done['accuracy']):>6}  "
        f"{done['seconds']:5.1f} s  {text.amount(done['bytes_sent'] + done['bytes_received'])}"
    )
    for label, names in (("suspect", done["suspects"]), ("late", done["stragglers"])):
        if names:
            line += f"  {label}: {', '.join(names)}"
    return text.printable(line)


def _run_row(run: Answer) -> tuple[object, ...]:
    return (
        run["run"][:SHORT],
        run["task"],
        run["rule"],
        run["f"],
        f"{run['round']}/{run['rounds']}",
        text.percent(run["accuracy"]),
        run["role"],
        run["coordinator_name"],
        state(run),
    )


def _round_row(done: Answer) -> tuple[object, ...]:
    return (
        done["round"],
        text.percent(done["accuracy"]),
        "-" if done["loss"] is None else f"{done['loss']:.4f}",
        f"{done['seconds']:.1f} s",
        text.amount(done["bytes_sent"]),
        text.amount(done["bytes_received"]),
        ", ".join(done["suspects"]) or "-",
        ", ".join(done["stragglers"]) or "-",
    )
