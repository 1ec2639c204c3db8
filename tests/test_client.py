from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import pytest

from qrfld.client import ControlClient, RemoteError
from qrfld.errors import DaemonNotRunningError, QrfldError
from qrfld.protocol.control_frames import MAX_ANSWER_BYTES


def frame(body: object) -> bytes:
    payload: bytes = msgpack.packb(body)
    return struct.pack(">I", len(payload)) + payload


@contextmanager
def daemon(path: Path, answer: bytes, *, hold: bool = False, deaf: bool = False) -> Iterator[None]:
    """Something that reads one request, unless deaf, answers with these bytes, closes or holds."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                if not deaf:
                    connection.recv(65536)
                connection.sendall(answer)
                if hold:
                    done.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        done.set()
        thread.join()


def test_call_returns_the_result(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with daemon(path, frame({"id": 1, "result": {"a": [1, "x", None, b"y"]}})):
        assert ControlClient(path).call("status") == {"a": [1, "x", None, b"y"]}


def test_call_failed_raises_the_daemons_error_with_its_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "s"
    error = {"name": "token-used", "message": "used", "hint": "ask", "exit_code": 5}
    with daemon(path, frame({"id": 1, "error": error})), pytest.raises(RemoteError) as caught:
        ControlClient(path).call("x")
    assert (caught.value.name, caught.value.exit_code) == ("token-used", 5)
    assert str(caught.value) == "used (ask)"
    assert (RemoteError.name, RemoteError.exit_code) == ("remote", 1)


def test_call_without_a_daemon_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(DaemonNotRunningError) as caught:
        ControlClient(tmp_path / "s").call("status")
    assert caught.value.exit_code == 3
    assert "qrfl up" in caught.value.hint


def test_call_on_a_stale_socket_says_how_to_start_one(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    with pytest.raises(DaemonNotRunningError):
        ControlClient(tmp_path / "s").call("status")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x00",
        frame({"id": 1, "result": {}})[:-1],
        struct.pack(">I", MAX_ANSWER_BYTES + 1),
        b"HTTP/1.1 200 OK\r\n\r\n",
        frame([]),
        frame({"id": 1}),
        frame({"id": 1, "result": 5}),
        frame({"id": 1, "error": {"name": 5}}),
        frame({"id": "x", "result": {}}),
    ],
)
def test_answer_that_is_no_answer_is_a_named_error(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "s"
    with daemon(path, answer), pytest.raises(QrfldError) as caught:
        ControlClient(path).call("status")
    assert not isinstance(caught.value, RemoteError)


def test_answer_that_never_comes_ends_in_time(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with daemon(path, b"\x00", hold=True), pytest.raises(DaemonNotRunningError, match="timed out"):
        ControlClient(path, timeout=0.05).call("status")


def test_answer_that_comes_before_the_question_is_read(tmp_path: Path) -> None:
    error = {"name": "too-many-clients", "message": "m", "hint": "h", "exit_code": 1}
    for number in range(50):
        path = tmp_path / str(number)
        with daemon(path, frame({"id": 0, "error": error}), deaf=True):
            with pytest.raises(RemoteError) as caught:
                ControlClient(path).call("status")
            assert caught.value.name == "too-many-clients"


def test_request_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with pytest.raises(QrfldError) as caught:
        ControlClient(tmp_path / "s").call("x", text="x" * 70_000)
    assert not isinstance(caught.value, DaemonNotRunningError)


ASK = """
import os, sys
from pathlib import Path
from qrfld.client import ControlClient
from qrfld.errors import QrfldError
os.setgid(65534)
os.setuid(65534)
try:
    ControlClient(Path(sys.argv[1])).call("status")
except QrfldError as error:
    print(error.name)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_call_without_the_right_to_is_told_apart_from_no_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        (tmp_path / "s").chmod(0o660)
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(tmp_path / "s")],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.stdout == "control-access\n", done.stderr


def test_client_does_not_load_asyncio_or_numpy() -> None:
    # Every start of `qrfl` pays for what this module imports.
    script = (
        "import sys, qrfld.client; print({'asyncio', 'numpy', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
