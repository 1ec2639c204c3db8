"""The trainer against its coordinator, its disk and its own worker process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_sites import PATIENCE, Puppet, Site, ThreadWorker, World
from run_statements import FEDERATION, config, record, sealed
from small_disks import filled, small_disk

from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import open_signed
from qrfld.protocol.messages import (
    Evaluate,
    Evaluation,
    RoundRecordMessage,
    RoundStart,
    RunOffer,
    RunSync,
    TrainingFailed,
    Update,
    UpdateReceipt,
)
from qrfld.protocol.statements import UpdateStatement, run_id
from qrfld.protocol.tensors import decode
from qrfld.rounds import fetching
from qrfld.rounds import trainer as module
from qrfld.rounds.errors import RunRefusedError
from qrfld.rounds.ledger import Ledger
from qrfld.rounds.trainer import check_task, context
from qrfld.tasks import loader
from qrfld.tasks.errors import TaskNotFoundError
from qrfld.tasks.pool import Worker


class Stage:
    """A trainer under test, and a puppet that coordinates."""

    def __init__(self, world: World, site: Site, puppet: Puppet, **params: Any) -> None:
        self.world, self.site, self.puppet = world, site, puppet
        self.config = config(
            puppet.identity,
            [site.id, puppet.id],
            task_digest=loader.digest(f"{world.task}:Tiny"),
            params=tuple(sorted(params.items())),
        )
        self.run = run_id(self.config)

    async def offer(self) -> None:
        await self.puppet.mesh.send(self.site.id, RunOffer(config=self.config))
        await self.puppet.hears(RunSync)

    async def open(self, values: float = 0.0, **changes: Any) -> RoundStart:
        """Open a round on a model of equal numbers."""
        model, size = self.puppet.put(values)
        fields: dict[str, Any] = {
            "round": 1,
            "model": model,
            "model_bytes": size,
            "previous": bytes(32),
            "seconds_left": 10.0,
            **changes,
        }
        start = RoundStart(run=self.run, **fields)
        await self.puppet.mesh.send(self.site.id, start)
        return start

    async def update(self) -> UpdateStatement:
        message = await self.puppet.hears(Update)
        return open_signed(
            UpdateStatement, message.statement, kind=Kind.UPDATE, signer=self.site.identity
        )

    async def ask_score(self, values: float, **changes: Any) -> Evaluate:
        model, size = self.puppet.put(values)
        fields: dict[str, Any] = {"round": 1, "model": model, "model_bytes": size, **changes}
        asked = Evaluate(run=self.run, **fields)
        await self.puppet.mesh.send(self.site.id, asked)
        return asked

    async def close_round(self, start: RoundStart, model: bytes) -> bytes:
        body = record(
            self.run,
            start.round,
            start.previous,
            self.puppet.id,
            base_model=start.model,
            model=model,
        )
        statement, record_id = sealed(self.puppet.identity, body)
        await self.puppet.mesh.send(self.site.id, RoundRecordMessage(statement=statement))
        return record_id

    async def failure(self) -> str:
        return (await self.puppet.hears(TrainingFailed)).reason


async def stage(world: World, worker: type[Worker] = ThreadWorker, **params: Any) -> Stage:
    site, puppet = await world.site("t", worker=worker), world.puppet("p")
    world.network.connect_all()
    one = Stage(world, site, puppet, **params)
    await one.offer()
    return one


# training


async def test_round_is_trained_in_a_process_and_the_update_signed(world: World) -> None:
    one = await stage(world, Worker)
    start = await one.open(2.0)
    statement = await one.update()
    assert (statement.round, statement.base_model, statement.samples) == (1, start.model, 10)
    path = await one.puppet.mesh.fetch(one.site.id, statement.update, statement.update_bytes)
    update = decode(path.read_bytes())
    np.testing.assert_array_equal(update["w"], np.ones(4, np.float32))
    np.testing.assert_array_equal(update["b"], np.zeros(2, np.float32))
    await one.ask_score(5.0)
    score = await one.puppet.hears(Evaluation)
    assert (score.accuracy, score.samples) == (0.5, 5)


async def test_process_killed_while_it_trains_fails_the_round_and_not_the_next(
    world: World,
) -> None:
    world.task.write_text(world.task.read_text().replace("step = 1", SLOW_FIRST_ROUND))
    one = await stage(world, Worker)
    await one.open()
    pid = int(await asyncio.to_thread(_first_line, one.world.directory / "pid"))
    os.kill(pid, signal.SIGKILL)
    assert "SIGKILL" in await one.failure()
    await one.open(1.0, round=2)
    assert (await one.update()).round == 2


SLOW_FIRST_ROUND = """if context.round == 0:
            import os, pathlib, time
            fifo = pathlib.Path(__file__).with_name("pid")
            os.mkfifo(fifo)
            fifo.write_text(f"{os.getpid()}\\n")
            time.sleep(60)
        step = 1"""


def _first_line(fifo: Any) -> str:
    while not fifo.exists():
        pass
    return str(fifo.read_text())


async def test_round_that_opens_during_training_is_trained_next_in_the_same_process(
    world: World,
) -> None:
    """A process takes seconds to start: ending it with each round would make a member late always.

    The rounds open while the process still loads the task, which is when it was ended for ever.
    """
    world.task.write_text(world.task.read_text() + SLOW_TO_LOAD)
    one = await stage(world, Worker)
    await one.open()
    loads = one.world.directory / "loads"
    async with asyncio.timeout(PATIENCE):
        while not loads.exists():
            await asyncio.sleep(0.01)
    for late in (2, 3, 4):
        await one.open(float(late), round=late)
        await asyncio.sleep(0.05)
    (one.world.directory / "go-on").touch()
    assert (await one.update()).round == 4
    assert len(loads.read_text().split()) == 1
    await one.ask_score(5.0)
    await one.puppet.hears(Evaluation)
    assert list((one.site.home / "spool").iterdir()) == []


SLOW_TO_LOAD = """

