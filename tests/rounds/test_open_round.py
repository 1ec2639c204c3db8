"""What the coordinator knows of the open round."""

from __future__ import annotations

from typing import Any

import pytest
from run_statements import FEDERATION, config

from qrfld.crypto.identity import Identity
from qrfld.protocol.messages import Evaluate, Evaluation, RoundStart
from qrfld.protocol.statements import UpdateStatement, Verdict
from qrfld.rounds.ledger import Ledger
from qrfld.rounds.open_round import OpenRound

COORDINATOR = Identity.generate(1)
A, B, C = (Identity.generate(1).node_id for _ in range(3))


def open_round(**changes: Any) -> OpenRound:
    members = [COORDINATOR.node_id, A, B, C]
    ledger = Ledger.open(config(COORDINATOR, members, **changes), COORDINATOR, FEDERATION)
    return OpenRound(ledger, 1, b"m" * 32, 100, deadline=50.0)


def update(kind: int) -> UpdateStatement:
    return UpdateStatement(
        run=bytes(16),
        round=1,
        base_model=b"m" * 32,
        update=bytes([kind]) * 32,
        update_bytes=100,
        samples=kind,
        loss=0.5,
    )


def score(accuracy: float, loss: float = 0.5, samples: int = 10) -> Evaluation:
    return Evaluation(
        run=bytes(16), round=1, model=bytes(32), accuracy=accuracy, loss=loss, samples=samples
    )


def test_members_are_asked_to_train_then_to_evaluate_then_nothing() -> None:
    one = open_round()
    start = one.announcement(20.0)
    assert isinstance(start, RoundStart)
    assert (start.model, start.model_bytes, start.seconds_left) == (b"m" * 32, 100, 30.0)
    late = one.announcement(60.0)
    assert isinstance(late, RoundStart)
    assert late.seconds_left == 0.0
    one.accepting = False
    assert one.announcement(20.0) is None
    one.candidate, one.evaluating = b"n" * 32, True
    asked = one.announcement(20.0)
    assert isinstance(asked, Evaluate)
    assert asked.model == b"n" * 32
    one.shut()
    assert one.announcement(20.0) is None


def test_whoever_answered_in_any_way_is_no_straggler() -> None:
    one = open_round()
    assert one.stragglers == [COORDINATOR.node_id, A, B, C]
    one.accepted[A], one.refused[B], one.failed[C] = update(1), update(2), "no data"
    assert one.answered == {A, B, C}
    assert one.stragglers == [COORDINATOR.node_id]


def test_updates_count_in_the_order_of_members_whoever_came_first() -> None:
    one = open_round()
    for member in (C, A, COORDINATOR.node_id):
        one.accepted[member] = update(1)
    assert one.order == [COORDINATOR.node_id, A, C]


def test_entries_carry_the_verdicts() -> None:
    one = open_round()
    one.accepted = {C: update(3), A: update(1)}
    one.refused[B] = update(2)
    told = [(entry.node, entry.samples, entry.verdict) for entry in one.entries({C})]
    assert told == [(A, 1, Verdict.USED), (C, 3, Verdict.SUSPECT), (B, 2, Verdict.REFUSED)]


def test_scores_leave_the_extremes_out() -> None:
    one = open_round(rule="median", f=1)
    assert (one.accuracy, one.loss) == (None, None)
    one.scores = {A: score(0.0, 1e300), B: score(0.5, 0.4), C: score(1.0, 0.0)}
    assert one.accuracy == pytest.approx(0.5)
    assert one.loss == pytest.approx(0.4)
