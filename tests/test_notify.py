from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from qrfld import notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd opens for a unit."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_each_message_is_one_datagram(manager: socket.socket) -> None:
    notify.ready()
    notify.status("3 sessions")
    notify.watchdog()
    notify.stopping()
    received = [manager.recv(100) for _ in range(4)]
    assert received == [b"READY=1", b"STATUS=3 sessions", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.parametrize("text", ["a\nREADY=1", "a\rMAINPID=1", "a\u2028b", "a\nb\nc"])
def test_status_cannot_smuggle_a_second_message(manager: socket.socket, text: str) -> None:
    notify.status(text)
    assert b"\n" not in manager.recv(100)


def test_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"qrfld-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name)
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        notify.ready()
        assert sock.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nonexistent/socket", "@" + "x" * 200, "x" * 500])
def test_manager_absent_or_gone_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify.ready()
    notify.watchdog()


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        pytest.param("30000000", str(os.getpid()), 30.0, id="our-pid"),
        ("30000000", "1", None),
        (None, None, None),
        ("", None, None),
        ("soon", None, None),
        ("-5", None, None),
        ("0", None, None),
    ],
)
def test_watchdog_interval_is_ours_in_seconds(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, seconds: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert notify.watchdog_interval() == seconds
