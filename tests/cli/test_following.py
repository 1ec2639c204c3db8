from __future__ import annotations

import pytest
from command_line import CommandLine
from fixture_daemon import RUN, FixtureDaemon, shown_run

from qrfld.cli import polling


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 0.01)


def growing(end: str, **more: object) -> object:
    """`run.show` as it answers while a run of three rounds goes on."""
    asked = iter([0, 0, 1, 1, 3])

    def answer(run: str) -> dict[str, object]:
        rounds = next(asked, 3)
        state = end if rounds == 3 else "running"
        return shown_run(rounds, total=3, state=state, **(more if rounds == 3 else {}))

    return answer


def test_watch_prints_each_round_once_and_the_end(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["run.show"] = growing("finished")
    done = qrfl("run", "watch", RUN[:4])
    assert done.code == 0
    lines = done.out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["1", "2", "3"]
    assert lines[3:] == ["finished, accuracy 91.5%"]
    # After the first question the run has its full name: a newer run cannot take its place.
    assert [asked["run"] for _, asked in daemon.asked] == [RUN[:4]] + [RUN] * 4


def test_watch_json_is_one_object_a_line(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["run.show"] = growing("finished")
    objects = qrfl("run", "watch", "--json").objects
    assert [(o["version"], o["event"]) for o in objects] == [(1, "round")] * 3 + [(1, "end")]
    assert [o["round"] for o in objects] == [1, 2, 3, 2 + 1]
    assert objects[-1] == {
        "version": 1,
        "event": "end",
        "run": RUN,
        "state": "finished",
        "reason": "",
        "round": 3,
        "accuracy": 0.915,
    }


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_watch_of_a_run_that_does_not_finish_fails(
    qrfl: CommandLine, daemon: FixtureDaemon, state: str
) -> None:
    daemon.answers["run.show"] = growing(state, reason="quorum lost")
    done = qrfl("run", "watch", "--json")
    assert done.code == 1
    assert done.objects[-2]["state"] == state
    error = done.objects[-1]["error"]
    assert error["name"] == "run-not-finished"
    assert f"{state}: quorum lost" in error["message"]


def test_daemon_restarts_while_watched_watch_goes_on(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    from qrfld.cli.following import Lines
    from qrfld.cli.session import Session

    qrfl("version")  # empties the captured streams
    sink = Lines(Session(qrfl.home))
    for shown in (shown_run(1), None, None, shown_run(2), shown_run(2, state="finished")):
        sink.show(shown)
    captured = qrfl._capsys.readouterr()
    assert captured.err == "the daemon does not run\nthe daemon is back\n"
    assert [line.split()[0] for line in captured.out.splitlines()] == [
        "round",
        "round",
        "finished,",
    ]


def test_watch_without_a_daemon_exits_3(qrfl: CommandLine) -> None:
    assert qrfl("run", "watch").code == 3
