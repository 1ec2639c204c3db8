"""docs/cli.md against the program: every command is there, and does what is written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from command_line import CommandLine
from fixture_daemon import RUN, FixtureDaemon, peer, run_summary
from typer.main import get_command

from qrfld.cli.app import EPILOG, app
from qrfld.errors import (
    ConfigError,
    DaemonNotRunningError,
    IdentityError,
    QrfldError,
    UsageError,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
BLOCK = re.findall(r"^    qrfl (.+)$", PAGE, re.MULTILINE)
OFFLINE = ("init", "id", "config show", "paths", "version", "crypto list")
#: Run with real daemons or files of their own; measurements and grids take minutes as documented.
ELSEWHERE = (
    *("join", "up", "down", "demo", "config check", "bench", "lab"),
    *("conformance", "token create | qrfl conformance"),
)


def leaves() -> list[str]:
    return [
        f"{name} {child}" if child else name
        for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
        for child in getattr(command, "commands", {"": None})
    ]


@pytest.mark.parametrize("name", leaves())
def test_every_command_is_documented_with_an_example(name: str) -> None:
    assert f"`qrfl {name}`" in PAGE
    assert any(line.split("#")[0].startswith(name) for line in BLOCK)


def test_exit_codes_are_those_of_the_errors() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE))
    assert table.keys() == {"0", "1", "2", "3", "4", "5", "130"}
    assert [e.exit_code for e in (QrfldError, UsageError, DaemonNotRunningError)] == [1, 2, 3]
    assert [e.exit_code for e in (ConfigError, IdentityError)] == [4, 5]
    for code, meaning in list(table.items())[:-1]:
        assert f"{code}  {meaning}" in EPILOG


@pytest.mark.parametrize("line", [line for line in BLOCK if not line.startswith(ELSEWHERE)])
def test_documented_command_without_a_daemon_works_or_exits_3(qrfl: CommandLine, line: str) -> None:
    if not line.startswith("init"):
        qrfl("init", "--federation", "clinic")
    done = qrfl(*shlex.split(line), "--json")
    expected = 0 if line.startswith(OFFLINE) else 3
    assert done.code == expected, done.err
    assert done.json["version"] == 1


def keys(command: str) -> set[str]:
    """The keys that the page promises for a command's object, without nested ones."""
    (row,) = (
        line for line in PAGE.splitlines() if re.match(rf"\|.*`qrfl {command}`.*\| `\{{", line)
    )
    flat = row.split("| `{")[1].rpartition("}`")[0].partition("}`")[0]
    while re.search(r"\{[^{}]*\}|\[[^\[\]]*\]", flat):
        flat = re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]", "", flat)
    return {key.strip().rstrip(":") for key in re.sub(r":\s*(?=,|$)", "", flat).split(",")}


@pytest.mark.parametrize(
    "command",
    ["status", "peers", "id", "paths", "version", "run list", "config check", "config show"],
)
def test_object_has_exactly_the_documented_keys(
    qrfl: CommandLine, daemon: FixtureDaemon, command: str
) -> None:
    daemon.answers["peers"] = {"peers": [peer("bob")]}
    daemon.answers["run.list"] = {"runs": [run_summary(run=RUN)]}
    daemon.answers["config.show"] = {"config": {}}
    qrfl("init", "--federation", "f")
    answer = qrfl(*command.split(), "--json").json
    assert answer.keys() - {"version"} == keys(command)
