"""The coordinator against members that are honest, slow, silent, broken or hostile."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from run_sites import World, evaluation

from qrfld.protocol.messages import (
    Evaluate,
    RoundStart,
    RunEnd,
    RunOffer,
    RunState,
    TrainingFailed,
)
from qrfld.protocol.statements import RoundRecord
from qrfld.protocol.tensors import decode
from qrfld.rounds import coordinator as module

# a round as it should be


async def test_round_of_everybody_mixes_their_updates_and_is_recorded(world: World) -> None:
    site, (a, b) = await world.cast()
    run = await site.start(rounds=1)
    assert (await a.hears(RunOffer)).config == (await site.database.run(run)).config  # type: ignore[union-attr]
    records = await asyncio.gather(a.takes_part(site, 3.0), b.takes_part(site, 2.0))
    assert records[0] == records[1]
    record = records[0]
    assert world.verdicts(record) == {"c": "used", "p0": "used", "p1": "used"}
    assert (record.round, record.stragglers, record.evaluations) == (1, (), 3)
    model = decode(site.blobs.path(record.model).read_bytes())
    np.testing.assert_allclose(model["w"], 2.0)  # the mean of 1, 3 and 2
    np.testing.assert_allclose(model["b"], 5 / 3)
    assert (await a.hears(RunEnd)).state == RunState.FINISHED
    await site.reaches(run, "finished")


async def test_rounds_are_chained_and_each_starts_from_the_model_before(world: World) -> None:
    site, (a,) = await world.cast(1)
    run = await site.start(rounds=3)
    records = [await a.takes_part(site) for _ in range(3)]
    await site.reaches(run, "finished")
    rows = await site.database.records(run)
    assert [r.previous for r in records] == [bytes(32), rows[0].record_id, rows[1].record_id]
    assert [r.base_model for r in records[1:]] == [r.model for r in records[:2]]
    assert await site.records(run) == records


async def test_member_without_a_session_is_a_straggler_and_not_waited_for(world: World) -> None:
    site, (a, b) = await world.cast()
    world.network.disconnect(b.id)
    await site.start(rounds=1, quorum=2, deadline_seconds=10_000.0)
    record = await a.takes_part(site)
    assert record.stragglers == (b.id,)


async def test_silent_member_is_a_straggler_after_the_deadline(world: World) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=1, quorum=2, deadline_seconds=0.3)
    record = await a.takes_part(site)  # nor does its missing evaluation hold anybody up
    assert record.stragglers == (b.id,)
    assert record.evaluations == 2


async def test_member_that_leaves_within_a_round_is_not_waited_for(world: World) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=1, quorum=2, deadline_seconds=10_000.0)
    start = await a.hears(RoundStart)
    await b.hears(RoundStart)
    assert (await a.receipt(site, a.update(start))).accepted
    world.network.disconnect(b.id)
    await a.score(site)
    assert (await a.record(site)).stragglers == (b.id,)


async def test_member_that_cannot_train_is_not_waited_for(world: World) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=1, quorum=2, deadline_seconds=10_000.0)
    start = await b.hears(RoundStart)
    await b.mesh.send(site.id, TrainingFailed(run=start.run, round=1, reason="no data"))
    record = await a.takes_part(site)
    assert world.verdicts(record) == {"c": "used", "p0": "used"}
    assert record.stragglers == ()


async def test_below_the_quorum_the_run_waits_and_goes_on_when_somebody_comes(
    world: World,
) -> None:
    site, (a, b) = await world.cast()
    world.network.disconnect(a.id)
    world.network.disconnect(b.id)
    run = await site.start(rounds=1, quorum=3, deadline_seconds=0.1)
    await site.phase(run, "waiting: 1 of quorum 3")
    world.network.connect_all()
    assert (await a.hears(RunOffer)).config
    records = await asyncio.gather(a.takes_part(site), b.takes_part(site))
    assert records[0].stragglers == ()
    await site.reaches(run, "finished")


async def test_silent_member_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMIND_SECONDS", 0.05)
    site, (a,) = await world.cast(1)
    await site.start(rounds=1, quorum=2)
    first = await a.hears(RoundStart)
    again = await a.hears(RoundStart)
    assert (again.round, again.model) == (first.round, first.model)
    assert (await a.receipt(site, a.update(again))).accepted


async def test_run_fails_when_all_answered_and_too_few_are_usable(world: World) -> None:
    site, (a, b) = await world.cast()
    run = await site.start(rounds=2, quorum=2)
    for puppet in (a, b):
        start = await puppet.hears(RoundStart)
        reason = f"{puppet.name} has no data"
        await puppet.mesh.send(site.id, TrainingFailed(run=run, round=start.round, reason=reason))
    await site.reaches(run, "failed")
    reason = await site.reason(run)
    assert "1 usable updates of 3, quorum 2" in reason
    assert "p0 has no data | p1 has no data" in reason
    end = await a.hears(RunEnd)
    assert end.state == RunState.FAILED
    assert end.reason == reason[:255]


async def test_own_task_that_raises_fails_the_run_with_its_reason(world: World) -> None:
    site, _ = await world.cast(0)
    run = await site.start(rounds=1, params={"broken": 0})
    await site.reaches(run, "failed")
    assert "no data today" in await site.reason(run)


# evaluations


async def scored(world: World, accuracies: list[float | None], **changes: object) -> RoundRecord:
    """A round whose puppets report these accuracies; the coordinator's own is 0.1."""
    site, puppets = await world.cast(len(accuracies))
    await site.start(rounds=1, rule="trimmed-mean", f=1, deadline_seconds=10.0)
    for puppet in puppets:
        start = await puppet.hears(RoundStart)
        await puppet.mesh.send(site.id, puppet.update(start))
    for puppet, accuracy in zip(puppets, accuracies, strict=True):
        if accuracy is None:
            asked = await puppet.hears(Evaluate)
            failed = TrainingFailed(run=asked.run, round=1, reason="nothing held out")
            await puppet.mesh.send(site.id, failed)
        else:
            await puppet.score(site, accuracy, **(changes if puppet is puppets[0] else {}))
    return await puppets[-1].record(site)


