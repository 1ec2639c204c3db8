"""The coordinator's part in one run: open a round, gather, mix, evaluate, record.

Members that have no session are not waited for; members that have one are waited for until the
deadline. Below the quorum a round stays open, however long, since a model made of too few updates
is what an attacker wants; the run then says that it waits, and for how many.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from qrfld.aggregation import trimmed_accuracy
from qrfld.crypto.identity import NodeId
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import open_signed, seal, statement_id
from qrfld.errors import QrfldError
from qrfld.net.limits import REFUSED_UPDATES, RateLimiter
from qrfld.protocol.errors import TensorError
from qrfld.protocol.messages import (
    Evaluate,
    Evaluation,
    Message,
    RoundRecordMessage,
    RoundStart,
    RunEnd,
    RunOffer,
    TrainingFailed,
    UpdateReceipt,
)
from qrfld.protocol.statements import RoundRecord, UpdateEntry, UpdateStatement, Verdict
from qrfld.protocol.tensors import Manifest
from qrfld.rounds.errors import RoundFailedError, UpdateRefusedError
from qrfld.rounds.ledger import Ledger
from qrfld.rounds.mixing import check_update, manifest_of, next_model
from qrfld.rounds.node import Node
from qrfld.rounds.retention import retire
from qrfld.rounds.trainer import context, worker_for
from qrfld.store.errors import BlobMismatchError, DiskFullError

log = logging.getLogger("qrfld.coordinator")

EVALUATION_SECONDS = 60.0
DISK_RETRY_SECONDS = 5.0


@dataclass(eq=False)
class Answers:
    """What the members said in the open round."""

    accepted: dict[NodeId, UpdateStatement] = field(default_factory=dict)
    refused: dict[NodeId, UpdateStatement] = field(default_factory=dict)
    failed: dict[NodeId, str] = field(default_factory=dict)
    scores: dict[NodeId, Evaluation] = field(default_factory=dict)

    @property
    def answered(self) -> set[NodeId]:
        """Whoever need not be waited for any more in training."""
        return self.accepted.keys() | self.refused.keys() | self.failed.keys()


class Coordinator:
    """Drives one run on the node where it was started."""

    def __init__(self, node: Node, ledger: Ledger, config_bytes: bytes) -> None:
        self._node = node
        self._ledger = ledger
        self._config_bytes = config_bytes
        self._answers = Answers()
        self._checking: set[NodeId] = set()
        self._patience = RateLimiter(REFUSED_UPDATES)
        self._fetched: set[bytes] = set()
        self._changed = asyncio.Event()
        self._model = b""
        self._model_bytes = 0
        self._manifest: Manifest | None = None
        self._deadline = 0.0
        self._evaluating: bytes = b""
        self.phase = "starting"

    async def run(self) -> None:
        """Coordinate all rounds that are left. Raises RoundFailedError and other QrfldErrors."""
        await self._load_model()
        while self._ledger.next_round <= self._ledger.config.rounds:
            try:
                await self._round()
            except DiskFullError as error:
                # Everything acknowledged is on disk: repeat the round once there is room.
                log.error("the run waits: %s", error)
                self.phase = "waiting: disk full"
                await asyncio.sleep(DISK_RETRY_SECONDS)

    # what members hear

    async def greet(self, member: NodeId) -> None:
        """Tell a member that has just connected where the run stands."""
        if member in self._ledger.members:
            await self._node.mesh.send(member, RunOffer(config=self._config_bytes))
            if (message := self._current()) is not None:
                await self._node.mesh.send(member, message)
            self._changed.set()

    def lost(self, member: NodeId) -> None:
        """A member's session ended: whoever waits should look again."""
        self._changed.set()

    def _current(self) -> Message | None:
        ledger = self._ledger
        if self._evaluating:
            return Evaluate(
                run=ledger.run,
                round=ledger.next_round,
                model=self._evaluating,
                model_bytes=self._model_bytes,
            )
        if not self._deadline:
            return None
        return RoundStart(
            run=ledger.run,
            round=ledger.next_round,
            model=self._model,
            model_bytes=self._model_bytes,
            previous=ledger.head,
            seconds_left=max(0.0, self._deadline - asyncio.get_running_loop().time()),
        )

    async def _announce(self) -> None:
        if (message := self._current()) is not None:
            await self._node.mesh.broadcast(self._ledger.members, message)

    # what members say

    async def hear_update(self, member: NodeId, statement: UpdateStatement, signed: bytes) -> None:
        """Fetch, check, store and acknowledge an update that ``member`` signed, with a receipt."""
        now = asyncio.get_running_loop().time()
        if member not in self._ledger.members or member in self._checking:
            return
        if not self._patience.left(member, now):
            log.warning("ignored an update of %s: too many refused", self._node.mesh.label(member))
            return
        self._checking.add(member)
        reason = ""
        try:
            await self._accept(member, statement, signed)
        except QrfldError as error:
            reason = error.message
            self._patience.allow(member, now)
            log.warning("update of %s refused: %s", self._node.mesh.label(member), error)
        finally:
            self._checking.discard(member)
        receipt = UpdateReceipt(
            run=statement.run,
            round=statement.round,
            update=statement.update,
            accepted=not reason,
            reason=reason[:255],
        )
        await self._node.mesh.send(member, receipt)

    async def _accept(self, member: NodeId, statement: UpdateStatement, signed: bytes) -> None:
        ledger, answers, blobs = self._ledger, self._answers, self._node.blobs
        if statement.round != ledger.next_round or statement.base_model != self._model:
            raise UpdateRefusedError(f"round {statement.round} is not open")
        if (known := answers.accepted.get(member)) is not None:
            if known.update == statement.update:
                return
            raise UpdateRefusedError("another update of this round was accepted before")
        if not self._deadline or self._manifest is None:
            raise UpdateRefusedError(f"round {statement.round} is closed to updates")
        try:
            if statement.update_bytes != self._model_bytes:
                raise UpdateRefusedError(
                    f"the update has {statement.update_bytes} bytes, the model {self._model_bytes}"
                )
            if not blobs.has(statement.update):
                # Only what this round brought here is its to remove: a peer may name any blob.
                self._fetched.add(statement.update)
            path = await self._node.mesh.fetch(member, statement.update, statement.update_bytes)
            limit = self._node.max_model_bytes
            await asyncio.to_thread(check_update, path, self._manifest, limit)
        except (UpdateRefusedError, TensorError, BlobMismatchError):
            answers.refused[member] = statement
            self._changed.set()
            raise
        if statement.round != ledger.next_round or not self._deadline:
            raise UpdateRefusedError(f"round {statement.round} is over")
        await self._node.database.save_update(
            ledger.run, statement.round, 0, member, signed, statement.update, self._node.clock()
        )
        answers.accepted[member] = statement
        answers.failed.pop(member, None)
        self._changed.set()

    def hear_failure(self, member: NodeId, message: TrainingFailed) -> None:
        """A member cannot train this round."""
        if message.round == self._ledger.next_round and member in self._ledger.members:
            log.warning("%s cannot train: %s", self._node.mesh.label(member), message.reason)
            self._answers.failed[member] = message.reason
            self._changed.set()

    def hear_evaluation(self, member: NodeId, message: Evaluation) -> None:
        """A member's scores for the new model; the first ones count."""
        if message.model == self._evaluating and member in self._ledger.members:
            self._answers.scores.setdefault(member, message)
            self._changed.set()

    # one round

    async def _load_model(self) -> None:
        """Find the model the next round starts from; before round 1, make it."""
        ledger, node = self._ledger, self._node
        if ledger.last is not None:
            self._model = ledger.last.model
        else:
            self.phase = "initialising"
            worker = worker_for(node, ledger)
            try:
                path = await worker.init(context(ledger, 0, 0))
                self._model = await asyncio.to_thread(node.blobs.put_file, path)
            finally:
                await worker.close()
        path = node.blobs.path(self._model)
        self._model_bytes = node.blobs.size(self._model)
        self._manifest = await asyncio.to_thread(manifest_of, path, node.max_model_bytes)

    async def _round(self) -> None:
        ledger, node = self._ledger, self._node
        loop = asyncio.get_running_loop()
        started, before = loop.time(), node.mesh.total_traffic()
        await self._reopen()
        self._deadline = started + ledger.config.deadline_seconds
        log.info("round %d of %d opens", ledger.next_round, ledger.config.rounds)
        await self._announce()
        await self._gather()
        answers = self._answers
        order = [m for m in ledger.members if m in answers.accepted]
        model, size, suspected = await self._mix(order)
        await self._score(model)
        traffic = node.mesh.total_traffic()
        config = ledger.config
        record = RoundRecord(
            run=ledger.run,
            round=ledger.next_round,
            previous=ledger.head,
            base_model=self._model,
            model=model,
            rule=config.rule,
            f=config.f,
            updates=tuple(self._entries(order, {order[row] for row in suspected})),
            stragglers=tuple(m for m in ledger.members if m not in answers.answered),
            accuracy=self._accuracy(),
            loss=self._loss(),
            evaluations=len(answers.scores),
            seconds=loop.time() - started,
            bytes_sent=traffic.sent - before.sent,
            bytes_received=traffic.received - before.received,
            finished_at=int(node.clock()),
        )
        await self._finish(record, size)

    async def _reopen(self) -> None:
        """Begin with what an earlier life of this round has acknowledged."""
        ledger, node = self._ledger, self._node
        self._answers, self._evaluating = Answers(), b""
        for row in await node.database.updates(ledger.run, ledger.next_round, 0):
            identity = node.mesh.identity_of(NodeId(row.node_id))
            if identity is not None and node.blobs.has(row.update_hash):
                statement = open_signed(
                    UpdateStatement, row.statement, kind=Kind.UPDATE, signer=identity
                )
                self._fetched.add(statement.update)
                self._answers.accepted[NodeId(row.node_id)] = statement

    async def _gather(self) -> None:
        """Wait for answers: all who are there, or the deadline and a quorum."""
        loop, answers, quorum = (
            asyncio.get_running_loop(),
            self._answers,
            self._ledger.config.quorum,
        )
        while True:
            self._changed.clear()
            enough = len(answers.accepted) >= quorum
            present = self._node.mesh.connected() & set(self._ledger.members)
            everybody = present <= answers.answered
            left = self._deadline - loop.time()
            if enough and (everybody or left <= 0):
                return
            if not enough and answers.answered >= set(self._ledger.members):
                raise RoundFailedError(
                    f"round {self._ledger.next_round}: {len(answers.accepted)} usable updates of "
                    f"{len(self._ledger.members)}, quorum {quorum}{self._reasons()}"
                )
            short = not enough and (everybody or left <= 0)
            self.phase = (
                f"waiting: {len(answers.accepted)} of quorum {quorum}" if short else "training"
            )
            try:
                await asyncio.wait_for(self._changed.wait(), left if left > 0 else None)
            except TimeoutError:
                continue

    def _reasons(self) -> str:
        said = sorted(set(self._answers.failed.values()))
        return f"; members say: {' | '.join(said[:3])}" if said else ""

    async def _mix(self, order: list[NodeId]) -> tuple[bytes, int, list[int]]:
        self.phase = "aggregating"
        self._deadline = 0.0
        node, config, accepted = self._node, self._ledger.config, self._answers.accepted
        paths = [node.blobs.path(accepted[member].update) for member in order]
        base = node.blobs.path(self._model)
        return await asyncio.to_thread(
            next_model, base, paths, config.rule, config.f, node.max_model_bytes, node.blobs
        )

    async def _score(self, model: bytes) -> None:
        """Have every present member evaluate the new model."""
        self.phase = "evaluating"
        self._evaluating = model
        await self._announce()
        try:
            async with asyncio.timeout(EVALUATION_SECONDS):
                while True:
                    self._changed.clear()
                    present = self._node.mesh.connected() & set(self._ledger.members)
                    if present - self._answers.failed.keys() <= self._answers.scores.keys():
                        return
                    await self._changed.wait()
        except TimeoutError:
            missing = len(self._ledger.members) - len(self._answers.scores)
            log.warning("round %d: %d evaluations missing", self._ledger.next_round, missing)

    def _accuracy(self) -> float | None:
        reports = [(s.accuracy, s.samples) for s in self._answers.scores.values()]
        return trimmed_accuracy(reports, self._ledger.config.f) if reports else None

    def _loss(self) -> float | None:
        reports = [(s.loss, s.samples) for s in self._answers.scores.values()]
        return trimmed_accuracy(reports, self._ledger.config.f) if reports else None

    def _entries(self, order: list[NodeId], suspected: set[NodeId]) -> list[UpdateEntry]:
        answers = self._answers
        used = [
            (m, answers.accepted[m], Verdict.SUSPECT if m in suspected else Verdict.USED)
            for m in order
        ]
        refused = [(m, statement, Verdict.REFUSED) for m, statement in answers.refused.items()]
        return [
            UpdateEntry(node=m, update=s.update, samples=s.samples, verdict=verdict)
            for m, s, verdict in [*used, *refused]
            if verdict is not Verdict.REFUSED or m not in answers.accepted
        ]

    async def _finish(self, record: RoundRecord, model_bytes: int) -> None:
        ledger, node = self._ledger, self._node
        statement = seal(node.identity, Kind.ROUND_RECORD, record)
        record_id = statement_id(statement)
        await node.database.close_round(ledger.run, record.round, statement, record_id)
        ledger.append(record, record_id)
        self._model, self._model_bytes, self._evaluating = record.model, model_bytes, b""
        await asyncio.to_thread(self._forget_updates)
        await retire(node, ledger)
        self.phase = "recorded"
        log.info(
            "round %d: accuracy %s, %d updates, %d stragglers",
            record.round,
            "unknown" if record.accuracy is None else f"{record.accuracy:.4f}",
            len(self._answers.accepted),
            len(record.stragglers),
        )
        others = [member for member in ledger.members if member != node.identity.node_id]
        await node.mesh.broadcast(others, RoundRecordMessage(statement=statement))

    def _forget_updates(self) -> None:
        """Remove the update files that this run brought here."""
        while self._fetched:
            self._node.blobs.remove(self._fetched.pop())

    async def say_end(self, end: RunEnd) -> None:
        """Tell every other member that the run is over."""
        others = [m for m in self._ledger.members if m != self._node.identity.node_id]
        await self._node.mesh.broadcast(others, end)
