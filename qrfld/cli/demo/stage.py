"""The two acts: the robust rule under attack, then the plain mean under the same attack."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from qrfld.cli import run_view
from qrfld.cli.demo.federation import POLL_SECONDS, Federation, View
from qrfld.cli.demo.interrupts import Interrupts
from qrfld.cli.demo.plan import MEAN, Plan
from qrfld.cli.errors import DemoError
from qrfld.cli.session import Answer

TASK: Final = "digits"
ROUND_DEADLINE: Final = 30.0
# The daemon gives a round up that cannot end by its deadline; this is for a daemon that hangs.
STALL_SECONDS: Final = 4 * ROUND_DEADLINE
_ROUND_KEYS: Final = ("round", "accuracy", "seconds", "bytes_sent", "bytes_received", "suspects")


@dataclass(frozen=True)
class Outcome:
    """What the demonstration has shown."""

    plan: Plan
    suite: str
    robust: Answer
    mean: Answer
    seconds: float

    def as_json(self, *, kept: bool) -> dict[str, Any]:
        """The object that ``qrfl demo --json`` prints."""
        rounds = [{key: done[key] for key in _ROUND_KEYS} for done in self.robust["rounds"]]
        return {
            "nodes": self.plan.nodes,
            "suite": self.suite,
            "rule": self.plan.rule,
            "attack": self.plan.attack,
            "attackers": self.plan.attacking,
            "rounds": rounds,
            "final_accuracy": self.robust["accuracy"],
            "mean_rule_final_accuracy": self.mean["accuracy"],
            "wall_seconds": round(self.seconds, 1),
            "home": str(self.plan.directory) if kept else None,
        }


def play(plan: Plan, view: View) -> Outcome:
    """Bring the federation up, play both acts, take it down. DemoError, KeyboardInterrupt."""
    begun = time.monotonic()
    with Interrupts() as interrupts:
        with Federation(plan, interrupts, view) as federation:
            federation.start()
            view.say("waiting until every node has a session with every other")
            federation.connect()
            suite = _session_suite(federation)
            acts = _Acts(federation, interrupts, view)
            robust = acts.play(plan.rule, plan.f)
            mean = robust if plan.rule == MEAN else acts.play(MEAN, 0)
            view.say("stopping every daemon")
        interrupts.pause()
    return Outcome(plan, suite, robust, mean, time.monotonic() - begun)


class _Acts:
    """One run after the other, by the same commands."""

    def __init__(self, federation: Federation, interrupts: Interrupts, view: View) -> None:
        self._federation = federation
        self._interrupts = interrupts
        self._view = view

    def play(self, rule: str, f: int) -> Answer:
        """Start a run and watch it to its end."""
        plan = self._federation.plan
        who = f"{plan.attackers} of {plan.nodes} attacking: {plan.attack}"
        self._view.say(f"qrfl run start {TASK} --rule {rule} --f {f}  ({who})")
        chosen = {
            "--rounds": plan.rounds,
            "--rule": rule,
            "--f": f,
            "--seed": plan.seed,
            "--deadline": ROUND_DEADLINE,
        }
        options = [f"{name}={value}" for name, value in chosen.items()]
        split = ("--param", "partition=dirichlet", "--param", f"alpha={plan.alpha}")
        started = self._federation.founder.qrfl("run", "start", TASK, *options, *split)
        return self._watch(started["run"])

    def _watch(self, run_id: str) -> Answer:
        last, since = 0, time.monotonic()
        while True:
            shown = self._federation.founder.run(run_id)
            self._view.nodes(self._federation.statuses())
            self._view.run(shown)
            if shown["state"] == "finished":
                return shown
            if shown["state"] in run_view.OVER:
                raise DemoError(f"the run has {run_view.state(shown)}", hint=self._logs())
            if shown["round"] != last:
                last, since = shown["round"], time.monotonic()
            if time.monotonic() - since > STALL_SECONDS:
                raise DemoError(f"no round has ended for {STALL_SECONDS:.0f} s", hint=self._logs())
            self._interrupts.pause(POLL_SECONDS)

    def _logs(self) -> str:
        return f"see the logs under {self._federation.plan.directory}"


def _session_suite(federation: Federation) -> str:
    """The suite of a session that is really there."""
    status = federation.founder.status()
    suites = (
        {peer["suite"] for peer in status["peers"] if peer["state"] == "connected"}
        if status
        else set()
    )
    if not suites:
        raise DemoError(
            f"{federation.founder.name} has lost its sessions",
            hint=f"see the logs under {federation.plan.directory}",
        )
    return ", ".join(sorted(suites))