import os, pathlib, time
here = pathlib.Path(__file__).parent
with (here / "loads").open("a") as loads:
    loads.write(f"{os.getpid()}\\n")
while not (here / "go-on").exists():
    time.sleep(0.01)
"""


async def test_round_announced_again_gets_the_same_update_again(world: World) -> None:
    one = await stage(world, noise=True)
    start = await one.open()
    first = await one.puppet.hears(Update)
    await one.puppet.mesh.send(one.site.id, start)
    assert (await one.puppet.hears(Update)).statement == first.statement


async def test_update_whose_file_is_gone_is_trained_again(world: World) -> None:
    one = await stage(world, noise=True)
    start = await one.open()
    first = await one.update()
    one.site.blobs.remove(first.update)
    await one.puppet.mesh.send(one.site.id, start)
    second = await one.update()
    assert one.site.blobs.has(second.update)
    assert second.update != first.update


async def test_new_round_on_another_model_is_trained_anew(world: World) -> None:
    one = await stage(world)
    start = await one.open()
    first = await one.update()
    model, _ = one.puppet.put(5.0)
    head = await one.close_round(start, model)
    await one.open(5.0, round=2, previous=head)
    second = await one.update()
    assert (second.round, second.base_model) == (2, model)
    assert not one.site.blobs.has(first.update) or first.update == second.update


async def test_training_that_raises_is_told_with_its_reason(world: World) -> None:
    one = await stage(world, broken=0)
    await one.open()
    assert "ValueError: no data today" in await one.failure()


async def test_evaluation_that_raises_is_told_with_its_reason(world: World) -> None:
    one = await stage(world, blind=0)
    await one.ask_score(1.0)
    assert "nothing held out" in await one.failure()


async def test_refused_update_is_heard_of_and_changes_nothing(world: World) -> None:
    one = await stage(world)
    start = await one.open()
    update = await one.update()
    receipt = UpdateReceipt(
        run=one.run, round=1, update=update.update, accepted=False, reason="x" * 255
    )
    await one.puppet.mesh.send(one.site.id, receipt)
    await one.puppet.mesh.send(one.site.id, start)
    assert (await one.update()).update == update.update


# rounds that do not fit the chain


STRAY: dict[str, dict[str, Any]] = {
    "round zero": {"round": 0},
    "a round after the last": {"round": 6},
    "another chain": {"previous": b"?" * 32},
}


@pytest.mark.parametrize("what", STRAY)
async def test_round_that_does_not_fit_is_refused(world: World, what: str) -> None:
    one = await stage(world)
    await one.open(**STRAY[what])
    reason = await one.failure()
    assert "cannot open" in reason or "does not follow" in reason
    assert one.site.blobs.names() == []


async def test_round_that_is_recorded_here_is_never_trained_again(world: World) -> None:
    one = await stage(world)
    start = await one.open()
    await one.update()
    model, _ = one.puppet.put(1.0)
    await one.close_round(start, model)
    await one.puppet.mesh.send(one.site.id, start)
    assert "round 1 cannot open: 1 of 5 are recorded here" in await one.failure()


async def test_round_on_another_model_than_the_record_says_is_refused(world: World) -> None:
    one = await stage(world)
    start = await one.open()
    await one.update()
    head = await one.close_round(start, one.puppet.put(1.0)[0])
    await one.open(9.0, round=2, previous=head)
    assert "does not follow the records" in await one.failure()


async def test_round_further_on_is_trained_while_the_records_come(world: World) -> None:
    one = await stage(world)
    await one.open(3.0, round=4, previous=b"?" * 32)
    assert (await one.update()).round == 4


async def test_round_opened_by_another_than_the_coordinator_is_refused(world: World) -> None:
    one = await stage(world)
    liar = world.puppet("liar")
    world.network.connect(one.site.id, liar.id)
    start = RoundStart(
        run=one.run, round=1, model=bytes(32), model_bytes=1, previous=bytes(32), seconds_left=1.0
    )
    await liar.mesh.send(one.site.id, start)
    assert "does not know" in (await liar.hears(TrainingFailed)).reason


# models


async def test_model_over_our_limit_is_not_fetched(world: World) -> None:
    one = await stage(world)
    await one.open(model_bytes=one.site.max_model_bytes + 1)
    assert "raise limits.model_bytes" in await one.failure()
    await one.ask_score(1.0, model_bytes=1 << 62)
    assert "this node takes" in await one.failure()


async def test_model_that_is_no_model_fails_the_round(world: World) -> None:
    one = await stage(world)
    model, size = one.puppet.put_blob(b"not a model at all")
    await one.open(model=model, model_bytes=size)
    assert "no model begins with" in await one.failure()


async def test_model_that_does_not_come_fails_the_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "PAUSES", (0.0,))
    one = await stage(world)
    await one.open(model=b"?" * 32)
    assert "does not send the blob" in await one.failure()


async def test_many_models_to_evaluate_do_not_pile_up(world: World) -> None:
    one = await stage(world)
    await one.open()
    await one.update()
    for number in range(8):
        await one.ask_score(float(number + 1))
        await one.puppet.hears(Evaluation)
    # The base and the update of the open round, and the model evaluated last.
    assert len(one.site.blobs.names()) == 3


async def test_full_spool_makes_training_wait_and_say_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DISK_RETRY_SECONDS", 0.05)
    one = await stage(world)
    hog = one.site.blobs.writer(b"h" * 32, 1 << 24)
    await one.open()
    await one.site.phase(one.run, "waiting: disk full")
    hog.abort()
    assert (await one.update()).round == 1
    await one.site.phase(one.run, "between rounds")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "t", "2m") as mounted:
        yield mounted


async def test_worker_that_finds_the_disk_full_waits_for_room(
    disk: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DISK_RETRY_SECONDS", 0.05)
    one = await stage(world, Worker)
    await one.ask_score(2.0)
    await one.puppet.hears(Evaluation)  # so that the model is here already
    with filled(disk):
        await one.open(2.0)
        await one.site.phase(one.run, "waiting: disk full")
    assert (await one.update()).round == 1


# what a task is told, and which task it is


async def test_context_names_the_place_in_the_run(world: World) -> None:
    one = await stage(world, alpha=0.5)
    ledger = Ledger.open(one.config, one.puppet.identity, FEDERATION)
    told = context(ledger, 1, 3)
    assert (told.index, told.nodes, told.round, told.seed) == (1, 2, 2, 1)
    assert told.params == {"alpha": 0.5}


async def test_task_is_checked_against_the_run(world: World) -> None:
    one = await stage(world)
    ledger = Ledger.open(one.config, one.puppet.identity, FEDERATION)
    spec = f"{world.task}:Tiny"
    check_task(one.site.node, ledger, spec)
    with pytest.raises(TaskNotFoundError):
        check_task(one.site.node, ledger, "nothing")
    with pytest.raises(RunRefusedError, match="'Tiny' differs"):
        check_task(one.site.node, ledger, "digits")
