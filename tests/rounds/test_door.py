"""The door against updates that are wrong, late, doubled, foreign, or do not fit on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from run_sites import Puppet, World

from qrfld.crypto.identity import Identity
from qrfld.net.errors import TransferError
from qrfld.protocol.messages import (
    RoundStart,
    RunEnd,
    TrainingFailed,
    Update,
    UpdateReceipt,
)
from qrfld.protocol.tensors import encode
from qrfld.rounds import door


def _blob(puppet: Puppet, start: RoundStart, data: bytes) -> Update:
    update, size = puppet.put_blob(data)
    return puppet.update(start, update=update, update_bytes=size)


def _of_model_size(start: RoundStart, data: bytes) -> bytes:
    return data.ljust(start.model_bytes, b"\0")[: start.model_bytes]


BAD: dict[str, Callable[[Puppet, RoundStart], Update]] = {
    "too large": lambda p, s: _blob(p, s, bytes(s.model_bytes + 1)),
    "too small": lambda p, s: _blob(p, s, bytes(s.model_bytes - 1)),
    "empty": lambda p, s: _blob(p, s, b""),
    "no blob": lambda p, s: _blob(p, s, _of_model_size(s, b"QRFT")),
    "random bytes": lambda p, s: _blob(p, s, np.random.default_rng(1).bytes(s.model_bytes)),
    "other tensors": lambda p, s: _blob(
        p, s, _of_model_size(s, b"".join(encode({"w": np.ones(6, np.float32)})))
    ),
    "other names": lambda p, s: _blob(
        p, s, b"".join(encode({"v": np.ones(4, np.float32), "b": np.ones(2, np.float32)}))
    ),
    "nan": lambda p, s: p.update(s, [0, 0, 0, np.nan, 0, 0]),
    "infinity": lambda p, s: p.update(s, [0, np.inf, 0, 0, 0, 0]),
    "infinities that cancel": lambda p, s: p.update(s, [0, np.inf, -np.inf, 0, 0, 0]),
}


@pytest.mark.parametrize("what", BAD)
async def test_unusable_update_is_refused_and_named_and_leaves_nothing(
    world: World, what: str
) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    receipt = await a.receipt(site, BAD[what](a, start))
    assert not receipt.accepted
    assert receipt.reason
    assert not site.blobs.has(receipt.update)
    # Once refused, refused for this round: a second try is not even fetched.
    again = await a.receipt(site, a.update(start))
    assert "refused before" in again.reason
    assert not site.blobs.has(again.update)
    asyncio.get_running_loop().create_task(a.score(site))
    record = await b.takes_part(site)
    assert world.verdicts(record) == {"c": "used", "p0": "refused", "p1": "used"}


async def test_update_let_in_is_read_by_no_other_member(world: World) -> None:
    """The record names every update; a member that asks for another's learns nothing."""
    site, (a, b) = await world.cast()
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    receipt = await a.receipt(site, a.update(start))
    assert receipt.accepted
    assert site.blobs.has(receipt.update)
    size = site.blobs.size(receipt.update)
    with pytest.raises(TransferError):
        await b.mesh.fetch(site.id, receipt.update, size)
    assert (await b.mesh.fetch(site.id, start.model, start.model_bytes)).exists()


async def test_update_that_leads_the_model_out_of_float32_is_refused(world: World) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=2, quorum=2)
    huge = float(np.finfo(np.float32).max)
    # Three times the largest number, mixed by the mean, is still finite: nobody is harmed but the
    # model. On top of such a model the same update is more than float32 holds.
    for puppet in (a, b):
        start = await puppet.hears(RoundStart)
        assert (await puppet.receipt(site, puppet.update(start, huge))).accepted
    await asyncio.gather(a.score(site), b.score(site))
    start = await a.hears(RoundStart)
    receipt = await a.receipt(site, a.update(start, huge))
    assert not receipt.accepted
    assert "not finite" in receipt.reason
    b_start = await b.hears(RoundStart)
    asyncio.get_running_loop().create_task(a.score(site))
    assert (await b.receipt(site, b.update(b_start, 0.0))).accepted
    await b.score(site)
    assert world.verdicts(await b.record(site))["p0"] == "refused"


WRONG: dict[str, dict[str, Any]] = {
    "another round": {"round": 2},
    "an old round": {"round": 0},
    "another base model": {"base_model": b"b" * 32},
}


@pytest.mark.parametrize("what", WRONG)
async def test_update_of_something_else_is_refused_without_a_look(world: World, what: str) -> None:
    site, (a,) = await world.cast(1)
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    receipt = await a.receipt(site, a.update(start, **WRONG[what]))
    assert not receipt.accepted
    assert "is not open" in receipt.reason
    assert not site.blobs.has(receipt.update)
    # It was no update of this round, so the right one is still welcome.
    assert (await a.receipt(site, a.update(start))).accepted


async def test_update_of_a_run_unknown_here_is_ignored(world: World) -> None:
    site, (a,) = await world.cast(1)
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    await a.mesh.send(site.id, a.update(start, run=b"?" * 16))
    assert (await a.receipt(site, a.update(start))).accepted


@pytest.mark.parametrize("signer", ["stranger", "other member"])
async def test_update_signed_by_another_is_refused(world: World, signer: str) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    other = b.identity if signer == "other member" else Identity.generate(1)
    await a.mesh.send(site.id, a.update(start, 9.0, signer=other))
    assert (await a.receipt(site, a.update(start))).accepted
    assert [error.name for error in site.mesh.errors] == ["invalid-signature"]


