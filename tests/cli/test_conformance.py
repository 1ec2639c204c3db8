from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nodes import TestNode, stopped_at_end

from qrfld.cli.app import run
from qrfld.conformance.cases import blobs
from qrfld.crypto.errors import TokenError
from qrfld.errors import UsageError


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    one = TestNode("tested", tmp_path_factory.mktemp("tested") / "home")
    with stopped_at_end([one]):
        one.init()
        yield one.up()


def test_list_shows_every_case_and_runs_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["conformance", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["must", "flags", "5.2"] for line in lines)
    assert run(["conformance", "--list", "--json"]) == 0
    assert {
        "id": "flags",
        "section": "5.2",
        "rule": "fails if a flag is set",
        "required": True,
    } in (json.loads(capsys.readouterr().out)["cases"])


def test_daemon_is_tested_by_a_stranger_and_conforms(
    node: TestNode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["conformance", node.address, "--only", "magic-*"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "conforms: 2 passed, 0 failed, 0 advised, 0 skipped"


def test_daemon_is_tested_by_a_member_and_conforms(
    node: TestNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token, state = tmp_path / "token", str(tmp_path / "state")
    token.write_text(node.token() + "\n")
    common = ["conformance", "--state", state, "--only", "m2", "--only", "flags", "--json"]
    assert run([*common, "--token", str(token)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["target"], answer["conforms"]) == (node.address, True)
    assert [case["id"] for case in answer["cases"]] == ["m2", "flags"]
    assert run(common) == 0


def test_daemon_trains_for_the_tester_and_conforms(
    node: TestNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text(node.token())
    patterns = [word for case in blobs.CASES for word in ("--only", case.id)]
    code = run(["conformance", "--token", str(token), *patterns])
    out = capsys.readouterr().out
    assert code == 0, out
    assert f"conforms: {len(blobs.CASES)} passed, 0 failed, 0 advised, 0 skipped" in out


def test_listener_that_is_not_qrfld_does_not_conform(capsys: pytest.CaptureFixture[str]) -> None:
    import socket
    import threading

    def speak(server: socket.socket) -> None:
        while True:
            try:
                peer = server.accept()[0]
            except OSError:
                return
            with peer:
                peer.settimeout(0.5)
                try:
                    while not peer.recv(100).startswith((b"G", b"QRFX")):
                        pass
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=speak, args=(server,), daemon=True)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert run(["conformance", address, "--only", "magic-*"]) == 1
        server.shutdown(socket.SHUT_RDWR)
    assert "FAILED" in capsys.readouterr().out


def test_client_is_started_for_a_case_and_conforms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"{sys.executable} -m qrfld.cli --home {{state}} join {{token}} --name client"
    log = tmp_path / "log"
    arguments = ["--exec", command, "--log", str(log), "--only", "welcome-forged", "--json"]
    assert run(["conformance", "--client", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] == 1
    assert "the admission certificate is refused" in log.read_text()


def test_client_that_never_calls_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["conformance", "--client", "--exec", "/nonexistent/client"]) == 1
    assert "/nonexistent/client cannot be started" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["127.0.0.1:1"], 1, "does not answer"),
        ([], 1, "neither an address nor a token"),
        (["--token", "/nonexistent/token"], UsageError.exit_code, "cannot read the token"),
        (["--client", "--token", "-"], UsageError.exit_code, "for testing a node that listens"),
        (["--exec", "true"], UsageError.exit_code, "for testing a client"),
        (["--client", "--suite", "9"], UsageError.exit_code, "there is no suite 9"),
        (["--token", "/dev/null"], TokenError.exit_code, "not a join token"),
    ],
)
def test_nothing_to_test_is_an_error_that_says_so(
    arguments: list[str], code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["conformance", *arguments]) == code
    assert word in capsys.readouterr().err


def test_no_case_fits_the_pattern_and_the_list_is_named(
    node: TestNode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["conformance", node.address, "--only", "nothing"]) == UsageError.exit_code
    assert "--list" in capsys.readouterr().err
