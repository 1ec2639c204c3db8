"""All runs of a node: started, followed, stopped, and resumed after a crash at any point."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_sites import Puppet, Site, World, check_chain, halting
from run_statements import config, record, sealed
from small_disks import filled, small_disk

from qrfld.crypto.identity import Identity
from qrfld.protocol.messages import (
    Evaluate,
    RoundRecordMessage,
    RoundStart,
    RunEnd,
    RunOffer,
    RunState,
    RunSync,
    TrainingFailed,
    UpdateReceipt,
)
from qrfld.protocol.statements import run_id
from qrfld.rounds import coordinator, door, service, trainer
from qrfld.rounds.errors import RunNotFoundError, RunRefusedError
from qrfld.store.errors import DiskFullError
from qrfld.tasks import loader

# starting and stopping


async def test_real_nodes_end_with_the_same_chain(world: World) -> None:
    sites = [await world.site(name) for name in "abc"]
    world.network.connect_all()
    run = await sites[1].start(rounds=4, params={"noise": True})
    for site in sites:
        await site.reaches(run, "finished")
        await check_chain(site, run, distinct=True)
    records = [await site.records(run) for site in sites]
    assert records[0] == records[1] == records[2]
    assert len(records[0]) == 4
    assert all(len(r.updates) == 3 and r.evaluations == 3 for r in records[0])


async def test_second_run_is_refused_while_one_is_going_on(world: World) -> None:
    site, puppet = await world.site("c"), world.puppet("p")
    world.network.connect_all()
    run = await site.start(rounds=1)
    with pytest.raises(RunRefusedError, match=f"run {run.hex()[:8]} is still going on"):
        await site.start()
    await puppet.takes_part(site)
    await site.reaches(run, "finished")
    assert await site.start() != run


async def test_two_starts_at_once_make_one_run(world: World) -> None:
    site = await world.site("c")
    world.puppet("p")
    results = await asyncio.gather(site.start(), site.start(), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["RunRefusedError", "bytes"]
    assert len(await site.database.runs()) == 1


async def test_task_given_as_a_file_runs_where_it_was_given_and_after_a_restart(
    world: World,
) -> None:
    site, puppet = await world.site("c"), world.puppet("p")
    site.tasks.clear()  # the file stands in no configuration
    world.network.connect_all()
    run = await site.start(rounds=2, quorum=2)
    await puppet.takes_part(site)
    await site.restart()
    await puppet.takes_part(site)
    await site.reaches(run, "finished")


async def test_run_stopped_is_over_for_everybody(world: World) -> None:
    sites = [await world.site(name) for name in "ab"]
    puppet = world.puppet("p")
    world.network.connect_all()
    run = await sites[0].start(rounds=100, quorum=3)
    await puppet.takes_part(sites[0])
    with pytest.raises(RunRefusedError, match="only its coordinator 'a'"):
        await sites[1].runs.stop_run(run)
    await sites[0].runs.stop_run(run)
    assert (await puppet.hears(RunEnd)).state == RunState.STOPPED
    for site in sites:
        await site.reaches(run, "stopped")
        assert await site.reason(run) == "stopped by its operator"
    with pytest.raises(RunNotFoundError):
        await sites[0].runs.stop_run(run)
    await sites[0].restart()
    assert sites[0].runs.active(run) is None


async def test_unknown_run_cannot_be_stopped(world: World) -> None:
    site = await world.site("c")
    with pytest.raises(RunNotFoundError, match="3f3f3f3f"):
        await site.runs.stop_run(b"?" * 16)


# members that cannot take part


@pytest.mark.parametrize("what", ["unknown", "differs"])
async def test_member_without_the_task_says_why_and_is_not_waited_for(
    world: World, what: str
) -> None:
    site, other, puppet = await world.site("c"), await world.site("o"), world.puppet("p")
    if what == "unknown":
        other.tasks.clear()
    else:
        changed = world.directory / "changed.py"
        changed.write_text(world.task.read_text() + "# another version\n")
        other.tasks["Tiny"] = f"{changed}:Tiny"
    world.network.connect_all()
    run = await site.start(rounds=1, quorum=2, deadline_seconds=10_000.0)
    done = await puppet.takes_part(site)
    assert other.id not in {entry.node for entry in done.updates}
    await site.reaches(run, "finished")
    assert await other.database.run(run) is None
    words = "no task 'Tiny'" if what == "unknown" else "task 'Tiny' differs"
    assert any(words in str(error) for error in other.mesh.errors)


async def test_reason_of_a_refusal_reaches_the_coordinator(world: World) -> None:
    site, puppet = await world.site("o"), world.puppet("p")
    site.tasks.clear()
    world.network.connect_all()
    offer = config(puppet.identity, [site.id, puppet.id])
    await puppet.mesh.send(site.id, RunOffer(config=offer))
    await puppet.mesh.send(site.id, start_of(run_id(offer)))
    failed = await puppet.hears(TrainingFailed)
    assert (failed.run, failed.round) == (run_id(offer), 1)
    assert "no task 'Tiny'" in failed.reason


def start_of(run: bytes, **changes: Any) -> RoundStart:
    fields: dict[str, Any] = {
        "round": 1,
        "model": bytes(32),
        "model_bytes": 100,
        "previous": bytes(32),
        "seconds_left": 1.0,
        **changes,
    }
    return RoundStart(run=run, **fields)


async def outsider(world: World) -> tuple[Site, Puppet]:
    site, puppet = await world.site("t"), world.puppet("p")
    world.network.connect_all()
    return site, puppet


def digest(world: World) -> bytes:
    return loader.digest(f"{world.task}:Tiny")


OFFERS: dict[str, tuple[dict[str, Any], str]] = {
    "another federation": ({"federation": b"x" * 32}, "record-refused"),
    "another coordinator": ({"coordinator": b"x" * 32}, "record-refused"),
    "another version": ({"task_digest": b"x" * 32}, "run-refused"),
}


@pytest.mark.parametrize("what", OFFERS)
async def test_offer_that_is_not_for_us_is_refused_by_name(world: World, what: str) -> None:
    site, puppet = await outsider(world)
    changes, name = OFFERS[what]
    fields = {"task_digest": digest(world), **changes}
    offer = config(puppet.identity, [site.id, puppet.id], **fields)
    await puppet.mesh.send(site.id, RunOffer(config=offer))
    await puppet.mesh.send(site.id, start_of(run_id(offer)))
    await puppet.hears(TrainingFailed)
    assert [error.name for error in site.mesh.errors] == [name]
    assert await site.database.runs() == []


async def test_offer_that_does_not_name_us_is_refused(world: World) -> None:
    site, puppet = await outsider(world)
    offer = config(puppet.identity, [puppet.id], task_digest=digest(world))
    await puppet.mesh.send(site.id, RunOffer(config=offer))
    await puppet.mesh.send(site.id, start_of(run_id(offer)))
    assert "not a member of run" in (await puppet.hears(TrainingFailed)).reason


async def test_offer_signed_by_a_stranger_is_refused(world: World) -> None:
    site, puppet = await outsider(world)
    offer = config(Identity.generate(1), [site.id], task_digest=digest(world))
    await puppet.mesh.send(site.id, RunOffer(config=offer))
    await puppet.mesh.send(site.id, start_of(run_id(offer)))
    await puppet.hears(TrainingFailed)
    assert [error.name for error in site.mesh.errors] == ["invalid-signature"]


async def test_offers_without_end_start_a_few_runs_only(world: World) -> None:
    site, puppet = await outsider(world)
    for number in range(10):
        offer = config(
            puppet.identity, [site.id], task_digest=digest(world), nonce=bytes([number]) * 16
        )
        await puppet.mesh.send(site.id, RunOffer(config=offer))
    await puppet.mesh.send(site.id, start_of(run_id(offer)))
    assert "runs going on here" in (await puppet.hears(TrainingFailed)).reason
    assert len(await site.database.runs()) == service.MOST_RUNS_OF_ONE


# following another's chain


async def follower(world: World, **changes: Any) -> tuple[Site, Puppet, bytes]:
    """A site that takes part in a puppet's run."""
    site, puppet = await outsider(world)
    fields: dict[str, Any] = {"task_digest": digest(world), "rounds": 1000, **changes}
    offer = config(puppet.identity, [site.id, puppet.id], **fields)
    await puppet.mesh.send(site.id, RunOffer(config=offer))
    assert (await puppet.hears(RunSync)).next_round == 1
    return site, puppet, run_id(offer)


