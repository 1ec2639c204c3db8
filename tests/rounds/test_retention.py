"""What stays on disk after rounds, and what goes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from run_sites import Puppet, Site, World

from qrfld.protocol.messages import RoundStart, RunEnd
from qrfld.rounds.retention import MODELS_KEPT, discard


def spool(home: Path) -> list[Path]:
    return list((home / "spool").iterdir())


async def rounds(world: World, count: int, site: Site, puppet: Puppet, **options: object) -> bytes:
    run = await site.start(rounds=count, **options)
    for number in range(count):
        await puppet.takes_part(site, 1.0 + number)
    await site.reaches(run, "finished")
    return run


async def pair(world: World) -> tuple[Site, Puppet]:
    site, puppet = await world.site("c"), world.puppet("p")
    world.network.connect_all()
    return site, puppet


async def test_only_the_last_models_stay_at_the_coordinator(world: World) -> None:
    site, puppet = await pair(world)
    run = await rounds(world, MODELS_KEPT + 3, site, puppet)
    last = (await site.records(run))[-MODELS_KEPT:]
    assert set(site.blobs.names()) == {record.model for record in last}
    assert spool(site.home) == []
    assert await site.database.pending_blobs() == set()


async def test_short_run_leaves_its_models_and_not_the_one_it_began_with(world: World) -> None:
    site, puppet = await pair(world)
    run = await rounds(world, 2, site, puppet)
    assert set(site.blobs.names()) == {record.model for record in await site.records(run)}


async def test_only_the_last_models_stay_at_a_trainer(world: World) -> None:
    site, trainer = await world.site("c"), await world.site("t")
    world.network.connect_all()
    run = await site.start(rounds=MODELS_KEPT + 3)
    for each in (site, trainer):
        await each.reaches(run, "finished")
        models = {record.model for record in (await each.records(run))[-MODELS_KEPT:]}
        assert set(each.blobs.names()) == models
        assert spool(each.home) == []


async def test_run_with_the_same_models_takes_nothing_from_the_one_before(world: World) -> None:
    site, puppet = await pair(world)
    first = await rounds(world, 2, site, puppet)
    kept = {record.model for record in await site.records(first)}
    second = await rounds(world, MODELS_KEPT + 4, site, puppet)
    assert {r.model for r in (await site.records(second))[:2]} == kept
    assert kept <= set(site.blobs.names())


async def test_stopped_run_leaves_no_update_and_no_candidate(world: World) -> None:
    site, puppet = await pair(world)
    run = await site.start(rounds=3)
    record = await puppet.takes_part(site)
    start = await puppet.hears(RoundStart)
    assert (await puppet.receipt(site, puppet.update(start))).accepted
    await site.phase(run, "evaluating")
    await site.runs.stop_run(run)
    await puppet.hears(RunEnd)
    await site.reaches(run, "stopped")
    assert site.blobs.names() == [record.model]
    assert await site.database.pending_blobs() == set()


async def test_run_stopped_in_its_first_round_leaves_nothing(world: World) -> None:
    site, puppet = await pair(world)
    run = await site.start(rounds=3)
    await puppet.hears(RoundStart)
    await site.runs.stop_run(run)
    assert site.blobs.names() == []


async def test_what_a_crash_left_is_gone_after_the_next_start(world: World) -> None:
    site, puppet = await pair(world)
    run = await rounds(world, 2, site, puppet)
    orphan = site.blobs.put_bytes(b"an update that nobody remembers")
    (site.home / "spool" / "update-0123").write_bytes(b"half")
    await site.restart()
    assert not site.blobs.has(orphan)
    assert spool(site.home) == []
    assert set(site.blobs.names()) == {record.model for record in await site.records(run)}


async def test_start_keeps_what_an_open_round_needs(world: World) -> None:
    site, puppet = await pair(world)
    await site.start(rounds=2, quorum=2)
    start = await puppet.hears(RoundStart)
    receipt = await puppet.receipt(site, puppet.update(start, 3.0))
    await asyncio.sleep(0)
    await site.restart()
    assert site.blobs.has(receipt.update)
    assert site.blobs.has(start.model)


async def test_discard_of_nothing_asks_nobody(world: World) -> None:
    site, _ = await pair(world)
    await site.database.aclose()
    await discard(site.node, set())
