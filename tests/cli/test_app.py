from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import CommandLine
from fixture_daemon import FixtureDaemon

from qrfld.cli import app
from qrfld.cli.app import hoist, run
from qrfld.errors import ConfigError, IdentityError, QrfldError, UsageError


@pytest.mark.parametrize(
    "argv",
    [
        ["--home", "/h", "--json", "run", "list"],
        ["run", "--json", "list", "--home", "/h"],
        ["run", "list", "--home=/h", "--json"],
    ],
)
def test_hoist_finds_the_options_anywhere(argv: list[str]) -> None:
    session, rest = hoist(argv)
    assert (session.home, session.json, session.verbose) == (Path("/h"), True, False)
    assert rest == ["run", "list"]


def test_hoist_leaves_what_stands_behind_two_dashes() -> None:
    session, rest = hoist(["join", "--verbose", "--", "--json"])
    assert (session.json, session.verbose) == (False, True)
    assert rest == ["join", "--", "--json"]


@pytest.mark.parametrize("argv", [["--home"], ["status", "--home="], ["--home", ""]])
def test_hoist_meets_home_without_a_directory_refuses_it(argv: list[str]) -> None:
    with pytest.raises(UsageError, match="--home has no value"):
        hoist(argv)


@pytest.mark.parametrize(
    ("error", "code", "name"),
    [
        (QrfldError("what", hint="do"), 1, "qrfld"),
        (UsageError("what", hint="do"), 2, "usage"),
        (ConfigError("what", hint="do"), 4, "config"),
        (IdentityError("what", hint="do"), 5, "identity"),
    ],
)
def test_daemon_refuses_its_error_and_exit_code_are_ours(
    qrfl: CommandLine, daemon: FixtureDaemon, error: QrfldError, code: int, name: str
) -> None:
    daemon.answers["peers"] = error
    done = qrfl("peers", "--json")
    assert done.code == code
    assert done.json == {
        "version": 1,
        "error": {"name": name, "message": "what", "hint": "do"},
    }
    assert done.err == "qrfl: what\n      do\n"


def test_error_without_json_leaves_standard_output_empty(qrfl: CommandLine) -> None:
    done = qrfl("status")
    assert (done.code, done.out) == (3, "")
    assert "ctl.sock" in done.err
    assert "qrfl init" in done.err
    assert "Traceback" not in done.err


def test_error_with_control_characters_is_escaped(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["peers"] = QrfldError("from a peer: \x1b[2J\nroot#", hint="\x07")
    done = qrfl("peers")
    assert done.err == "qrfl: from a peer: \\x1b[2J\\nroot#\n      \\x07\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["run", "start"],
        ["run", "start", "digits", "--rounds", "0"],
        ["run", "start", "digits", "--rounds", "many"],
        ["model", "export", "-o", "x", "--format", "pickle"],
    ],
)
def test_wrong_usage_exits_2_in_both_forms(qrfl: CommandLine, argv: list[str]) -> None:
    plain = qrfl(*argv)
    assert (plain.code, plain.out) == (2, "")
    assert "Usage: qrfl" in plain.err
    as_json = qrfl("--json", *argv)
    assert as_json.code == 2
    error = as_json.json["error"]
    assert error["name"] == "usage"
    assert error["message"]
    assert "--help" in error["hint"]


@pytest.mark.parametrize("group", [[], ["run"], ["token"]])
def test_group_without_a_command_shows_help(qrfl: CommandLine, group: list[str]) -> None:
    done = qrfl(*group)
    assert done.code == 2
    assert "Commands:" in done.out + done.err


def test_help_documents_every_exit_code(qrfl: CommandLine) -> None:
    done = qrfl("--help")
    assert done.code == 0
    for code in (*range(6), 130):
        assert f"\n    {code}  " in done.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "start", "digits", "--rounds", "many"], "'many' should be a valid integer"),
        (["run", "start", "digits", "--rounds=0"], "'0' should be greater than or equal to 1"),
        (["model", "export", "-o", "x", "--format", "onnx"], "'--format': 'onnx' is not one of"),
    ],
)
def test_wrong_value_is_named_in_the_message(
    qrfl: CommandLine, argv: list[str], message: str
) -> None:
    assert message in qrfl(*argv).err
    assert message in qrfl("--json", *argv).json["error"]["message"]


def test_habits_of_other_programs_work(qrfl: CommandLine) -> None:
    assert qrfl("--version").out == qrfl("version").out
    assert qrfl("--version", "--json").json == qrfl("version", "--json").json
    assert qrfl("run", "start", "-h").out == qrfl("run", "start", "--help").out


def test_bug_of_ours_is_one_line_unless_verbose(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["peers"] = {"peers": [{}]}  # an answer that no daemon of ours gives
    done = qrfl("peers")
    assert done.code == 1
    assert done.err.splitlines()[0] == "qrfl: KeyError: 'state'"
    assert "report it" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in qrfl("peers", "--verbose").err
    assert qrfl("peers", "--json").json["error"]["name"] == "internal"


def test_interrupt_exits_130_and_leaves_the_run(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "qrfld.cli", "--home", str(qrfl.home), "run", "watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it follows the run now
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == b""
    assert {method for method, _ in daemon.asked} == {"run.show"}


def test_reader_that_leaves_early_causes_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "qrfld.cli", "version"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 1
    assert errors == b""


def test_every_command_takes_json_and_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    command = app.typer.main.get_command(app.app)
    for name, sub in command.commands.items():  # type: ignore[attr-defined]
        for child in getattr(sub, "commands", {"": sub}):
            words = [name, child] if child else [name]
            assert run([*words, "--help"]) == 0
            shown = capsys.readouterr().out
            assert "--json" in shown, words
            assert all(len(line) <= 80 for line in shown.splitlines()), words


@pytest.mark.parametrize("argv", [["--help"], ["status"], ["--json", "run", "list"]])
def test_light_commands_load_no_heavy_module(tmp_path: Path, argv: list[str]) -> None:
    code = (
        "import sys, json\n"
        "from qrfld.cli.app import run\n"
        "run(json.loads(sys.argv[1]))\n"
        "print(*sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps([*argv, "--home", str(tmp_path)])],
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"numpy", "asyncio", "rich", "pydantic", "cryptography", "sklearn", "torch", "oqs"}
    assert heavy & set(done.stderr.splitlines()[-1].split()) == set()
