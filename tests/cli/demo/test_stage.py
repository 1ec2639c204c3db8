from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from fixture_daemon import RUN, SUITE, FixtureDaemon, shown_run

from qrfld.cli.demo import stage
from qrfld.cli.demo.federation import Federation
from qrfld.cli.demo.interrupts import Interrupts
from qrfld.cli.demo.lines import Lines
from qrfld.cli.demo.plan import Plan
from qrfld.cli.errors import DemoError


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(2, 3, 0, "sign-flip", "median", 0.5, 7, tmp_path)


@pytest.fixture
def founder(plan: Plan) -> Iterator[FixtureDaemon]:
    home = plan.directory / "node-1"
    home.mkdir()
    daemon = FixtureDaemon(home / "ctl.sock")
    daemon.answers["run.start"] = {"run": RUN}
    daemon.start()
    yield daemon
    daemon.close()


def acts(plan: Plan) -> stage._Acts:
    view = Lines(StringIO())
    interrupts = Interrupts()
    return stage._Acts(Federation(plan, interrupts, view), interrupts, view)


def test_act_starts_the_run_by_the_command_line_and_ends_with_it(
    plan: Plan, founder: FixtureDaemon
) -> None:
    founder.answers["run.show"] = shown_run(3, total=3, state="finished")
    assert acts(plan).play("median", 0)["state"] == "finished"
    started = dict(founder.asked)["run.start"]
    assert started == {
        "task": "digits",
        "rounds": 3,
        "rule": "median",
        "f": 0,
        "quorum": None,
        "deadline_seconds": stage.ROUND_DEADLINE,
        "seed": 7,
        "params": {"partition": "dirichlet", "alpha": 0.5},
    }


def test_run_that_fails_is_told_with_its_reason(plan: Plan, founder: FixtureDaemon) -> None:
    founder.answers["run.show"] = shown_run(1, state="failed", reason="quorum lost")
    with pytest.raises(DemoError, match="failed: quorum lost"):
        acts(plan).play("median", 0)


def test_run_that_stands_still_is_given_up(
    plan: Plan, founder: FixtureDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "STALL_SECONDS", 0.0)
    founder.answers["run.show"] = shown_run(0)
    with pytest.raises(DemoError, match="no round has ended"):
        acts(plan).play("median", 0)


def test_outcome_has_every_key_of_the_issue(plan: Plan) -> None:
    mean = shown_run(3, accuracy=0.1)
    outcome = stage.Outcome(plan, SUITE, shown_run(2, accuracy=0.95), mean, 30.04)
    found = outcome.as_json(kept=True)
    assert found["rounds"][0] == {
        "round": 1,
        "accuracy": 0.9,
        "seconds": 1.5,
        "bytes_sent": 40_000,
        "bytes_received": 60_000,
        "suspects": ["mallory"],
    }
    del found["rounds"]
    assert found == {
        "nodes": 2,
        "suite": SUITE,
        "rule": "median",
        "attack": "sign-flip",
        "attackers": [],
        "final_accuracy": 0.95,
        "mean_rule_final_accuracy": 0.1,
        "wall_seconds": 30.0,
        "home": str(plan.directory),
    }
    assert outcome.as_json(kept=False)["home"] is None
