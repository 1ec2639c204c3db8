from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine
from fixture_daemon import FixtureDaemon

from qrfld.cli.demo.ports import free_ports


@pytest.fixture
def node(qrfl: CommandLine) -> Iterator[CommandLine]:
    (port,) = free_ports(1)
    done = qrfl("init", "--federation", "f", "--name", "alice", "--listen", f"127.0.0.1:{port}")
    assert done.code == 0, done.err
    yield qrfl
    qrfl("down")


def test_daemon_goes_up_once_and_down_once(node: CommandLine) -> None:
    first = node.apart("up", "--json")
    assert first.code == 0, first.err
    pid = first.json["pid"]
    assert first.json["started"] is True
    assert Path(f"/proc/{pid}").exists()
    assert node.apart("up", "--json").json == {"version": 1, "pid": pid, "started": False}
    assert f"pid {pid}" in node("status").out
    assert node("down", "--json").json["stopped"] is True
    assert node("status").code == 3
    assert node("down").out == "daemon was not running\n"


def test_up_in_a_directory_of_traps_imports_none_of_them(
    node: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for trap in ("msgspec.py", "asyncio.py"):
        (tmp_path / trap).write_text("raise SystemExit('a trap')")
    (tmp_path / "qrfld").mkdir()  # as beside a clone
    monkeypatch.chdir(tmp_path)
    done = node("up", "--json")
    assert done.code == 0, done.err


def test_up_with_the_port_in_use_says_so_and_leaves_no_daemon(node: CommandLine) -> None:
    port = node("config", "show", "--json").json["config"]["listen"]["port"]
    with socket.create_server(("127.0.0.1", port)):
        done = node.apart("up", "--json")
    assert done.code == 4
    assert str(port) in done.json["error"]["message"]
    assert node("status").code == 3


def test_up_with_a_wrong_configuration_exits_4(node: CommandLine) -> None:
    config = node.home / "qrfld.toml"
    config.write_text(config.read_text().replace("[limits]", "[limits]\nsesions = 3"))
    done = node.apart("up")
    assert done.code == 4, done.err
    assert "sesions" in done.err


def test_up_with_the_wrong_passphrase_exits_5(
    qrfl: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse")
    wrong.write_text("battery staple")
    (port,) = free_ports(1)
    listen = ("--listen", f"127.0.0.1:{port}")
    qrfl("init", "--federation", "f", *listen, "--passphrase-file", str(right))
    assert qrfl.apart("up", "--passphrase-file", str(wrong)).code == 5
    assert qrfl.apart("up").code == 5  # nothing was given, and nobody is there to be asked
    monkeypatch.setenv("QRFLD_PASSPHRASE", "correct horse")
    assert qrfl.apart("up").code == 0
    assert qrfl("down").code == 0


def test_up_without_a_node_exits_5(qrfl: CommandLine) -> None:
    done = qrfl("up")
    assert done.code == 5, done.err


def test_up_beside_a_running_daemon_starts_none(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    assert qrfl("up", "--json").json == {"version": 1, "pid": os.getpid(), "started": False}
