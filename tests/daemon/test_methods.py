"""Every control method of a real daemon: what it answers, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from daemon_process import gone
from nodes import TestNode, eventually, federation

from qrfld import __version__
from qrfld.client import RemoteError
from qrfld.crypto.identity import NodeId
from qrfld.crypto.tokens import Token
from qrfld.daemon.methods import ANSWER_BYTES, fitting
from qrfld.protocol.merkle import MerkleHasher

STATUS = {
    *("node", "federation", "version", "suite", "provider", "uptime_seconds", "pid", "listen"),
    *("attack", "members", "sessions", "warnings", "run", "peers"),
}
PEER = {
    *("id", "short", "name", "state", "address", "since_seconds", "suite", "resumed", "rtt_ms"),
    *("bytes_sent", "bytes_received", "last_error"),
}
RUN = {
    *("run", "task", "rule", "f", "state", "phase", "round", "rounds", "coordinator"),
    *("coordinator_name", "accuracy", "reason", "role", "members", "started_at"),
}
CONFIG = {
    *("task", "task_digest", "params", "rounds", "rule", "f", "quorum", "deadline_seconds"),
    *("seed", "members", "started_at"),
}
ROUND = {
    *("round", "accuracy", "loss", "evaluations", "seconds", "bytes_sent", "bytes_received"),
    *("model", "record", "finished_at", "updates", "suspects", "stragglers"),
}
GOOD_RUN = {"task": "digits", "rounds": 2, "rule": "mean"}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[TestNode]]:
    """Two nodes after a run of two rounds that the second has coordinated."""
    with federation(tmp_path_factory.mktemp("methods"), "ab") as two:
        two[1].call("run.start", **GOOD_RUN, f=0, seed=7, params={"model": "softmax"})
        for node in two:
            eventually("the run is over", node.finished)
        yield two


@pytest.fixture
def founder(nodes: list[TestNode]) -> TestNode:
    return nodes[0]


def refusal(node: TestNode, method: str, **params: Any) -> RemoteError:
    with pytest.raises(RemoteError) as refused:
        node.call(method, **params)
    return refused.value


def test_status_tells_everything_at_a_glance(nodes: list[TestNode]) -> None:
    founder, other = nodes
    status = founder.call("status")
    assert set(status) == STATUS
    assert set(status["node"]) == {"id", "short", "name"}
    assert status["node"]["name"] == "a"
    assert NodeId.parse(status["node"]["id"]).short == status["node"]["short"]
    assert set(status["federation"]) == {"id", "name"}
    assert status["federation"] == other.call("status")["federation"]
    assert founder.process is not None
    assert status["pid"] == founder.process.pid
    assert status["listen"] == [founder.address]
    assert (status["version"], status["members"], status["sessions"]) == (__version__, 2, 1)
    assert (status["attack"], status["warnings"]) == ("", [])
    assert set(status["run"]) == RUN


def test_peers_tells_of_every_member_and_ourselves(founder: TestNode) -> None:
    peers = founder.call("peers")
    assert set(peers) == {"peers"}
    by_name = {peer["name"]: peer for peer in peers["peers"]}
    assert set(by_name) == {"a", "b"}
    assert all(set(peer) == PEER for peer in by_name.values())
    assert by_name["a"]["state"] == "self"
    connected = by_name["b"]
    assert connected["state"] == "connected"
    assert "X25519+ML-KEM-768" in connected["suite"]
    assert connected["bytes_sent"] > 0
    assert connected["bytes_received"] > 0
    assert connected["last_error"] == ""


def test_token_is_created_listed_and_never_shown_again(founder: TestNode) -> None:
    made = founder.call("token.create", expires_seconds=60)
    assert set(made) == {"token", "id", "expires_at"}
    token = Token.parse(made["token"])
    assert token.token_id.hex() == made["id"]
    assert token.addresses == (founder.address,)
    listed = founder.call("token.list")
    assert set(listed) == {"tokens"}
    newest, *_, first = listed["tokens"]
    assert newest == {
        "id": made["id"],
        "expires_at": made["expires_at"],
        "state": "open",
        "redeemed_by": None,
    }
    assert (first["state"], len(first["redeemed_by"])) == ("redeemed", 7)
    assert token.secret.hex() not in repr(listed)
    assert made["token"] not in founder.log()
    assert token.secret.hex() not in founder.log()


def test_token_past_its_time_is_listed_as_expired(founder: TestNode) -> None:
    made = founder.call("token.create", expires_seconds=1)

    def expired() -> bool:
        states = {each["id"]: each["state"] for each in founder.call("token.list")["tokens"]}
        return bool(states[made["id"]] == "expired")

    assert eventually("the token expires", expired)


def test_token_is_asked_of_a_node_that_admits_nobody_says_whom_to_ask(
    nodes: list[TestNode],
) -> None:
    error = refusal(nodes[1], "token.create")
    assert (error.name, error.exit_code) == ("identity", 5)
    assert "not a validator" in error.message
    assert "founded it" in error.hint


def test_runs_are_listed_and_shown_with_every_round(nodes: list[TestNode]) -> None:
    founder, other = nodes
    listed = founder.call("run.list")
    assert set(listed) == {"runs"}
    (run,) = listed["runs"]
    assert set(run) == RUN
    assert (run["state"], run["role"], run["round"], run["rounds"]) == ("finished", "trainer", 2, 2)
    assert (run["coordinator_name"], run["members"], run["task"]) == ("b", 2, "digits")
    shown = founder.call("run.show", run=run["run"][:6])
    assert set(shown) == RUN | {"config", "rounds"}
    assert set(shown["config"]) == CONFIG
    assert shown["config"]["params"] == {"model": "softmax"}
    assert [set(member) for member in shown["config"]["members"]] == [{"node", "name"}] * 2
    assert [set(each) for each in shown["rounds"]] == [ROUND] * 2
    for update in shown["rounds"][0]["updates"]:
        assert set(update) == {"node", "name", "samples", "verdict"}
    assert founder.call("run.show") == shown
    assert other.call("run.show")["rounds"] == shown["rounds"]


def test_model_is_listed_and_read_to_its_end(founder: TestNode) -> None:
    listed = founder.call("model.list")
    assert set(listed) == {"models"}
    newest = listed["models"][-1]
    assert set(newest) == {"hash", "run", "round", "bytes", "accuracy"}
    data, hasher = b"", MerkleHasher()
    while len(data) < newest["bytes"]:
        part = founder.call("model.read", hash=newest["hash"], offset=len(data))
        assert set(part) == {"data", "size"}
        assert part["size"] == newest["bytes"]
        data += part["data"]
    hasher.update(data)
    assert hasher.digest().hex() == newest["hash"]
    assert founder.call("model.read", hash=newest["hash"], offset=2**40)["data"] == b""


def test_config_shows_what_is_in_force(founder: TestNode) -> None:
    shown = founder.call("config.show")
    assert set(shown) == {"config"}
    assert shown["config"]["listen"] == {"host": "127.0.0.1", "port": founder.port}
    assert shown["config"]["limits"]["sessions"] == 128


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("status", {"verbose": True}, "params", "verbose"),
    ("nonsense", {}, "unknown-method", "nonsense"),
    ("run.sotp", {}, "unknown-method", "run.stop"),
    ("token.create", {"expires_seconds": 0}, "params", "expires_seconds"),
    ("token.create", {"expires_seconds": -1}, "params", "expires_seconds"),
    ("token.create", {"expires_seconds": 2**40}, "params", "expires_seconds"),
    ("token.create", {"expires_seconds": "60"}, "params", "expires_seconds"),
    ("token.create", {"expires_seconds": True}, "params", "expires_seconds"),
    ("run.start", {}, "params", "task"),
    ("run.start", {**GOOD_RUN, "rounds": 0}, "params", "rounds"),
    ("run.start", {**GOOD_RUN, "rounds": 2.5}, "params", "rounds"),
    ("run.start", {**GOOD_RUN, "rounds": 10**9}, "params", "rounds"),
    ("run.start", {**GOOD_RUN, "seed": -1}, "params", "seed"),
    ("run.start", {**GOOD_RUN, "seed": 2**64 - 1}, "params", "seed"),
    ("run.start", {**GOOD_RUN, "deadline_seconds": 0}, "params", "deadline_seconds"),
    ("run.start", {**GOOD_RUN, "params": {"lr": [1]}}, "params", "params"),
    ("run.start", {**GOOD_RUN, "params": {"x" * 500: 2}}, "params", "`key` in `$.params`"),
    ("run.start", {**GOOD_RUN, "params": {"a": "x" * 5000}}, "params", "`$.params[...]`"),
    ("run.start", {**GOOD_RUN, "params": {"n": 2**64 - 1}}, "params", "`$.params[...]`"),
    ("run.start", {**GOOD_RUN, "params": {f"p{i}": i for i in range(33)}}, "params", "params"),
    ("run.start", {**GOOD_RUN, "rule": "meen"}, "rule", "mean"),
    ("run.start", {**GOOD_RUN, "rule": "trimmed-mean", "f": 1}, "rule-bound", "2"),
    ("run.start", {**GOOD_RUN, "f": 70_000}, "params", "f"),
    ("run.start", {**GOOD_RUN, "quorum": 3}, "run-refused", "quorum of 3"),
    ("run.start", {**GOOD_RUN, "quorum": 0}, "run-refused", "quorum of 0"),
    ("run.start", {**GOOD_RUN, "task": "digitz"}, "", "digitz"),
    ("run.start", {**GOOD_RUN, "task": "/etc/passwd:X"}, "", "/etc/passwd"),
    ("run.start", {**GOOD_RUN, "task": "/nonexistent/task.py:X"}, "", "/nonexistent/task.py"),
    ("run.start", {**GOOD_RUN, "task": "x" * 5000}, "params", "task"),
    ("run.show", {"run": "ffff00"}, "run-not-found", "ffff00"),
    ("run.show", {"run": ""}, "params", "run"),
    ("run.show", {"run": "%"}, "run-not-found", "%"),
    ("run.show", {"run": b"\0"}, "params", "run"),
    ("run.stop", {"run": "ffff00"}, "run-not-found", "ffff00"),
    ("run.stop", {"run": "latest"}, "run-not-found", "is going on here"),
    ("model.read", {"hash": "00" * 32}, "usage", "00" * 32),
    ("model.read", {"hash": "../" * 20 + "etc1"}, "params", "hash"),
    ("model.read", {"hash": "0" * 63}, "params", "hash"),
    ("model.read", {"hash": "00" * 32 + "\n"}, "params", "hash"),
    ("model.read", {"hash": "00" * 32, "offset": -1}, "params", "offset"),
    ("model.read", {"hash": "00" * 32, "offset": 2**63}, "params", "offset"),
    ("shutdown", {"now": True}, "params", "now"),
]


@pytest.mark.parametrize(("method", "params", "name", "said"), REFUSED, ids=lambda v: str(v)[:40])
def test_method_given_nonsense_refuses_it_by_name(
    founder: TestNode, method: str, params: dict[str, Any], name: str, said: str
) -> None:
    error = refusal(founder, method, **params)
    assert error.name != "internal", founder.log()[-3000:]
    assert not name or error.name == name, str(error)
    assert said in str(error)
    assert len(founder.call("run.list")["runs"]) == 1


def test_answer_holds_as_many_items_as_fit_newest_first() -> None:
    items = [{"number": 1000 + number, "text": "x" * 1000} for number in range(5000)]
    held = fitting(items)
    assert held == items[: len(held)]
    assert len(held) == ANSWER_BYTES // 1019
    assert fitting([]) == []
    assert fitting(items[:3]) == items[:3]


def test_shutdown_answers_and_then_ends_the_daemon(nodes: list[TestNode]) -> None:
    last = nodes[1]
    assert last.process is not None
    process, last.process = last.process, None
    assert last.call("shutdown") == {}
    assert process.wait(60) == 0
    assert gone(process.pid)
    assert not last.paths.socket.exists()
    assert "Traceback" not in last.log()

    def lost() -> bool:
        return [p["state"] for p in nodes[0].call("peers")["peers"] if p["name"] == "b"] != [
            "connected"
        ]

    assert eventually("the other notices", lost)
