"""Runs on real daemons: real processes, real sockets, real handwritten digits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nodes import TestNode, eventually, federation


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[TestNode]]:
    with federation(tmp_path, "abcd") as four:
        yield four


def start(node: TestNode, **params: Any) -> str:
    given = {"task": "digits", "rounds": 4, "rule": "trimmed-mean", "seed": 7, **params}
    run: str = node.call("run.start", **given)["run"]
    return run


def finished(node: TestNode) -> Any:
    run = node.run()
    assert run["state"] != "failed", run["reason"]
    return run if run["state"] == "finished" else None


def test_run_ends_with_the_same_chain_and_model_on_every_node(nodes: list[TestNode]) -> None:
    run = start(nodes[1])  # any member can start one
    shown = [eventually(f"{n.name} has finished", lambda n=n: finished(n)) for n in nodes]
    assert {s["run"] for s in shown} == {run}
    assert [s["role"] for s in shown] == ["trainer", "coordinator", "trainer", "trainer"]
    chains = [[r["record"] for r in s["rounds"]] for s in shown]
    assert len(chains[0]) == 4
    assert all(chain == chains[0] for chain in chains)
    assert shown[0]["accuracy"] > 0.85
    for each in shown[1]["rounds"]:
        assert [u["verdict"] for u in each["updates"]] == ["used"] * 4
        assert each["stragglers"] == []


def test_trainer_killed_and_restarted_rejoins_the_run(nodes: list[TestNode]) -> None:
    start(nodes[0], rounds=8)
    eventually("round 2", lambda: nodes[0].run()["round"] >= 2)
    nodes[2].kill()
    eventually("two rounds without it", lambda: nodes[0].run()["round"] >= 4)
    nodes[2].up()
    shown = [eventually(f"{n.name} has finished", lambda n=n: finished(n)) for n in nodes]
    assert [r["record"] for r in shown[2]["rounds"]] == [r["record"] for r in shown[0]["rounds"]]


def test_coordinator_killed_and_restarted_resumes_the_run(nodes: list[TestNode]) -> None:
    run = start(nodes[0], rounds=8)
    eventually("round 2", lambda: nodes[0].run()["round"] >= 2)
    nodes[0].kill()
    before = nodes[1].run()["rounds"]
    nodes[0].up()
    shown = [eventually(f"{n.name} has finished", lambda n=n: finished(n)) for n in nodes]
    assert all(s["run"] == run and len(s["rounds"]) == 8 for s in shown)
    # What was final before the kill is final after it, on everybody's disk.
    assert [r["record"] for r in shown[0]["rounds"]][: len(before)] == [r["record"] for r in before]
    assert [r["record"] for r in shown[3]["rounds"]] == [r["record"] for r in shown[0]["rounds"]]
