from __future__ import annotations

from io import StringIO
from pathlib import Path

from fixture_daemon import peer, round_summary, run_summary, shown_run, status
from rich.console import Console

from qrfld.cli.demo.plan import Plan
from qrfld.cli.demo.screen import DemoScreen, node_table

PLAN = Plan(3, 10, 1, "sign-flip", "trimmed-mean", 0.5, 7, Path("/nowhere"))


def console() -> Console:
    return Console(file=StringIO(), width=80, height=40, force_terminal=False, color_system=None)


def written(on: Console) -> str:
    text: str = on.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_node_table_tells_attackers_states_and_suspicions() -> None:
    on = console()
    shown = shown_run(rounds=0)
    shown["rounds"] = [round_summary(n, suspects=["node-3"]) for n in (1, 2)]
    on.print(node_table(PLAN, [status(), None, status(run=None)], shown))
    first, second, third = written(on).splitlines()[1:]
    assert first.split() == ["node-1", "honest", "training", "2", "of", "2", "2", "of", "10", "-"]
    assert second.split() == ["node-2", "honest", "down", "-", "-", "-"]
    assert third.split() == ["node-3", "sign-flip", "up", "2", "of", "2", "-", "in", "2", "rounds"]


def test_screen_keeps_both_acts_and_the_step() -> None:
    on = console()
    with DemoScreen(PLAN, on) as screen:
        screen.say("qrfl run start")
        screen.nodes([status(peers=[peer("node-2")], run=run_summary())] * 3)
        screen.run(shown_run(10, state="finished"))
        screen.run(shown_run(3, run="ff" * 16, rule="mean", f=0))
    shown = written(on)
    assert "sessions: X25519+ML-KEM-768 / ML-DSA-65 / AES-256-GCM" in shown
    assert "round 10 of 10" in shown
    assert "ffffffff  digits  mean f=0" in shown
    assert "▸ qrfl run start" in shown
    assert max(map(len, shown.splitlines())) <= 80
