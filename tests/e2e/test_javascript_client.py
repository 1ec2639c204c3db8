"""The client in JavaScript: its own tests, and a run with daemons of this package."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from half_proxy import HalfProxy
from nodes import PATIENCE, TestNode, eventually, free_port, knows, stopped_at_end

import qrfld.tasks.digits

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "javascript"
#: The oldest Node that the client's packages run on.
OLDEST_NODE = (20, 19)


def missing() -> str | None:
    """What the client lacks on this machine."""
    node = shutil.which("node")
    if node is None:
        return "node not installed"
    version = subprocess.run([node, "--version"], capture_output=True, check=True, text=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_NODE:
        return f"node not installed in version 20.19 or newer: {version.strip()}"
    if not (CLIENT / "node_modules" / "@noble").is_dir():
        return "npm packages not installed: npm ci --ignore-scripts in clients/javascript"
    return None


pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def test_javascript_client_meets_the_vectors_and_its_own_tests_passes() -> None:
    result = subprocess.run(
        ["node", "--test", *sorted(map(str, (CLIENT / "test").glob("*.test.js")))],
        cwd=CLIENT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr


@dataclass
class JavaScriptMember:
    """A member that runs the client of `clients/javascript`."""

    name: str
    home: Path
    process: subprocess.Popen[bytes] | None = None

    def join(self, token: str) -> None:
        command = [*self.command("join", "-"), "--name", self.name]
        subprocess.run(command, input=token.encode(), check=True, timeout=PATIENCE)

    def command(self, *arguments: str) -> list[str]:
        return ["node", str(CLIENT / "bin" / "qrfld-js.js"), *arguments, f"--home={self.home}"]

    def start(self, data: Path, *options: str) -> None:
        digest = hashlib.sha256(Path(qrfld.tasks.digits.__file__).read_bytes()).hexdigest()
        given = [f"--data={data}", f"--task=digits={digest}", "--once", "--json", *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command("run", *given), stdout=log, stderr=log)

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [event for line in lines if (event := json.loads(line))["event"] == kind]

    def exit_code(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def mixed_federation(
    directory: Path, names: str, port: int | None = None, **options: Any
) -> Iterator[tuple[list[TestNode], JavaScriptMember]]:
    """Daemons with one-letter names and a member in JavaScript that is not yet started."""
    nodes = [TestNode(name, directory / name) for name in names]
    nodes[0].port = port or nodes[0].port
    member = JavaScriptMember("j", directory / "j")
    with stopped_at_end(nodes):
        nodes[0].init(**options)
        nodes[0].up()
        for node in nodes[1:]:
            node.join(nodes[0].token())
            node.up()
        member.join(nodes[0].token())
        try:
            yield nodes, member
        finally:
            if member.process is not None:
                member.process.kill()
                member.process.wait()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the documented command exports."""
    path = tmp_path_factory.mktemp("data") / "digits.csv"
    with path.open("wb") as file:
        subprocess.run([sys.executable, CLIENT / "export_digits.py"], stdout=file, check=True)
    return path


def peer_id(node: TestNode) -> str:
    """The node ID in hexadecimal, from the 52 of its 56 characters that are no check characters."""
    letters = str(node.call("status")["node"]["id"]).replace("-", "")
    plain = "".join(letters[at : at + 13] for at in range(0, 56, 14))
    return base64.b32decode(plain + "====").hex()


def verdicts(shown: dict[str, Any], name: str) -> list[str | None]:
    """What became of one member's update in each round."""
    return [
        next((u["verdict"] for u in round_["updates"] if u["name"] == name), None)
        for round_ in shown["rounds"]
    ]


@pytest.mark.parametrize(("names", "suite", "model"), [("abc", 1, "fourier"), ("ab", 2, "softmax")])
def test_javascript_member_trains_with_daemons_to_the_end_of_the_run(
    tmp_path: Path, data: Path, names: str, suite: int, model: str
) -> None:
    with mixed_federation(tmp_path, names, suite_id=suite) as (nodes, member):
        member.start(data, "--rekey-records=40")
        for node in nodes:
            eventually(f"{node.name} knows everybody", partial(knows, node, len(names)))
        coordinator = nodes[-1]  # not the one that admitted it
        params = {"model": model, "epochs": 1}
        coordinator.call("run.start", task="digits", rounds=5, params=params, seed=7)
        eventually("the run is over", coordinator.finished)
        assert member.exit_code() == 0, member.log.read_text()
        shown = coordinator.run()
        assert set(verdicts(shown, "j")[1:]) <= {"used", "suspect"}, member.log.read_text()
        assert shown["rounds"][-1]["accuracy"] > 0.8
        heard = [event["record"] for event in member.events("round")]
        assert heard == [round_["record"] for round_ in shown["rounds"]]


def test_connections_are_cut_javascript_member_resumes_and_trains_on(
    tmp_path: Path, data: Path
) -> None:
    port = free_port()
    with (
        HalfProxy(port) as proxy,
        mixed_federation(tmp_path, "ab", port=port, advertise=[proxy.address]) as (nodes, member),
    ):
        member.start(data)
        founder = nodes[0]
        for node in nodes:
            eventually(f"{node.name} knows everybody", partial(knows, node, 2))
        params = {"model": "softmax", "epochs": 1}
        founder.call("run.start", task="digits", rounds=10, params=params, rule="mean")
        eventually("two rounds are over", lambda: founder.run()["round"] >= 2)
        proxy.drop()
        eventually("the run is over", founder.finished)
        assert member.exit_code() == 0, member.log.read_text()
        sessions = [e for e in member.events("session") if e["peer"] == peer_id(founder)]
        assert [each["resumed"] for each in sessions] == [False, True], member.log.read_text()
        shown = founder.run()
        assert verdicts(shown, "j")[-1] == "used", member.log.read_text()
        assert len(member.events("round")) == 10


def test_example_of_a_javascript_member_runs_to_its_end() -> None:
    script = CLIENT.parents[1] / "examples" / "javascript_member.sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["sh", str(script), str(free_port())],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("accepted=true") == 3
    assert "finished, accuracy" in result.stdout
