"""The whole demonstration, small: real daemons, real commands, real training."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qrfld.cli.app import run

COMMAND = [sys.executable, "-m", "qrfld.cli", "demo", "--nodes=3", "--rounds=2"]


def processes_of(directory: Path) -> list[str]:
    """Command lines of all processes that name the directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(directory) in line:
                found.append(line)
    return found


def test_demo_prints_one_object_and_leaves_no_process(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    done = subprocess.run(
        [*COMMAND, "--json", "--home", str(home)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    shown = json.loads(line)
    assert shown["version"] == 1
    assert (shown["nodes"], shown["attackers"]) == (3, ["node-3"])
    assert shown["suite"].startswith("X25519+ML-KEM-768 / ML-DSA-65 / ")
    assert [entry["round"] for entry in shown["rounds"]] == [1, 2]
    assert all(entry["bytes_sent"] > 0 for entry in shown["rounds"])
    assert shown["final_accuracy"] == shown["rounds"][-1]["accuracy"]
    assert shown["final_accuracy"] > shown["mean_rule_final_accuracy"] + 0.2
    assert shown["home"] == str(home)
    assert (home / "node-3" / "qrfld.db").exists()
    assert processes_of(home) == []


def test_demo_interrupted_leaves_no_process(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    with subprocess.Popen(
        [*COMMAND, "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while "node-2: qrfl join" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert f"the state lies in {home}" in errors
    assert processes_of(home) == []


@pytest.mark.parametrize("arguments", [["--attackers=2", "--nodes=4"], ["--rule=magic"]])
def test_demo_that_cannot_be_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    home = tmp_path / "demo"
    assert run(["demo", "--home", str(home), *arguments]) == 2
    assert not home.exists()
    assert "state lies" not in capsys.readouterr().err


def test_demo_not_kept_removes_its_state_only_after_success(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert run(["demo", "--home", str(tmp_path), "--no-keep"]) == 1
    assert (tmp_path / "mine").exists()