def chain(puppet: Puppet, run: bytes, count: int) -> list[tuple[bytes, bytes]]:
    done: list[tuple[bytes, bytes]] = []
    for number in range(1, count + 1):
        head = done[-1][1] if done else bytes(32)
        done.append(sealed(puppet.identity, record(run, number, head, puppet.id)))
    return done


async def tell(puppet: Puppet, site: Site, statement: bytes) -> None:
    await puppet.mesh.send(site.id, RoundRecordMessage(statement=statement))


async def heard_all(puppet: Puppet, site: Site) -> None:
    """Wait until the site has dealt with everything the puppet has sent."""
    await puppet.mesh.send(site.id, start_of(b"?" * 16))
    await puppet.hears(TrainingFailed)


async def test_record_is_kept_once_however_often_it_comes(world: World) -> None:
    site, puppet, run = await follower(world)
    ((statement, record_id),) = chain(puppet, run, 1)
    for _ in range(3):
        await tell(puppet, site, statement)
    await heard_all(puppet, site)
    assert [row.record_id for row in await site.database.records(run)] == [record_id]
    assert site.mesh.errors == []


async def test_record_after_a_gap_is_asked_for_and_not_kept(world: World) -> None:
    site, puppet, run = await follower(world)
    statements = chain(puppet, run, 3)
    await tell(puppet, site, statements[0][0])
    await tell(puppet, site, statements[2][0])
    assert (await puppet.hears(RunSync)).next_round == 2
    assert len(await site.database.records(run)) == 1
    for statement, _ in statements[1:]:
        await tell(puppet, site, statement)
    await heard_all(puppet, site)
    assert len(await site.database.records(run)) == 3


