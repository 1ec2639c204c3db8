"""Runs on real daemons: real processes, real sockets, real handwritten digits.

The tests of the first federation follow each other on the same four nodes; each leaves them up.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from nodes import TestNode, eventually, federation

#: Rounds that are over quickly.
QUICK = {"model": "softmax", "epochs": 1}
COUNTED = {"used", "suspect"}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[TestNode]]:
    with federation(tmp_path_factory.mktemp("run"), "abcd") as four:
        yield four


def start(node: TestNode, **params: Any) -> str:
    given = {"task": "digits", "rounds": 4, "rule": "trimmed-mean", "seed": 7, **params}
    run: str = node.call("run.start", **given)["run"]
    return run


def finished(node: TestNode, run: str) -> Any:
    shown = node.run()
    assert shown["state"] not in {"failed", "stopped"}, shown["reason"]
    return shown if shown["run"] == run and shown["state"] == "finished" else None


def ends(nodes: list[TestNode], run: str) -> list[Any]:
    """The run as each node shows it after its end."""
    return [eventually(f"{n.name} has finished", partial(finished, n, run)) for n in nodes]


def reaches(node: TestNode, round_: int) -> None:
    eventually(f"round {round_}", lambda: node.run()["round"] >= round_)


def chain(shown: Any) -> list[str]:
    return [each["record"] for each in shown["rounds"]]


def verdicts(round_: Any) -> dict[str, str]:
    return {update["name"]: update["verdict"] for update in round_["updates"]}


def models(node: TestNode) -> list[Any]:
    found: list[Any] = node.call("model.list")["models"]
    return found


def test_run_started_by_any_member_ends_with_one_chain_and_model(nodes: list[TestNode]) -> None:
    run = start(nodes[1])
    shown = ends(nodes, run)
    assert [s["role"] for s in shown] == ["trainer", "coordinator", "trainer", "trainer"]
    assert len(chain(shown[0])) == 4
    assert all(chain(each) == chain(shown[0]) for each in shown)
    assert shown[0]["accuracy"] > 0.85
    for each in shown[1]["rounds"]:
        assert verdicts(each) == dict.fromkeys("abcd", "used")
        assert (each["stragglers"], each["evaluations"]) == ([], 4)
    held = [{model["hash"] for model in models(node)} for node in nodes]
    assert all(each == held[0] for each in held)
    assert shown[0]["rounds"][-1]["model"] in held[0]


def test_trainer_killed_and_restarted_takes_part_again(nodes: list[TestNode]) -> None:
    run = start(nodes[0], rounds=40, params=QUICK)
    reaches(nodes[0], 2)
    nodes[2].kill()
    reaches(nodes[0], nodes[0].run()["round"] + 2)
    nodes[2].up()
    shown = ends(nodes, run)
    assert any("c" in each["stragglers"] for each in shown[0]["rounds"])
    assert verdicts(shown[0]["rounds"][-1])["c"] in COUNTED
    assert chain(shown[2]) == chain(shown[0])
    assert len(chain(shown[2])) == 40


def test_coordinator_killed_and_restarted_resumes_the_run(nodes: list[TestNode]) -> None:
    run = start(nodes[0], rounds=8, params=QUICK)
    reaches(nodes[1], 2)
    nodes[0].kill()
    before = chain(nodes[1].run())
    nodes[0].up()
    shown = ends(nodes, run)
    # What was final before the kill is final after it, on everybody's disk.
    assert chain(shown[0])[: len(before)] == before
    assert len(chain(shown[0])) == 8
    assert all(chain(each) == chain(shown[0]) for each in shown)


def test_trainer_that_stands_still_is_a_straggler_until_it_moves(nodes: list[TestNode]) -> None:
    run = start(nodes[3], rounds=40, deadline_seconds=2.0, params=QUICK)
    reaches(nodes[3], 1)
    stopped = nodes[1]
    assert stopped.process is not None
    os.kill(stopped.process.pid, signal.SIGSTOP)
    try:
        eventually("a straggler", lambda: "b" in nodes[3].run()["rounds"][-1]["stragglers"])
    finally:
        os.kill(stopped.process.pid, signal.SIGCONT)
    shown = ends(nodes, run)
    late = [each for each in shown[3]["rounds"] if "b" in each["stragglers"]]
    # Far less than the minute that scores may take: nobody waits for those of a straggler.
    assert all(each["seconds"] < 30.0 for each in late)
    assert verdicts(shown[3]["rounds"][-1])["b"] in COUNTED
    assert chain(shown[1]) == chain(shown[3])


def test_runs_and_models_outlive_the_daemons(nodes: list[TestNode]) -> None:
    def told(node: TestNode) -> tuple[Any, Any, list[str]]:
        return node.call("run.list"), models(node), chain(node.run())

    before = [told(node) for node in nodes]
    assert len(before[0][0]["runs"]) == 4
    for node in nodes:
        assert node.down() == 0
    for node in nodes:
        node.up()
    assert [told(node) for node in nodes] == before


def test_attackers_are_named_and_outvoted(tmp_path_factory: pytest.TempPathFactory) -> None:
    attacks = {name: {"QRFLD_LAB_ATTACK": attack} for name, attack in ATTACKS.items()}
    with federation(tmp_path_factory.mktemp("attack"), "abcde", **attacks) as nodes:
        run = start(nodes[0], rounds=5)
        shown = ends(nodes, run)
        for each in shown[0]["rounds"]:
            named = verdicts(each)
            assert (named["d"], named["e"]) == ("suspect", "refused")
            assert {"d", "e"} <= set(each["suspects"])
        assert shown[0]["accuracy"] > 0.85
        assert all(chain(each) == chain(shown[0]) for each in shown)


ATTACKS = {"d": "sign-flip", "e": "nan"}
