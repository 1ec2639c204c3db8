from __future__ import annotations

from io import StringIO

import pytest
from fixture_daemon import peer, round_summary, run_summary, status
from rich.console import Console, RenderableType

from qrfld.cli import screens

HOSTILE = "[red]x[/red]\x1b[2J\n"


def drawn(what: RenderableType, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width, force_terminal=False, color_system=None)
    console.print(what)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def everything(name: str, width: int) -> str:
    entries = [peer(name, "unreachable", last_error=name, address=name, suite=name)]
    answer = status(
        node={"id": "", "short": "GR6L44J", "name": name},
        federation={"id": "", "name": name},
        warnings=[name],
    )
    run = run_summary(task=name, rule=name, coordinator_name=name, phase=name)
    return "".join(
        drawn(part, width)
        for part in (
            screens.header(answer),
            screens.peers(entries, width=width, most=9),
            screens.run(run, [0.1, None, 0.9], width=width),
            screens.rounds([round_summary(1, suspects=[name], stragglers=[name])], most=5),
        )
    )


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_names_neither_steer_the_terminal_nor_become_markup(width: int) -> None:
    shown = everything(HOSTILE, width)
    assert not [c for c in shown if ord(c) < 32 and c != "\n"]
    if width == 200:
        assert shown.count("[red]x[/red]\\x1b[2J\\n") >= 8


@pytest.mark.parametrize("width", [40, 80, 120])
def test_screens_fit_the_terminal(width: int) -> None:
    shown = everything("a-rather-long-name-" * 3, width)
    assert max(map(len, shown.splitlines())) <= width


def test_peers_at_80_columns_show_who_how_and_how_much() -> None:
    shown = drawn(screens.peers([peer("bob")], width=80, most=5))
    for part in ("bob", "GR6L44J", "connected", "1.2 ms", "123 kB", "2.3 MB"):
        assert part in shown


def test_peers_on_a_wide_terminal_show_address_and_suite() -> None:
    shown = drawn(screens.peers([peer("bob")], width=160, most=5), 160)
    assert "192.0.2.7:7483" in shown
    assert "X25519+ML-KEM-768" in shown


def test_more_peers_than_lines_are_counted() -> None:
    shown = drawn(screens.peers([peer(f"p{i}") for i in range(9)], width=80, most=4))
    assert "p3" in shown
    assert "p4" not in shown
    assert "and 5 more" in shown


def test_run_shows_progress_curve_and_why_it_is_over() -> None:
    shown = drawn(screens.run(run_summary(), [0.2, 0.5, 0.95], width=80))
    assert "round 2 of 10" in shown
    assert "▂▅█" in shown
    assert "91.5%" in shown
    failed = run_summary(state="failed", reason="quorum lost")
    assert "failed: quorum lost" in drawn(screens.run(failed, [], width=80))


def test_rounds_show_the_last_ones() -> None:
    shown = drawn(screens.rounds([round_summary(n) for n in range(1, 20)], most=3))
    assert [line.split()[0] for line in shown.splitlines()] == ["round", "17", "18", "19"]
