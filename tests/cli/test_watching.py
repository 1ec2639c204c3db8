from __future__ import annotations

from command_line import CommandLine
from fixture_daemon import RUN, FixtureDaemon, run_summary, shown_run, status
from terminal import Terminal

from qrfld.cli.watching import AWAY


def test_status_screen_survives_a_restart_and_leaves_with_ctrl_c(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    with Terminal(["--home", str(qrfl.home), "status", "--watch"]) as terminal:
        picture = terminal.until("Ctrl-C leaves")
        for part in ("alice", "clinic", "bob", "carol", "round 2 of 10", "91.5%", "██"):
            assert part in picture
        daemon.stop()
        terminal.until(AWAY[:30])
        daemon.answers["status"] = status(run=run_summary(round=3))
        daemon.answers["run.show"] = shown_run(rounds=3)
        daemon.start()
        assert "███" in terminal.until("round 3 of 10") + terminal.until("Ctrl-C leaves")
        assert terminal.interrupt() == 0
    # The alternate screen was entered and left: the user's terminal is as it was.
    assert "\x1b[?1049h" in terminal.raw
    assert terminal.raw.rindex("\x1b[?1049l") > terminal.raw.rindex("\x1b[?1049h")


def test_status_screen_without_a_run_says_how_to_start_one(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    daemon.answers["status"] = status(run=None)
    with Terminal(["--home", str(qrfl.home), "status", "--watch"]) as terminal:
        terminal.until("qrfl run start TASK")
        assert terminal.interrupt() == 0


def test_status_screen_without_a_daemon_exits_3(qrfl: CommandLine) -> None:
    with Terminal(["--home", str(qrfl.home), "status", "--watch"]) as terminal:
        assert terminal.end() == 3


def test_run_screen_draws_rounds_and_ends_with_the_run(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    with Terminal(["--home", str(qrfl.home), "run", "watch", RUN[:5]]) as terminal:
        picture = terminal.until("training")
        assert "suspects" in picture
        assert "mallory" in picture
        daemon.answers["run.show"] = shown_run(rounds=10, state="finished")
        terminal.until("round 10 of 10")
        assert terminal.end() == 0


def test_run_screen_interrupted_exits_130(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    with Terminal(["--home", str(qrfl.home), "run", "watch"]) as terminal:
        terminal.until("training")
        assert terminal.interrupt() == 130