async def test_fork_is_refused_and_the_first_record_stands(world: World) -> None:
    site, puppet, run = await follower(world)
    statements = chain(puppet, run, 2)
    for statement, _ in statements:
        await tell(puppet, site, statement)
    other, _ = sealed(puppet.identity, record(run, 2, statements[0][1], puppet.id, model=b"o" * 32))
    await tell(puppet, site, other)
    await heard_all(puppet, site)
    assert "second, different record of round 2" in str(site.mesh.errors[0])
    rows = await site.database.records(run)
    assert [row.record_id for row in rows] == [record_id for _, record_id in statements]


async def test_record_of_another_member_than_the_coordinator_is_refused(world: World) -> None:
    site, puppet, run = await follower(world)
    liar = world.puppet("liar")
    world.network.connect(site.id, liar.id)
    statement, _ = sealed(liar.identity, record(run, 1, bytes(32), puppet.id))
    await tell(liar, site, statement)
    honest, _ = sealed(puppet.identity, record(run, 1, bytes(32), puppet.id))
    await tell(liar, site, honest)  # signed by the coordinator, but not ours to say
    await heard_all(liar, site)
    names = [error.name for error in site.mesh.errors]
    assert names == ["record-refused", "invalid-signature"]
    assert await site.database.records(run) == []


async def test_record_with_a_flipped_bit_is_refused(world: World) -> None:
    site, puppet, run = await follower(world)
    statement = bytearray(chain(puppet, run, 1)[0][0])
    statement[-1] ^= 1
    await tell(puppet, site, bytes(statement))
    await heard_all(puppet, site)
    assert [error.name for error in site.mesh.errors] == ["invalid-signature"]
    assert await site.database.records(run) == []


