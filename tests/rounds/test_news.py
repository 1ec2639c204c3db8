"""What a member that was away hears."""

from __future__ import annotations

import asyncio

import pytest
from run_sites import World, check_chain

from qrfld.protocol.messages import (
    RoundStart,
    RunEnd,
    RunOffer,
    RunState,
    RunSync,
    TrainingFailed,
)
from qrfld.rounds import news


async def test_member_that_was_away_gets_the_records_and_the_end(world: World) -> None:
    site, away, puppet = await world.site("c"), await world.site("a"), world.puppet("p")
    world.network.connect_all()
    run = await site.start(rounds=4, quorum=2)
    await puppet.takes_part(site)
    await away.crash()
    for _ in range(3):
        await puppet.takes_part(site)
    await site.reaches(run, "finished")
    await away.up()
    world.network.connect(site.id, away.id)
    await away.reaches(run, "finished")
    assert await away.records(run) == await site.records(run)
    await check_chain(away, run)


@pytest.mark.parametrize("ended", [True, False])
async def test_more_missing_records_than_one_answer_holds_all_arrive(
    world: World, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    monkeypatch.setattr(news, "SYNC_MOST", 3)
    site, away, puppet = await world.site("c"), await world.site("a"), world.puppet("p")
    world.network.connect(site.id, puppet.id)
    rounds = 9 if ended else 1000
    run = await site.start(rounds=rounds, quorum=2)
    for _ in range(9):
        await puppet.takes_part(site)
    if ended:
        await site.reaches(run, "finished")
    world.network.connect(site.id, away.id)
    if ended:
        # It has never heard of the run, which is over: there is nothing to tell it.
        assert await away.database.run(run) is None
        row = await site.database.run(run)
        assert row is not None
        await site.mesh.send(away.id, RunOffer(config=row.config))
        await away.reaches(run, "finished")
    async with asyncio.timeout(20):
        while len(await away.records(run)) < 9:
            await asyncio.sleep(0.01)
    await check_chain(away, run)


async def test_answer_begins_with_the_round_asked_for(world: World) -> None:
    site, (puppet,) = await world.cast(1)
    run = await site.start(rounds=3)
    for _ in range(3):
        await puppet.takes_part(site)
    await puppet.hears(RunEnd)
    await puppet.mesh.send(site.id, RunSync(run=run, next_round=3))
    assert (await puppet.record(site)).round == 3
    assert (await puppet.hears(RunEnd)).state == RunState.FINISHED


async def test_news_of_an_unknown_run_or_of_another_coordinator_are_none(world: World) -> None:
    site, other = await world.site("c"), await world.site("t")
    puppet = world.puppet("p")
    world.network.connect_all()
    run = await site.start(rounds=1)
    await puppet.takes_part(site)
    await other.reaches(run, "finished")
    for unknown in (run, b"?" * 16):
        await puppet.mesh.send(other.id, RunSync(run=unknown, next_round=1))
    start = RoundStart(
        run=run, round=1, model=bytes(32), model_bytes=1, previous=bytes(32), seconds_left=1.0
    )
    await puppet.mesh.send(other.id, start)  # whose answer comes after those to the others
    while True:
        node, message = await puppet.mesh.unheard.get()
        if node == other.id:
            assert isinstance(message, TrainingFailed)
            break


async def test_node_that_is_no_member_of_the_run_may_read_its_records(world: World) -> None:
    site, (puppet,) = await world.cast(1)
    run = await site.start(rounds=1)
    record = await puppet.takes_part(site)
    late = world.puppet("late")
    world.network.connect(site.id, late.id)
    await late.mesh.send(site.id, RunSync(run=run, next_round=1))
    assert await late.record(site) == record
