"""The trainer's part in one run: train when a round opens, keep the update, follow the records.

A signed update is on disk before it is sent, and is sent again, not trained again, when the
coordinator asks for the same round anew (after its restart, or after ours).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from qrfld.crypto.identity import NodeId
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import seal
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
from qrfld.protocol.statements import UpdateStatement
from qrfld.rounds.errors import RunRefusedError
from qrfld.rounds.ledger import Ledger
from qrfld.rounds.node import Node
from qrfld.tasks.base import Context
from qrfld.tasks.pool import Worker

log = logging.getLogger("qrfld.trainer")

REASON_MOST = 255


class Trainer:
    """One node's training and evaluation for one run."""

    def __init__(self, node: Node, ledger: Ledger) -> None:
        """Raises RunRefusedError unless we are named in it and hold the same task source."""
        self._node = node
        self._ledger = ledger
        self._worker = node.new_worker(own_spec(node, ledger))
        self._index = ledger.members.index(node.identity.node_id)
        self._training: asyncio.Task[None] | None = None
        self._evaluating: asyncio.Task[None] | None = None
        self._open: tuple[int, bytes] | None = None

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
        for task, name in ((self._training, "training"), (self._evaluating, "evaluating")):
            if task is not None and not task.done():
                return name
        return "between rounds"

    async def ask_for_news(self) -> None:
        """Ask the coordinator for records we have missed."""
        sync = RunSync(run=self._ledger.run, next_round=self._ledger.next_round)
        await self._node.mesh.send(self.coordinator, sync)

    async def close(self) -> None:
        """Stop training; the worker process ends."""
        for task in (self._training, self._evaluating):
            if task is not None:
                task.cancel()
        await asyncio.gather(
            *(t for t in (self._training, self._evaluating) if t), return_exceptions=True
        )
        await self._worker.close()

    @staticmethod
    def _replace(
        old: asyncio.Task[None] | None, work: Coroutine[None, None, None]
    ) -> asyncio.Task[None]:
        if old is not None:
            old.cancel()
        return asyncio.create_task(work)

    async def _train(self, message: RoundStart) -> None:
        run, mesh = self._ledger.run, self._node.mesh
        try:
            own = await self._node.database.own_update(run, message.round, message.model)
            statement = own.statement if own else await self._make_update(message)
            await mesh.send(self.coordinator, Update(statement=statement))
        except QrfldError as error:
            log.error("round %d: training failed: %s", message.round, error)
            reason = str(error)[:REASON_MOST]
            failed = TrainingFailed(run=run, round=message.round, reason=reason)
            await mesh.send(self.coordinator, failed)

    async def _make_update(self, message: RoundStart) -> bytes:
        node = self._node
        base = await node.mesh.fetch(self.coordinator, message.model, message.model_bytes)
        trained = await self._worker.train(base, self._context(message.round))
        size = trained.path.stat().st_size
        update = await asyncio.to_thread(node.blobs.put_file, trained.path)
        body = UpdateStatement(
            run=self._ledger.run,
            round=message.round,
            base_model=message.model,
            update=update,
            update_bytes=size,
            samples=trained.samples,
            loss=trained.loss,
        )
        statement = seal(node.identity, Kind.UPDATE, body)
        await node.database.save_own_update(
            self._ledger.run, message.round, 0, message.model, statement, update
        )
        log.info("round %d: trained on %d samples", message.round, trained.samples)
        return statement

    async def _evaluate(self, message: Evaluate) -> None:
        try:
            model = await self._node.mesh.fetch(
                self.coordinator, message.model, message.model_bytes
            )
            scores = await self._worker.evaluate(model, self._context(message.round))
        except QrfldError as error:
            log.error("round %d: evaluation failed: %s", message.round, error)
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


def own_spec(node: Node, ledger: Ledger) -> str:
    """The spec under which this node knows the run's task.

    Task code never travels: a node trains only what its operator installed or registered, and only
    when its source is the same as the coordinator's. Raises RunRefusedError, TaskError.
    """
    config = ledger.config
    if node.identity.node_id not in ledger.members:
        raise RunRefusedError(f"this node is not a member of run {ledger.run.hex()}")
    spec = node.task_spec(config.task)
    digest = node.task_digest(spec)
    if digest != config.task_digest:
        raise RunRefusedError(
            f"task {config.task!r} differs: {digest.hex()[:16]} here, "
            f"{config.task_digest.hex()[:16]} in the run",
            hint="install the same version of the task on every node",
        )
    return spec


def worker_for(node: Node, ledger: Ledger) -> Worker:
    """A worker for the run's task as this node knows it."""
    return node.new_worker(own_spec(node, ledger))
