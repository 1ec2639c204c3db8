"""All runs of one node: starts and resumes them, and hands each message to its run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from qrfld.crypto.identity import NodeId
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import open_signed
from qrfld.errors import QrfldError
from qrfld.net.limits import OFFERS, RateLimiter
from qrfld.protocol.messages import (
    Evaluate,
    Evaluation,
    RoundRecordMessage,
    RoundStart,
    RunEnd,
    RunOffer,
    RunState,
    RunSync,
    TrainingFailed,
    Update,
    UpdateReceipt,
)
from qrfld.protocol.statements import RoundRecord, UpdateStatement, run_id
from qrfld.rounds.coordinator import Coordinator
from qrfld.rounds.errors import RecordRefusedError, RunNotFoundError, RunRefusedError
from qrfld.rounds.ledger import Ledger, read_config
from qrfld.rounds.news import ENDED, answer
from qrfld.rounds.node import M, Node
from qrfld.rounds.request import RunRequest, configure
from qrfld.rounds.retention import forget_run, sweep
from qrfld.rounds.trainer import Trainer
from qrfld.store.errors import DiskFullError
from qrfld.store.rows import RunRow

log = logging.getLogger("qrfld.runs")

REFUSALS_KEPT = 16
#: Runs of one coordinator that we train for at the same time. An honest one has one, and one more
#: for each that ended while we were away.
MOST_RUNS_OF_ONE = 4
DISK_RETRY_SECONDS = 5.0


@dataclass(eq=False)
class ActiveRun:
    """A run this node takes part in right now."""

    ledger: Ledger
    trainer: Trainer
    coordinator: Coordinator | None = None
    task: asyncio.Task[None] | None = None

    @property
    def phase(self) -> str:
        """What is going on, in a word or two."""
        return self.coordinator.phase if self.coordinator else self.trainer.phase


class Runs:
    """The node's runs, active and past."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._active: dict[bytes, ActiveRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusals: dict[bytes, str] = {}
        self._answering: set[tuple[NodeId, bytes]] = set()
        self._offers = RateLimiter(OFFERS)
        self._starting = asyncio.Lock()
        self._started = asyncio.Event()
        self._hear(RunOffer, self._hear_offer)
        self._hear(RoundStart, self._hear_round_start)
        self._hear(Evaluate, self._hear_evaluate)
        self._hear(UpdateReceipt, self._hear_receipt)
        self._hear(RoundRecordMessage, self._hear_record)
        self._hear(RunEnd, self._hear_end)
        self._hear(Update, self._hear_update)
        self._hear(TrainingFailed, self._hear_failure)
        self._hear(Evaluation, self._hear_evaluation)
        self._hear(RunSync, self._hear_sync)
        node.mesh.on_connected(self._connected)
        node.mesh.on_disconnected(self._disconnected)

    def _hear(self, kind: type[M], handler: Callable[[NodeId, M], Awaitable[None]]) -> None:
        """Have ``handler`` called for a message type, from the moment our runs are resumed."""

        async def when_started(node: NodeId, message: M) -> None:
            await self._started.wait()
            await handler(node, message)

        self._node.mesh.handle(kind, when_started)

    # life

    async def start(self) -> None:
        """Resume every run that was going on when the daemon last ended."""
        await sweep(self._node)
        for row in await self._node.database.runs():
            if row.state == "running":
                try:
                    await self._resume(row)
                except QrfldError as error:
                    log.error("run %s cannot be resumed: %s", row.run_id.hex()[:8], error)
                    self._refuse(row.run_id, str(error))
                    await self._node.database.set_run_state(row.run_id, "failed", str(error))
        self._started.set()

    async def stop(self) -> None:
        """End all work; runs stay `running` on disk and resume with the next start."""
        for active in list(self._active.values()):
            await self._close(active)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _resume(self, row: RunRow) -> None:
        node = NodeId(read_config(row.config).coordinator)
        coordinator = self._node.mesh.identity_of(node)
        if coordinator is None:
            raise RunRefusedError(f"its coordinator {node.short} is not a member")
        ledger = Ledger.open(row.config, coordinator, self._node.federation)
        for record in await self._node.database.records(row.run_id):
            checked = open_signed(
                RoundRecord, record.record, kind=Kind.ROUND_RECORD, signer=coordinator
            )
            ledger.check(checked)
            ledger.append(checked, record.record_id)
        log.info("run %s resumes at round %d", row.run_id.hex()[:8], ledger.next_round)
        given = await self._node.database.get_meta(_task_key(row.run_id))
        spec = given.decode() if given else self._node.task_spec(ledger.config.task)
        active = ActiveRun(ledger, Trainer(self._node, ledger, spec))
        self._activate(active, row.config, spec)

    def _activate(self, active: ActiveRun, config: bytes, spec: str) -> None:
        self._active[active.ledger.run] = active
        if active.ledger.coordinator.node_id == self._node.identity.node_id:
            active.coordinator = Coordinator(self._node, active.ledger, config, spec)
            active.task = self._spawn(self._coordinate(active, active.coordinator))

    async def _close(self, active: ActiveRun) -> None:
        self._active.pop(active.ledger.run, None)
        if active.task is not None and active.task is not asyncio.current_task():
            active.task.cancel()
            await asyncio.gather(active.task, return_exceptions=True)
        await active.trainer.close()

    # what the user asks for

    async def start_run(self, request: RunRequest) -> bytes:
        """Start a run with every admitted member; returns its id. Raises RunRefusedError."""
        async with self._starting:
            for active in self._active.values():
                if active.coordinator is not None:
                    raise RunRefusedError(
                        f"run {active.ledger.run.hex()[:8]} is still going on here",
                        hint="wait for it, or: qrfl run stop",
                    )
            return await self._begin(request)

    async def _begin(self, request: RunRequest) -> bytes:
        node = self._node
        spec = node.task_spec(request.task)
        config = configure(node, request, spec)
        ledger = Ledger.open(config, node.identity, node.federation)
        active = ActiveRun(ledger, Trainer(node, ledger, spec))
        run = ledger.run
        await node.database.set_meta(_task_key(run), spec.encode())
        await node.database.create_run(run, config, "coordinator", node.clock())
        self._activate(active, config, spec)
        others = [member for member in ledger.members if member != node.identity.node_id]
        await node.mesh.broadcast(others, RunOffer(config=config))
        log.info("run %s starts: %s, %d rounds", run.hex()[:8], request.task, request.rounds)
        return run

    async def stop_run(self, run: bytes) -> None:
        """Stop a run that this node coordinates. Raises RunNotFoundError, RunRefusedError."""
        active = self._active.get(run)
        if active is None:
            raise RunNotFoundError(f"no run {run.hex()[:8]} is going on here", hint="qrfl run list")
        if active.coordinator is None:
            name = self._node.mesh.name(active.ledger.coordinator.node_id)
            raise RunRefusedError(f"only its coordinator {name!r} can stop this run")
        await self._end(active, RunState.STOPPED, "stopped by its operator")

    def active(self, run: bytes) -> ActiveRun | None:
        """A run's live state, None when it is over."""
        return self._active.get(run)

    # the coordinator's task

    async def _coordinate(self, active: ActiveRun, coordinator: Coordinator) -> None:
        try:
            await coordinator.run()
        except QrfldError as error:
            log.error("run %s failed: %s", active.ledger.run.hex()[:8], error)
            await self._end(active, RunState.FAILED, str(error))
        except Exception as error:
            log.exception("run %s failed", active.ledger.run.hex()[:8])
            await self._end(active, RunState.FAILED, f"internal error: {error!r}")
        else:
            await self._end(active, RunState.FINISHED, "")

    async def _end(self, active: ActiveRun, state: RunState, reason: str) -> None:
        """Take a run off the list, then stop its work, write its end down and say it."""
        run = active.ledger.run
        if self._active.get(run) is not active:
            return
        await self._close(active)
        await self._write_end(run, state, reason)
        if active.coordinator is not None:
            await active.coordinator.say_end(RunEnd(run=run, state=state, reason=reason[:255]))
            await active.coordinator.forget_candidate()
        await active.trainer.forget_models()
        await forget_run(self._node, active.ledger)
        log.info("run %s is %s", run.hex()[:8], ENDED[state])

    async def _write_end(self, run: bytes, state: RunState, reason: str) -> None:
        while True:
            try:
                return await self._node.database.set_run_state(run, ENDED[state], reason)
            except DiskFullError as error:
                log.error("the end of run %s waits: %s", run.hex()[:8], error)
                await asyncio.sleep(DISK_RETRY_SECONDS)

    # messages to a trainer

    async def _hear_offer(self, node: NodeId, message: RunOffer) -> None:
        run = run_id(message.config)
        if run in self._active or await self._node.database.run(run) is not None:
            return
        identity = self._node.mesh.identity_of(node)
        if identity is None:
            return
        if not self._offers.allow(node, asyncio.get_running_loop().time()):
            self._refuse(run, "too many runs offered")
            raise RunRefusedError(f"{self._node.mesh.label(node)} offers too many runs")
        ledger = Ledger.open(message.config, identity, self._node.federation)
        try:
            self._check_share(ledger)
            trainer = Trainer(self._node, ledger, self._node.task_spec(ledger.config.task))
        except QrfldError as error:
            self._refuse(run, str(error))
            raise
        await self._node.database.create_run(run, message.config, "trainer", self._node.clock())
        self._active[run] = ActiveRun(ledger, trainer)
        log.info("run %s of %s: we train", run.hex()[:8], self._node.mesh.label(node))
        await trainer.ask_for_news()

    def _check_share(self, ledger: Ledger) -> None:
        coordinator = ledger.coordinator.node_id
        runs = sum(a.ledger.coordinator.node_id == coordinator for a in self._active.values())
        if runs >= MOST_RUNS_OF_ONE:
            raise RunRefusedError(f"{coordinator.short} has {runs} runs going on here already")

    def _refuse(self, run: bytes, reason: str) -> None:
        """Remember why we take no part, to tell the coordinator when it opens a round."""
        self._refusals[run] = reason[:255]
        while len(self._refusals) > REFUSALS_KEPT:
            del self._refusals[next(iter(self._refusals))]

    def _trainer(self, node: NodeId, run: bytes) -> Trainer | None:
        active = self._active.get(run)
        if active is None or active.ledger.coordinator.node_id != node:
            return None
        return active.trainer

    async def _hear_round_start(self, node: NodeId, message: RoundStart) -> None:
        if trainer := self._trainer(node, message.run):
            trainer.start_round(message)
        else:
            reason = self._refusals.get(message.run, "this node does not know the run")
            failed = TrainingFailed(run=message.run, round=message.round, reason=reason)
            await self._node.mesh.send(node, failed)

    async def _hear_evaluate(self, node: NodeId, message: Evaluate) -> None:
        if trainer := self._trainer(node, message.run):
            trainer.evaluate(message)

    async def _hear_receipt(self, node: NodeId, message: UpdateReceipt) -> None:
        if trainer := self._trainer(node, message.run):
            trainer.receipt(message)

    async def _hear_record(self, node: NodeId, message: RoundRecordMessage) -> None:
        if (identity := self._node.mesh.identity_of(node)) is None:
            return
        record = open_signed(
            RoundRecord, message.statement, kind=Kind.ROUND_RECORD, signer=identity
        )
        active = self._active.get(record.run)
        if active is None or active.coordinator is not None:
            return
        if active.ledger.coordinator.node_id != node:
            raise RecordRefusedError("the record is not signed by the run's coordinator")
        await active.trainer.follow(record, message.statement)

    async def _hear_end(self, node: NodeId, message: RunEnd) -> None:
        active = self._active.get(message.run)
        if active is None or active.coordinator is not None:
            return
        ledger = active.ledger
        if ledger.coordinator.node_id != node:
            return
        if message.state == RunState.FINISHED and ledger.next_round <= ledger.config.rounds:
            # Records are missing: they come before the end is said again.
            await active.trainer.ask_for_news()
        else:
            await self._end(active, RunState(message.state), message.reason)

    # messages to a coordinator

    async def _hear_update(self, node: NodeId, message: Update) -> None:
        if (identity := self._node.mesh.identity_of(node)) is None:
            return
        statement = open_signed(
            UpdateStatement, message.statement, kind=Kind.UPDATE, signer=identity
        )
        if active := self._coordinated(statement.run):
            # A fetch can take long; the peer's other messages must not wait for it.
            self._spawn(self._quietly(active.hear_update(node, statement, message.statement)))

    async def _hear_failure(self, node: NodeId, message: TrainingFailed) -> None:
        if active := self._coordinated(message.run):
            active.hear_failure(node, message)

    async def _hear_evaluation(self, node: NodeId, message: Evaluation) -> None:
        if active := self._coordinated(message.run):
            active.hear_evaluation(node, message)

    async def _hear_sync(self, node: NodeId, message: RunSync) -> None:
        # Beside the reading of the member's messages: it may give credit for the records slowly,
        # and two nodes that owe each other many would otherwise wait for each other.
        if (node, message.run) not in self._answering:
            self._answering.add((node, message.run))
            self._spawn(self._answer(node, message))

    async def _answer(self, node: NodeId, message: RunSync) -> None:
        try:
            await answer(self._node, node, message)
        finally:
            self._answering.discard((node, message.run))

    def _coordinated(self, run: bytes) -> Coordinator | None:
        active = self._active.get(run)
        return active.coordinator if active else None

    # sessions

    async def _connected(self, node: NodeId) -> None:
        await self._started.wait()
        for active in list(self._active.values()):
            if active.coordinator is not None:
                await active.coordinator.greet(node)
            elif active.ledger.coordinator.node_id == node:
                await active.trainer.ask_for_news()

    def _disconnected(self, node: NodeId) -> None:
        for active in self._active.values():
            if active.coordinator is not None:
                active.coordinator.lost(node)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a background task failed: %r", error, exc_info=error)

    async def _quietly(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except QrfldError as error:
            log.warning("%s", error)


def _task_key(run: bytes) -> str:
    return f"task {run.hex()}"
