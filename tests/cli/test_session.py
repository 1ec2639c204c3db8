from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine
from fixture_daemon import FixtureDaemon

from qrfld.cli.session import Session
from qrfld.errors import DaemonNotRunningError


def test_show_prints_text_or_one_versioned_object(capsys: pytest.CaptureFixture[str]) -> None:
    Session().show({"a": 1}, "text")
    assert capsys.readouterr().out == "text\n"
    Session(json=True).show({"a": 1}, "text")
    assert capsys.readouterr().out == '{"version": 1, "a": 1}\n'


def test_json_escapes_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    Session(json=True).emit({"name": "\x1b[2J\u202e"})
    assert capsys.readouterr().out == '{"version": 1, "name": "\\u001b[2J\\u202e"}\n'


def test_note_goes_to_standard_error_and_is_silent_under_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Session().note("hint")
    Session(json=True).note("hint")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hint\n")


def test_call_without_a_daemon_says_so(tmp_path: Path) -> None:
    with pytest.raises(DaemonNotRunningError):
        Session(tmp_path).call("status")


def test_call_without_a_daemon_tells_how_to_start_this_one(tmp_path: Path) -> None:
    (tmp_path / "identity.key").touch()
    with pytest.raises(DaemonNotRunningError) as caught:
        Session(tmp_path).call("status")
    assert caught.value.hint == f"start it with: qrfl --home {tmp_path} up"


def test_call_where_there_is_no_node_does_not_ask_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(DaemonNotRunningError) as caught:
        Session(tmp_path).call("status")
    assert f"there is no node in {tmp_path}" in caught.value.hint


def test_command_names_the_home_that_was_given_quoted() -> None:
    assert Session().command("up") == "qrfl up"
    assert Session(Path("/a b")).command("up") == "qrfl --home '/a b' up"


def test_call_survives_a_restart_of_the_daemon(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    session = Session(qrfl.home)
    assert session.call("status")["node"]["name"] == "alice"
    daemon.stop()
    with pytest.raises(DaemonNotRunningError):
        session.call("status")
    daemon.start()
    assert session.call("status")["node"]["name"] == "alice"
