"""The daemon as a service: what systemd hears, and which library and suite do the cryptography."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from daemon_process import children, daemon
from nodes import TestNode, eventually, stopped_at_end

from qrfld.crypto.providers import available

RUN = {"task": "digits", "rounds": 2, "rule": "mean", "seed": 7}


class Manager:
    """The service manager's end of the notification socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind("\0" + address[1:] if address.startswith("@") else address)
        self._sock.settimeout(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def hear(self, wanted: str) -> list[str]:
        """Every message up to the first that begins with ``wanted``."""
        heard: list[str] = []
        while not (heard and heard[-1].startswith(wanted)):
            heard.append(self._sock.recv(4096).decode())
        return heard

    def rest(self) -> list[str]:
        """What has come and was not heard yet."""
        self._sock.setblocking(False)
        heard = []
        try:
            while True:
                heard.append(self._sock.recv(4096).decode())
        except BlockingIOError:
            return heard


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    node = TestNode("a", tmp_path_factory.mktemp("made") / "home")
    node.init()
    return node.home


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = str(tmp_path / "notify")
    with Manager(path if request.param == "path" else f"@qrfld-test-{tmp_path}") as manager:
        yield manager


def test_manager_hears_ready_status_watchdog_and_stopping(
    manager: Manager, home: Path, tmp_path: Path
) -> None:
    env = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "200000",
        "QRFLD_LISTEN_PORT": "0",
    }
    node = TestNode("a", Path(shutil.copytree(home, tmp_path / "home")), env=env)
    with stopped_at_end([node]):
        node.spawn()
        assert manager.hear("READY=1") == ["READY=1"]
        assert node.answers()  # at once: that is what ready means
        assert manager.hear("WATCHDOG=1") == ["WATCHDOG=1"]
        assert manager.hear("STATUS=") == ["STATUS=0 sessions"]
        for _ in range(3):  # far less often if the interval was not taken from the manager
            manager.hear("WATCHDOG=1")
        node.call("run.start", **{**RUN, "rounds": 50})
        (worker,) = eventually("it trains", lambda: children(node.pid))
        environment = Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
        mine = (b"NOTIFY_SOCKET", b"WATCHDOG_", b"QRFLD_")
        assert [each for each in environment if each.startswith(mine)] == []
        assert node.down() == 0
        assert manager.hear("STOPPING=1")
        assert "READY=1" not in manager.rest()


def test_manager_hears_nothing_of_readiness_when_the_start_fails(
    home: Path, tmp_path: Path
) -> None:
    with Manager(str(tmp_path / "notify")) as manager, socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = daemon(home, env={"NOTIFY_SOCKET": manager.address, "QRFLD_LISTEN_PORT": port})
        assert ended.code == 4
        assert [each for each in manager.rest() if each != "STOPPING=1"] == []


def test_manager_is_gone_and_the_daemon_lives(home: Path, tmp_path: Path) -> None:
    env = {"NOTIFY_SOCKET": str(tmp_path / "nobody"), "QRFLD_LISTEN_PORT": "0"}
    node = TestNode("a", Path(shutil.copytree(home, tmp_path / "home")), env=env)
    with stopped_at_end([node]):
        node.up()
        assert node.down() == 0


def trains_together(directory: Path, suite_id: int, providers: tuple[str, str]) -> dict[str, Any]:
    """A federation of two nodes, each with its provider, runs two rounds; the founder's status."""
    first, second = (
        TestNode(name, directory / name, env={"QRFLD_CRYPTO_PROVIDER": provider})
        for name, provider in zip("ab", providers, strict=True)
    )
    with stopped_at_end([first, second]):
        first.init(suite_id=suite_id)
        first.up()
        second.join(first.token())
        second.up()
        eventually("they meet", lambda: first.sessions() == second.sessions() == 1)
        second.call("run.start", **RUN)
        for node, provider in ((first, providers[0]), (second, providers[1])):
            eventually("the run is over", node.finished)
            assert len(node.run()["rounds"][-1]["updates"]) == 2
            assert node.call("status")["provider"] == provider
        return first.call("status")


def test_federation_of_suite_2_trains(tmp_path: Path) -> None:
    status = trains_together(tmp_path, 2, ("openssl", "openssl"))
    assert status["suite"] == "X25519+ML-KEM-1024 / ML-DSA-87"
    (peer,) = [each for each in status["peers"] if each["state"] == "connected"]
    assert peer["suite"].startswith("X25519+ML-KEM-1024 / ML-DSA-87 / ")


@pytest.mark.skipif("liboqs" not in available(), reason="liboqs not installed")
def test_nodes_with_different_libraries_train_together(tmp_path: Path) -> None:
    status = trains_together(tmp_path, 1, ("liboqs", "openssl"))
    assert status["suite"] == "X25519+ML-KEM-768 / ML-DSA-65"
