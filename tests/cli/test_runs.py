from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine
from fixture_daemon import RUN, FixtureDaemon, run_summary, shown_run

from qrfld.errors import QrfldError


def test_start_sends_what_was_chosen_and_prints_the_id_alone(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    daemon.answers["run.start"] = {"run": RUN}
    options = "--rounds 3 --rule median --f 1 --quorum 2 --deadline 5 --seed 9 --param alpha=0.5"
    done = qrfl("run", "start", "digits", *options.split(), "--param", "model=mlp")
    assert done.out == f"{RUN}\n"
    assert daemon.asked[0] == (
        "run.start",
        {
            "task": "digits",
            "rounds": 3,
            "rule": "median",
            "f": 1,
            "quorum": 2,
            "deadline_seconds": 5.0,
            "seed": 9,
            "params": {"alpha": 0.5, "model": "mlp"},
        },
    )


def test_start_tells_what_the_daemon_chose(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["run.start"] = {"run": RUN}
    told = qrfl("run", "start", "digits").err
    assert "1 members, trimmed-mean with f = 1, quorum 2\n" in told
    assert f"qrfl --home {qrfl.home} run watch {RUN[:8]}" in told
    assert "warning" not in told


def test_start_that_withstands_nobody_warns(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["run.start"] = {"run": RUN}
    shown = shown_run()
    daemon.answers["run.show"] = {**shown, "config": {**shown["config"], "f": 0}}
    done = qrfl("run", "start", "digits", "--rule", "multi-krum")
    assert done.out == f"{RUN}\n"
    assert "warning: with f = 0" in done.err


def test_start_of_a_file_names_it_from_the_root(
    qrfl: CommandLine, daemon: FixtureDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answers["run.start"] = {"run": RUN}
    monkeypatch.chdir(tmp_path)
    qrfl("run", "start", "my/task.py:Mine", "--json")
    assert daemon.asked[0][1]["task"] == f"{tmp_path}/my/task.py:Mine"


@pytest.mark.parametrize("command", ["show", "stop", "watch"])
def test_run_without_a_name_is_refused(
    qrfl: CommandLine, daemon: FixtureDaemon, command: str
) -> None:
    assert qrfl("run", command, "").code == 2
    assert daemon.asked == []


def test_start_leaves_f_and_quorum_to_the_daemon(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["run.start"] = {"run": RUN}
    assert qrfl("run", "start", "digits", "--json").json == {"version": 1, "run": RUN}
    asked = daemon.asked[0][1]
    assert (asked["f"], asked["quorum"], asked["rounds"]) == (None, None, 10)


def test_start_with_watch_prints_the_id_then_the_rounds(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    daemon.answers["run.start"] = {"run": RUN}
    daemon.answers["run.show"] = shown_run(rounds=2, total=2, state="finished")
    done = qrfl("run", "start", "digits", "--watch")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == RUN
    assert [line.split()[1] for line in lines[1:3]] == ["1", "2"]


def test_start_refused_by_the_daemon_prints_no_id(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["run.start"] = QrfldError("no task 'x' here", hint="install it")
    done = qrfl("run", "start", "x")
    assert (done.code, done.out) == (1, "")
    assert "no task 'x' here" in done.err


def test_stop_names_the_run(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["run.stop"] = {"run": RUN}
    assert qrfl("run", "stop", RUN[:6]).out == f"run {RUN} stopped\n"
    assert daemon.asked == [("run.stop", {"run": RUN[:6]})]


def test_list_and_show_default_to_everything_and_the_latest(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    daemon.answers["run.list"] = {"runs": [run_summary(), run_summary(state="finished")]}
    assert len(qrfl("run", "list").out.splitlines()) == 3
    assert qrfl("run", "show", "--json").json["run"] == RUN
    assert daemon.asked[-1] == ("run.show", {"run": "latest"})