@pytest.mark.parametrize("lie", [0.0, 1.0])
async def test_lie_about_accuracy_stays_within_the_honest_scores(world: World, lie: float) -> None:
    record = await scored(world, [lie, 0.11, 0.13, 0.12], samples=2**32 - 1, loss=1e300)
    assert record.accuracy is not None
    assert record.loss is not None
    assert 0.1 <= record.accuracy <= 0.13
    assert record.loss <= 0.5


async def test_evaluation_of_endless_loss_ends_no_run(world: World) -> None:
    site, (a,) = await world.cast(1)
    run = await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    await a.mesh.send(site.id, a.update(start))
    await a.score(site, 1.0, loss=1.79e308, samples=2**32 - 1)
    await site.reaches(run, "finished")


async def test_evaluation_over_no_samples_is_refused(world: World) -> None:
    site, (a,) = await world.cast(1)
    run = await site.start(rounds=1, quorum=2, params={"blind": 0})
    start = await a.hears(RoundStart)
    await a.mesh.send(site.id, a.update(start))
    asked = await a.score(site, 1.0, samples=0)
    await a.mesh.send(site.id, evaluation(asked, 0.5))
    assert (await a.record(site)).accuracy == 0.5
    assert [error.name for error in site.mesh.errors] == ["evaluation-refused"]
    await site.reaches(run, "finished")


async def test_member_that_cannot_evaluate_is_not_waited_for(world: World) -> None:
    record = await scored(world, [None, 0.5, 0.5, 0.5])
    assert record.evaluations == 4


async def test_first_evaluation_of_a_member_counts_and_late_ones_do_not(world: World) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=2, quorum=2)
    for puppet in (a, b):
        start = await puppet.hears(RoundStart)
        await puppet.mesh.send(site.id, puppet.update(start))
    asked = await a.score(site, 0.25)
    await a.mesh.send(site.id, evaluation(asked, 0.75))
    await b.score(site, 0.25)
    record = await b.record(site)
    assert record.evaluations == 3
    assert record.accuracy == pytest.approx((0.25 * 20 + 0.1 * 5) / 25, abs=0.01)
    await a.mesh.send(site.id, evaluation(asked, 1.0))  # of a round that is over
    for puppet in (a, b):
        start = await puppet.hears(RoundStart)
        await puppet.mesh.send(site.id, puppet.update(start))
    await b.score(site, 0.25)
    await a.score(site, 0.25)
    record = await b.record(site)
    assert record.accuracy is not None
    assert record.accuracy < 0.3


async def test_member_that_never_evaluates_holds_the_round_up_to_the_deadline_at_most(
    world: World,
) -> None:
    site, (a,) = await world.cast(1)
    await site.start(rounds=1, quorum=2, deadline_seconds=0.3)
    start = await a.hears(RoundStart)
    await a.mesh.send(site.id, a.update(start))
    assert (await a.record(site)).evaluations == 1
