from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine
from fixture_daemon import FixtureDaemon

import qrfld


def write(qrfl: CommandLine, text: str) -> Path:
    qrfl.home.mkdir(exist_ok=True)
    file = qrfl.home / "qrfld.toml"
    file.write_text(text)
    return file


def test_show_without_a_daemon_reads_file_and_environment(
    qrfl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(qrfl, '[listen]\nport = 7000\n[node]\nname = "alice"\n')
    monkeypatch.setenv("QRFLD_LISTEN_PORT", "7001")
    done = qrfl("config", "show")
    assert "listen.port" in done.out
    assert "7001" in done.out
    assert str(file) in done.err
    answer = qrfl("config", "show", "--json").json
    assert answer["config"]["node"]["name"] == "alice"
    assert answer["source"] == str(file)


def test_show_writes_what_is_empty_or_unset_so_that_it_is_seen(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    lab = {"attack": "", "attack_scale": None}
    daemon.answers["config.show"] = {"config": {"lab": lab, "bootstrap": {"peers": ["a@b:1"]}}}
    assert [line.split() for line in qrfl("config", "show").out.splitlines()] == [
        ["bootstrap.peers", '["a@b:1"]'],
        ["lab.attack", '""'],
        ["lab.attack_scale", "unset"],
    ]


def test_show_with_a_daemon_asks_it(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    write(qrfl, "[listen]\nport = 7000\n")
    daemon.answers["config.show"] = {"config": {"listen": {"port": 6999}}}
    answer = qrfl("config", "show", "--json").json
    assert (answer["config"]["listen"]["port"], answer["source"]) == (6999, "daemon")


def test_check_names_the_file_that_is_right(qrfl: CommandLine) -> None:
    file = write(qrfl, '[lab]\nattack = "sign-flip"\n')
    done = qrfl("config", "check")
    assert done.code == 0
    assert done.out.splitlines()[0] == f"{file}: ok"
    assert "LAB MODE" in done.out
    assert qrfl("config", "check", str(file), "--json").json["ok"] is True


def test_check_of_an_unknown_key_exits_4_and_names_the_nearest(qrfl: CommandLine) -> None:
    write(qrfl, "[listen]\nprot = 7000\n")
    done = qrfl("config", "check", "--json")
    assert done.code == 4
    assert done.json["error"]["name"] == "unknown-key"
    assert "port" in done.json["error"]["hint"]


def test_check_of_a_missing_file_exits_4(qrfl: CommandLine, tmp_path: Path) -> None:
    done = qrfl("config", "check", str(tmp_path / "nothing.toml"))
    assert (done.code, done.out) == (4, "")
    assert "nothing.toml" in done.err


def test_paths_shows_places_and_makes_nothing(qrfl: CommandLine) -> None:
    answer = qrfl("paths", "--json").json
    assert answer["paths"]["socket"] == str(qrfl.home / "ctl.sock")
    assert str(qrfl.home / "qrfld.db") in qrfl("paths").out
    assert not qrfl.home.exists()


def test_home_too_long_for_a_socket_exits_4(qrfl: CommandLine) -> None:
    done = qrfl("paths", "--home", "/" + "x" * 120)
    assert done.code == 4
    assert "shorter --home" in done.err


def test_version_names_qrfld_and_its_libraries(qrfl: CommandLine) -> None:
    answer = qrfl("version", "--json").json
    assert answer["qrfld"] == qrfld.__version__
    assert {"cryptography", "numpy"} <= answer["libraries"].keys()
    assert qrfld.__version__ in qrfl("version").out
