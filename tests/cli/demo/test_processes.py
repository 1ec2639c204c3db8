from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys

from qrfld.cli.demo.processes import Process

IGNORES_SIGTERM = (
    "import signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
)


def child(code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def known(process: subprocess.Popen[bytes]) -> Process:
    found = Process.of(process.pid)
    assert found is not None
    return found


def test_own_process_lives() -> None:
    own = Process.of(os.getpid())
    assert own is not None
    assert own.alive
    assert not own.wait(0.0)


def test_process_that_never_was_is_none() -> None:
    assert Process.of(2**22 + 1) is None


def test_process_that_ended_but_was_not_collected_is_gone() -> None:
    with child("print('ready', flush=True)") as process:
        found = known(process)
        assert found.wait(10)
        assert process.returncode is None  # a zombie


def test_other_process_with_the_same_pid_is_another() -> None:
    own = Process.of(os.getpid())
    assert own is not None
    earlier = dataclasses.replace(own, started="1")
    assert not earlier.alive
    earlier.end()  # does not end this test


def test_stubborn_process_is_killed() -> None:
    with child(IGNORES_SIGTERM) as process:
        found = known(process)
        found.end(patience=0.2)
        assert not found.alive
        assert process.wait(10) == -signal.SIGKILL


def test_obedient_process_is_terminated() -> None:
    with child("import time; print('ready', flush=True); time.sleep(60)") as process:
        known(process).end()
        assert process.wait(10) == -signal.SIGTERM


def test_name_with_parentheses_and_blanks_does_not_confuse() -> None:
    code = (
        "import ctypes, sys\n"
        "ctypes.CDLL(None).prctl(15, b') R 1 (x', 0, 0, 0)\n"  # PR_SET_NAME
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = known(process)
        assert found.alive
        assert found.started == str(int(found.started))
        process.kill()
