"""The trainer's part in one run: train when a round opens, keep the update, follow the records.

A signed update is on disk before it is sent, and is sent again, not trained again, when the
coordinator asks for the same round anew (after its restart, or after ours).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path

from qrfld.crypto.identity import NodeId
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import seal, statement_id
from qrfld.errors import QrfldError
from qrfld.protocol.messages import (
    Evaluate,
    Evaluation,
    RoundStart,
    RunSync,
    TrainingFailed,
    Update,
    UpdateReceipt,
)
from qrfld.protocol.statements import RoundRecord, UpdateStatement
from qrfld.rounds.errors import RecordRefusedError, RunRefusedError
from qrfld.rounds.fetching import fetch
from qrfld.rounds.ledger import Ledger
from qrfld.rounds.news import is_cut_off
from qrfld.rounds.node import Node
from qrfld.rounds.retention import discard, retire
from qrfld.store.errors import DiskFullError
from qrfld.tasks.base import Context
from qrfld.tasks.pool import TrainResult

log = logging.getLogger("qrfld.trainer")

REASON_MOST = 255
DISK_RETRY_SECONDS = 5.0


class Trainer:
    """One node's training and evaluation for one run; ``spec`` is the task as it is known here."""

    def __init__(self, node: Node, ledger: Ledger, spec: str) -> None:
        """Raises RunRefusedError unless we are named in the run and hold the same task source."""
        check_task(node, ledger, spec)
        self._node = node
        self._ledger = ledger
        self._worker = node.new_worker(spec)
        self._index = ledger.members.index(node.identity.node_id)
        self._training: asyncio.Task[None] | None = None
        self._evaluating: asyncio.Task[None] | None = None
        self._open: tuple[int, bytes] | None = None
        self._brought: set[bytes] = set()
        self._without_room = False
        self._asked_from = 0

    @property
    def coordinator(self) -> NodeId:
        """Who coordinates this run."""
        return self._ledger.coordinator.node_id

    def start_round(self, message: RoundStart) -> None:
        """Train for a round, unless we are at it already."""
        this = (message.round, message.model)
        if self._open == this and self._training is not None and not self._training.done():
            return
        self._open = this
        self._training = self._replace(self._training, self._train(message))

    def evaluate(self, message: Evaluate) -> None:
        """Evaluate a model on our held-out data and report it."""
        self._evaluating = self._replace(self._evaluating, self._evaluate(message))

    def receipt(self, message: UpdateReceipt) -> None:
        """Hear what became of our update."""
        if not message.accepted:
            log.warning("round %d: our update was refused: %s", message.round, message.reason)

    @property
    def phase(self) -> str:
        """What this node does for the run right now."""
        if self._without_room:
            return "waiting: disk full"
        for task, name in ((self._training, "training"), (self._evaluating, "evaluating")):
            if task is not None and not task.done():
                return name
        return "between rounds"

    async def ask_for_news(self) -> None:
        """Ask the coordinator for records we have missed."""
        self._asked_from = self._ledger.next_round
        sync = RunSync(run=self._ledger.run, next_round=self._asked_from)
        await self._node.mesh.send(self.coordinator, sync)

    async def follow(self, record: RoundRecord, statement: bytes) -> None:
        """Take over a record that the coordinator signed, if it is the next one.

        Raises RecordRefusedError for one that breaks the chain or the run's rules.
        """
        node, ledger, record_id = self._node, self._ledger, statement_id(statement)
        if record.round > ledger.next_round:
            await self.ask_for_news()
        elif record.round < ledger.next_round:
            known = await node.database.record(ledger.run, record.round)
            if known is not None and known.record_id != record_id:
                raise RecordRefusedError(f"a second, different record of round {record.round}")
        else:
            ledger.check(record)
            await node.database.close_round(ledger.run, record.round, statement, record_id)
            ledger.append(record, record_id)
            await retire(node, ledger)
            if is_cut_off(self._asked_from, record.round):
                await self.ask_for_news()

    async def close(self) -> None:
        """Stop training; the worker process ends."""
        tasks = [task for task in (self._training, self._evaluating) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._worker.close()

    async def forget_models(self) -> None:
        """Remove the models brought here that no record names: the run is over."""
        await discard(self._node, self._brought)

    @staticmethod
    def _replace(
        old: asyncio.Task[None] | None, work: Coroutine[None, None, None]
    ) -> asyncio.Task[None]:
        if old is not None:
            old.cancel()
        return asyncio.create_task(work)

    # training

    async def _train(self, message: RoundStart) -> None:
        try:
            self._check_start(message)
            statement = await self._when_there_is_room(message)
        except QrfldError as error:
            log.error("round %d: training failed: %s", message.round, error)
            await self._say_failed(message.round, error)
        else:
            await self._node.mesh.send(self.coordinator, Update(statement=statement))

    def _check_start(self, message: RoundStart) -> None:
        """Refuse a round that is not the next one of the chain we hold, or a later one."""
        ledger = self._ledger
        if not ledger.next_round <= message.round <= ledger.config.rounds:
            raise RunRefusedError(
                f"round {message.round} cannot open: {ledger.next_round - 1} of "
                f"{ledger.config.rounds} are recorded here"
            )
        if message.round == ledger.next_round and (
            message.previous != ledger.head
            or (ledger.last is not None and message.model != ledger.last.model)
        ):
            raise RunRefusedError(f"round {message.round} does not follow the records held here")

    async def _when_there_is_room(self, message: RoundStart) -> bytes:
        while True:
            try:
                return await self._own_update(message)
            except DiskFullError as error:
                log.error("round %d: training waits: %s", message.round, error)
                self._without_room = True
                await asyncio.sleep(DISK_RETRY_SECONDS)
            finally:
                self._without_room = False

    async def _own_update(self, message: RoundStart) -> bytes:
        """Our signed update for a round: the one we have, else a new one."""
        node, run = self._node, self._ledger.run
        own = await node.database.own_update(run, message.round, message.model)
        if own is not None and node.blobs.has(own.update_hash):
            node.mesh.offer(own.update_hash, [self.coordinator])
            return own.statement
        base = await self._fetch(message.model, message.model_bytes)
        trained = await self._worker.train(base, self._context(message.round))
        statement, update = await self._sign(message, trained)
        await node.database.save_own_update(run, message.round, message.model, statement, update)
        node.mesh.offer(update, [self.coordinator])
        log.info("round %d: trained on %d samples", message.round, trained.samples)
        return statement

    async def _sign(self, message: RoundStart, trained: TrainResult) -> tuple[bytes, bytes]:
        node = self._node
        try:
            size = trained.path.stat().st_size
            update = await asyncio.to_thread(node.blobs.put_file, trained.path)
        finally:
            trained.path.unlink(missing_ok=True)
        body = UpdateStatement(
            run=self._ledger.run,
            round=message.round,
            base_model=message.model,
            update=update,
            update_bytes=size,
            samples=trained.samples,
            loss=trained.loss,
        )
        return seal(node.identity, Kind.UPDATE, body), update

    # evaluating

    async def _evaluate(self, message: Evaluate) -> None:
        try:
            model = await self._fetch(message.model, message.model_bytes)
            scores = await self._worker.evaluate(model, self._context(message.round))
        except QrfldError as error:
            log.error("round %d: evaluation failed: %s", message.round, error)
            await self._say_failed(message.round, error)
            return
        evaluation = Evaluation(
            run=self._ledger.run,
            round=message.round,
            model=message.model,
            accuracy=scores.accuracy,
            loss=scores.loss,
            samples=scores.samples,
        )
        await self._node.mesh.send(self.coordinator, evaluation)

    # both

    async def _fetch(self, model: bytes, size: int) -> Path:
        """Bring a model here; the one before it goes, unless a record or an update names it."""
        node = self._node
        if size > node.max_model_bytes:
            raise RunRefusedError(
                f"the model has {size} bytes, this node takes {node.max_model_bytes}",
                hint="raise limits.model_bytes",
            )
        keep = {model, self._open[1]} if self._open else {model}
        gone, self._brought = self._brought - keep, self._brought & keep | {model}
        await discard(node, gone)
        return await fetch(node, self.coordinator, model, size)

    async def _say_failed(self, round_: int, error: QrfldError) -> None:
        reason = str(error)[:REASON_MOST]
        failed = TrainingFailed(run=self._ledger.run, round=round_, reason=reason)
        await self._node.mesh.send(self.coordinator, failed)

    def _context(self, round_: int) -> Context:
        return context(self._ledger, self._index, round_)


def context(ledger: Ledger, index: int, round_: int) -> Context:
    """What a task is told of the round and of its place in the run."""
    config = ledger.config
    return Context(
        index=index,
        nodes=len(config.members),
        round=round_ - 1,
        seed=config.seed,
        params=config.parameters,
    )


def check_task(node: Node, ledger: Ledger, spec: str) -> None:
    """Raise RunRefusedError or TaskError unless this node can train the run with task ``spec``.

    Task code never travels: a node trains only what its operator installed or registered, and only
    when its source is the same as the coordinator's.
    """
    config = ledger.config
    if node.identity.node_id not in ledger.members:
        raise RunRefusedError(f"this node is not a member of run {ledger.run.hex()}")
    digest = node.task_digest(spec)
    if digest != config.task_digest:
        raise RunRefusedError(
            f"task {config.task!r} differs: {digest.hex()[:16]} here, "
            f"{config.task_digest.hex()[:16]} in the run",
            hint="install the same version of the task on every node",
        )