async def test_end_said_by_another_member_is_ignored(world: World) -> None:
    site, _, run = await follower(world)
    liar = world.puppet("liar")
    world.network.connect(site.id, liar.id)
    await liar.mesh.send(site.id, RunEnd(run=run, state=RunState.STOPPED, reason="hi"))
    await heard_all(liar, site)
    assert await site.state(run) == "running"


async def test_finished_run_with_records_missing_asks_for_them_first(world: World) -> None:
    site, puppet, run = await follower(world, rounds=2)
    statements = chain(puppet, run, 2)
    end = RunEnd(run=run, state=RunState.FINISHED, reason="")
    await puppet.mesh.send(site.id, end)
    assert (await puppet.hears(RunSync)).next_round == 1
    assert await site.state(run) == "running"
    for statement, _ in statements:
        await tell(puppet, site, statement)
    await puppet.mesh.send(site.id, end)
    await site.reaches(run, "finished")
    assert len(await site.database.records(run)) == 2


async def test_messages_before_the_runs_are_resumed_wait(world: World) -> None:
    site, puppet, run = await follower(world)
    statements = chain(puppet, run, 1)
    await site.crash()
    up = asyncio.create_task(site.up())
    while site.id not in world.network.meshes:
        await asyncio.sleep(0)
    world.network.connect(site.id, puppet.id)
    await tell(puppet, site, statements[0][0])
    await up
    assert (await puppet.hears(RunSync)).next_round in {1, 2}
    await heard_all(puppet, site)
    assert len(await site.database.records(run)) == 1


async def test_run_whose_task_is_gone_fails_at_the_next_start_and_says_so(world: World) -> None:
    site, puppet, run = await follower(world)
    await site.crash()
    site.tasks.clear()
    await site.up()
    assert await site.state(run) == "failed"
    assert "no task 'Tiny'" in await site.reason(run)
    world.network.connect(site.id, puppet.id)
    await puppet.mesh.send(site.id, start_of(run))
    assert "no task 'Tiny'" in (await puppet.hears(TrainingFailed)).reason


# crashes


async def test_update_acknowledged_before_a_crash_is_in_the_record(world: World) -> None:
    site, a, b = await world.site("c"), world.puppet("a"), world.puppet("b")
    world.network.connect_all()
    run = await site.start(rounds=2, quorum=3, params={"noise": True})
    start = await a.hears(RoundStart)
    receipt = await a.receipt(site, a.update(start, 3.0))
    assert receipt.accepted
    await b.hears(RoundStart)
    await site.restart()
    again = await b.hears(RoundStart)
    assert (again.round, again.model) == (1, start.model)
    assert (await b.receipt(site, b.update(again, 2.0))).accepted
    await asyncio.gather(a.score(site), b.score(site))
    done = await b.record(site)
    assert receipt.update in {entry.update for entry in done.updates}  # S5
    await asyncio.gather(a.takes_part(site, 4.0), b.takes_part(site, 5.0))
    await site.reaches(run, "finished")
    await check_chain(site, run, distinct=True)


async def test_crash_while_an_update_is_saved_loses_nothing(world: World) -> None:
    at = halting("after save_update")
    site, a = await world.site("c", database=at), world.puppet("a")
    world.network.connect_all()
    run = await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    message = a.update(start)
    await a.mesh.send(site.id, message)
    await at.halted.wait()
    await site.restart()
    await a.hears(RoundStart)
    assert (await a.receipt(site, message)).accepted  # its trainer keeps it and sends it again
    await a.score(site)
    await site.reaches(run, "finished")
    await check_chain(site, run)


