from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qrfld.store.errors import AlreadyRunningError, StoreError
from qrfld.store.lock import InstanceLock

HOLDER = """
import sys, time
from pathlib import Path
from qrfld.store.lock import InstanceLock
with InstanceLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_lock_held_refuses_a_second_and_names_the_first(tmp_path: Path) -> None:
    with InstanceLock(tmp_path / "lock"), pytest.raises(AlreadyRunningError) as caught:
        InstanceLock(tmp_path / "lock").acquire()
    assert f"process {os.getpid()}" in caught.value.message


def test_lock_released_can_be_taken_again(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path / "lock")
    for _ in range(2):
        with lock:
            pass
        lock.release()


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunningError, match=f"process {holder.pid}"):
            InstanceLock(path).acquire()
        holder.send_signal(signal.SIGKILL)
    with InstanceLock(path):
        pass


def test_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StoreError):
        InstanceLock(tmp_path / "lock").acquire()
    assert (tmp_path / "precious").read_text() == "precious"


def test_lock_in_a_missing_directory_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        InstanceLock(tmp_path / "no" / "lock").acquire()