async def test_admitted_node_outside_the_run_is_not_heard(world: World) -> None:
    site, (a,) = await world.cast(1)
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    late = world.puppet("late")
    world.network.connect(site.id, late.id)
    await late.mesh.send(site.id, late.update(start))
    await late.mesh.send(site.id, TrainingFailed(run=start.run, round=1, reason="x"))
    assert (await a.receipt(site, a.update(start))).accepted
    await a.score(site)
    assert "late" not in world.verdicts(await a.record(site))


async def test_second_different_update_is_refused_and_the_first_stands(world: World) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    first = a.update(start, 1.0)
    accepted = await a.receipt(site, first)
    second = await a.receipt(site, a.update(start, 50.0))
    assert not second.accepted
    assert "another update" in second.reason
    assert not site.blobs.has(second.update)
    assert (await a.receipt(site, first)).accepted  # said again, it is still accepted
    asyncio.get_running_loop().create_task(a.score(site))
    record = await b.takes_part(site)
    assert {e.update for e in record.updates if e.node == a.id} == {accepted.update}


async def test_update_replayed_in_a_later_round_is_refused(world: World) -> None:
    site, (a,) = await world.cast(1)
    await site.start(rounds=2, quorum=2)
    start = await a.hears(RoundStart)
    old = a.update(start)
    assert (await a.receipt(site, old)).accepted
    await a.score(site)
    start = await a.hears(RoundStart)
    assert start.round == 2
    receipt = await a.receipt(site, old)
    assert not receipt.accepted
    assert "round 1 is not open" in receipt.reason


async def test_many_updates_at_once_make_the_coordinator_fetch_one(world: World) -> None:
    site, (a,) = await world.cast(1)
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    a.mesh.serving.clear()
    first = a.update(start, 1.0)
    await a.mesh.send(site.id, first)
    receipts = [await a.receipt(site, a.update(start, float(i))) for i in range(2, 7)]
    assert all("being looked at" in receipt.reason for receipt in receipts)
    assert len(list((site.home / "spool").glob("*.part"))) == 1
    a.mesh.serving.set()
    assert (await a.hears(UpdateReceipt)).accepted


async def test_refusals_without_end_are_not_answered_without_end(world: World) -> None:
    site, (a,) = await world.cast(1)
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    wrong = a.update(start, round=7)
    for _ in range(50):
        await a.mesh.send(site.id, wrong)
    assert (await a.receipt(site, a.update(start))).accepted is False  # the first of ten answers
    heard = 1
    while not (await a.hears(UpdateReceipt)).accepted:
        heard += 1
    assert heard <= 10


async def test_update_that_never_arrives_makes_a_straggler(world: World) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=1, quorum=2, deadline_seconds=0.3)
    start = await b.hears(RoundStart)
    b.mesh.serving.clear()
    await b.mesh.send(site.id, b.update(start, 3.0))
    record = await a.takes_part(site)
    assert record.stragglers == (b.id,)
    b.mesh.serving.set()
    late = await b.hears(UpdateReceipt)
    assert not late.accepted
    await asyncio.sleep(0)
    assert not site.blobs.has(late.update)


async def test_update_whose_bytes_are_others_is_refused(world: World) -> None:
    site, (a, b) = await world.cast()
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    message = a.update(start, 3.0)
    (update, _), (forged, _) = a.put(3.0), a.put(7.0)
    a.blobs.path(update).write_bytes(a.blobs.path(forged).read_bytes())
    receipt = await a.receipt(site, message)
    assert not receipt.accepted
    asyncio.get_running_loop().create_task(a.score(site))
    assert world.verdicts(await b.takes_part(site))["p0"] == "refused"


async def test_blob_of_another_run_named_as_update_is_never_removed(world: World) -> None:
    site, (a,) = await world.cast(1)
    run = await site.start(rounds=2)
    for _ in range(2):
        record = await a.takes_part(site)
    await site.reaches(run, "finished")
    theirs = record.model
    await site.start(rounds=1, quorum=2, seed=5)
    start = await a.hears(RoundStart)
    size = site.blobs.size(theirs)
    assert (await a.receipt(site, a.update(start, update=theirs, update_bytes=size))).accepted
    await site.restart()
    await a.score(site)
    await a.record(site)
    await a.hears(RunEnd)
    assert site.blobs.has(theirs)


async def test_blob_of_another_run_that_is_refused_as_update_stays(world: World) -> None:
    site, (a,) = await world.cast(1)
    run = await site.start(rounds=1)
    theirs = (await a.takes_part(site)).model
    await site.reaches(run, "finished")
    await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    receipt = await a.receipt(site, a.update(start, update=theirs, update_bytes=1))
    assert not receipt.accepted
    assert site.blobs.has(theirs)


async def test_full_spool_makes_the_run_wait_and_say_so_until_there_is_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "ROOM_RETRY_SECONDS", 0.05)
    site, (a,) = await world.cast(1)
    run = await site.start(rounds=1, quorum=2)
    start = await a.hears(RoundStart)
    hog = site.blobs.writer(b"h" * 32, 1 << 24)
    await a.mesh.send(site.id, a.update(start))
    await site.phase(run, "waiting: disk full")
    hog.abort()
    assert (await a.hears(UpdateReceipt)).accepted
    await a.score(site)
    await site.reaches(run, "finished")