@pytest.mark.parametrize("point", ["before close_round", "after close_round"])
async def test_crash_around_a_record_leaves_one_record_of_the_round(
    world: World, point: str
) -> None:
    at = halting(point)
    site, a = await world.site("c", database=at), world.puppet("a")
    world.network.connect_all()
    run = await site.start(rounds=2, quorum=2, params={"noise": True})
    start = await a.hears(RoundStart)
    receipt = await a.receipt(site, a.update(start))
    await a.score(site)
    await at.halted.wait()
    await site.restart()
    if point == "before close_round":
        await a.score(site)  # the same updates are mixed again
    await a.takes_part(site, 2.0)
    await site.reaches(run, "finished")
    first, _ = await site.records(run)
    assert receipt.update in {entry.update for entry in first.updates}
    await check_chain(site, run, distinct=True)


async def test_crash_before_the_end_is_said_ends_the_run_after_all(world: World) -> None:
    at = halting("before set_run_state")
    site, a = await world.site("c", database=at), world.puppet("a")
    world.network.connect_all()
    run = await site.start(rounds=1, quorum=2)
    await a.takes_part(site)
    await at.halted.wait()
    await site.restart()
    assert (await a.hears(RunEnd)).state == RunState.FINISHED
    await site.reaches(run, "finished")


async def test_first_model_is_made_once_whatever_happens(world: World) -> None:
    site, a = await world.site("c"), world.puppet("a")
    world.network.connect_all()
    run = await site.start(rounds=1, quorum=2, params={"init": "random"})
    start = await a.hears(RoundStart)
    assert (await a.receipt(site, a.update(start))).accepted
    world.network.disconnect(a.id)
    await site.restart()
    if site.runs.active(run) is not None:
        await a.score(site)
    assert (await a.record(site)).base_model == start.model


async def test_trainer_that_crashed_sends_the_update_it_has(world: World) -> None:
    at = halting("after save_own_update")
    site, trainer_ = await world.site("c"), await world.site("t", database=at)
    world.network.connect_all()
    run = await site.start(rounds=1, quorum=2, params={"noise": True})
    await at.halted.wait()
    (row,) = await site.database.runs()
    own = await trainer_.database.pending_blobs()
    await trainer_.restart()
    await site.reaches(run, "finished")
    await trainer_.reaches(row.run_id, "finished")
    (done,) = await site.records(run)
    (entry,) = [entry for entry in done.updates if entry.node == trainer_.id]
    assert entry.update in own


async def test_trainer_that_crashed_before_its_update_trains_again(world: World) -> None:
    at = halting("before save_own_update")
    site, trainer_ = await world.site("c"), await world.site("t", database=at)
    world.network.connect_all()
    run = await site.start(rounds=1, quorum=2)
    await at.halted.wait()
    await trainer_.restart()
    await site.reaches(run, "finished")
    (done,) = await site.records(run)
    assert {entry.node for entry in done.updates} == {site.id, trainer_.id}


# a full disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "c", "2m") as mounted:
        yield mounted


async def test_full_disk_stops_no_run_for_good(
    disk: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (coordinator, "DISK_RETRY_SECONDS"),
        (coordinator, "REMIND_SECONDS"),
        (door, "ROOM_RETRY_SECONDS"),
        (trainer, "DISK_RETRY_SECONDS"),
        (service, "DISK_RETRY_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.05)
    site, a = await world.site("c"), world.puppet("a")
    world.network.connect_all()
    # Full when the run starts,
    with filled(disk), pytest.raises(DiskFullError):
        await site.start()
    assert await site.database.runs() == []
    # full when the first model is made,
    run = await site.start(rounds=3, quorum=2)
    # full when an update comes,
    start = await a.hears(RoundStart)
    with filled(disk):
        await a.mesh.send(site.id, a.update(start))
        await site.phase(run, "waiting: disk full")
    assert (await a.hears(UpdateReceipt)).accepted
    # full when the record is written,
    asked = await a.hears(Evaluate)
    with filled(disk):
        await a.score_for(site, asked)
        await site.phase(run, "waiting: disk full")
    await a.score(site)
    await a.record(site)
    # and after that as if nothing had happened.
    await a.takes_part(site)
    await a.takes_part(site)
    await site.reaches(run, "finished")
    await check_chain(site, run)
