"""The worker process itself, on a bare socket pair."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from task_files import task_file

from qrfld.tasks.base import Context
from qrfld.tasks.jobs import Evaluated, Failed, Init, Job, Result, frame, parse

CONTEXT = Context(0, 1, 0, 1)


@contextmanager
def worker(
    spec: str, memory_mb: int = 2048
) -> Iterator[tuple[socket.socket, subprocess.Popen[str]]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    arguments = [
        *("--fd", str(theirs.fileno()), "--spec", spec, "--parent", str(os.getpid())),
        *("--memory-mb", str(memory_mb), "--nice", "3"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "qrfld.tasks.worker", *arguments],
        pass_fds=(theirs.fileno(),),
        stderr=subprocess.PIPE,
        text=True,
    )
    with ours, theirs, process:
        theirs.close()
        yield ours, process
        ours.close()


def ask(channel: socket.socket, job: Job) -> object:
    channel.sendall(frame(job))
    length = int.from_bytes(channel.recv(4, socket.MSG_WAITALL), "big")
    return parse(channel.recv(length, socket.MSG_WAITALL), Result)


def ending(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, printed = process.communicate(timeout=30)
    return process.returncode, printed


def test_worker_whose_daemon_closes_ends_quietly(tmp_path: Path) -> None:
    with worker(task_file(tmp_path)) as (channel, process):
        channel.close()
        assert ending(process) == (0, "")


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"\xff" * 64, "a frame of 4294967295 bytes"),
        (bytes(8), "a frame of 0 bytes"),
        (b"\0\0\0\x05hello", "a frame that is no message"),
        (b"\0\0\0\x01\x80", "a frame that is no message"),
        (b"\0\0", "the socket closed after 2 of 4 bytes"),
        (b"\0\0\1\0short", "the socket closed after 5 of 256 bytes"),
        (frame(Evaluated(0.5, 0, 1)), "a frame that is no message"),
    ],
)
def test_worker_that_receives_no_job_ends_with_a_named_error(
    tmp_path: Path, sent: bytes, complaint: str
) -> None:
    with worker(task_file(tmp_path)) as (channel, process):
        channel.sendall(sent)
        channel.close()
        code, printed = ending(process)
        assert code == 3
        assert f"worker-protocol: {complaint}" in printed


def test_worker_confines_itself(tmp_path: Path) -> None:
    body = """
def init_model(self, context):
    import resource
    limits = [resource.getrlimit(r) for r in (resource.RLIMIT_AS, resource.RLIMIT_CORE)]
    raise RuntimeError(f"{limits} {os.nice(0)}")
"""
    with worker(task_file(tmp_path, body)) as (channel, _):
        failed = ask(channel, Init(CONTEXT, str(tmp_path / "model")))
    expected = f"[({2048 << 20}, {2048 << 20}), (0, 0)] {min(19, os.nice(0) + 3)}"
    assert isinstance(failed, Failed)
    assert expected in failed.message


def test_worker_out_of_memory_says_so_and_ends(tmp_path: Path) -> None:
    body = "def init_model(self, context):\n    return {'w': np.ones(2**28, np.float32)}"
    with worker(task_file(tmp_path, body), memory_mb=800) as (channel, process):
        failed = ask(channel, Init(CONTEXT, str(tmp_path / "model")))
        assert isinstance(failed, Failed)
        assert failed.error == "worker-memory"
        assert "800 MiB" in failed.message
        assert ending(process)[0] == 4


def test_worker_that_cannot_write_says_so(tmp_path: Path) -> None:
    with worker(task_file(tmp_path)) as (channel, _):
        failed = ask(channel, Init(CONTEXT, str(tmp_path / "absent" / "model")))
    assert isinstance(failed, Failed)
    assert "absent" in failed.message


def test_worker_of_another_parent_does_not_start(tmp_path: Path) -> None:
    """The daemon died between starting the worker and the worker's tie to it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        result = subprocess.run(
            [
                *(sys.executable, "-m", "qrfld.tasks.worker", "--fd", str(theirs.fileno())),
                *("--spec", "digits", "--parent", "1", "--memory-mb", "2048", "--nice", "0"),
            ],
            pass_fds=(theirs.fileno(),),
            check=False,
            timeout=30,
        )
    assert result.returncode == 0
