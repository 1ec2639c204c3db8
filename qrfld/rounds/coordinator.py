"""The coordinator's part in one run: open a round, gather, mix, evaluate, record.

Members that have no session are not waited for; members that have one are waited for until the
deadline. Below the quorum a round stays open, however long, since a model made of too few updates
is what an attacker wants; the run then says that it waits, and for how many. Who is silent is asked
again from time to time: what was lost on the way, or stopped for a while, comes with the next try.
"""

from __future__ import annotations

import asyncio
import logging

import numpy as np

from qrfld.crypto.identity import NodeId
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import open_signed, seal, statement_id
from qrfld.protocol.messages import (
    Evaluation,
    RoundRecordMessage,
    RunEnd,
    RunOffer,
    TrainingFailed,
)
from qrfld.protocol.statements import RoundRecord, UpdateStatement
from qrfld.rounds.door import Door
from qrfld.rounds.errors import EvaluationRefusedError, RoundFailedError
from qrfld.rounds.ledger import Ledger
from qrfld.rounds.mixing import manifest_of, next_model
from qrfld.rounds.node import Node
from qrfld.rounds.open_round import OpenRound
from qrfld.rounds.retention import discard, retire
from qrfld.rounds.trainer import context
from qrfld.store.errors import DiskFullError

log = logging.getLogger("qrfld.coordinator")

EVALUATION_SECONDS = 60.0
DISK_RETRY_SECONDS = 5.0
REMIND_SECONDS = 5.0


class Coordinator:
    """Drives one run on the node where it was started; ``spec`` is its task."""

    def __init__(self, node: Node, ledger: Ledger, config_bytes: bytes, spec: str) -> None:
        self._node = node
        self._ledger = ledger
        self._config_bytes = config_bytes
        self._spec = spec
        self._door = Door(node)
        self._open: OpenRound | None = None
        self.phase = "starting"

    async def run(self) -> None:
        """Coordinate all rounds that are left. Raises RoundFailedError and other QrfldErrors."""
        while self._ledger.next_round <= self._ledger.config.rounds:
            try:
                await self._round()
            except DiskFullError as error:
                # Everything acknowledged is on disk: repeat the round once there is room.
                log.error("the run waits: %s", error)
                self.phase = "waiting: disk full"
                self._shut()
                await asyncio.sleep(DISK_RETRY_SECONDS)
            finally:
                self._shut()

    def _shut(self) -> None:
        if self._open is not None:
            self._open.shut()

    async def forget_candidate(self) -> None:
        """Remove a new model that no record names: its round begins again, or the run is over."""
        if self._open is not None and self._open.candidate:
            await discard(self._node, {self._open.candidate})

    # what members hear

    async def greet(self, member: NodeId) -> None:
        """Tell a member that has just connected where the run stands."""
        if member in self._ledger.members:
            await self._node.mesh.send(member, RunOffer(config=self._config_bytes))
            await self._announce([member])

    def lost(self, member: NodeId) -> None:
        """A member's session ended: whoever waits should look again."""
        if self._open is not None:
            self._open.changed.set()

    async def _announce(self, members: list[NodeId]) -> None:
        now = asyncio.get_running_loop().time()
        if self._open is not None and (message := self._open.announcement(now)) is not None:
            await self._node.mesh.broadcast(members, message)

    async def say_end(self, end: RunEnd) -> None:
        """Tell every other member that the run is over."""
        await self._node.mesh.broadcast(self._others, end)

    @property
    def _others(self) -> list[NodeId]:
        return [m for m in self._ledger.members if m != self._node.identity.node_id]

    @property
    def _present(self) -> set[NodeId]:
        return self._node.mesh.connected() & set(self._ledger.members)

    # what members say

    async def hear_update(self, member: NodeId, statement: UpdateStatement, signed: bytes) -> None:
        """Let an update in, and tell the member what became of it."""
        if member in self._ledger.members:
            receipt = await self._door.admit(self._open, member, statement, signed)
            if receipt is not None:
                await self._node.mesh.send(member, receipt)

    def hear_failure(self, member: NodeId, message: TrainingFailed) -> None:
        """A member cannot train or evaluate in this round."""
        round_ = self._open
        if round_ and message.round == round_.number and member in self._ledger.members:
            log.warning("%s cannot go on: %s", self._node.mesh.label(member), message.reason)
            round_.failed[member] = message.reason
            round_.changed.set()

    def hear_evaluation(self, member: NodeId, message: Evaluation) -> None:
        """A member's scores for the new model; the first ones count.

        Raises EvaluationRefusedError.
        """
        round_ = self._open
        if round_ is None or not round_.evaluating or message.model != round_.candidate:
            return
        if member in self._ledger.members:
            if message.samples == 0:
                raise EvaluationRefusedError("an evaluation over no samples")
            round_.scores.setdefault(member, message)
            round_.changed.set()

    # one round

    async def _round(self) -> None:
        loop, node, ledger = asyncio.get_running_loop(), self._node, self._ledger
        started, before = loop.time(), node.mesh.total_traffic()
        round_ = await self._begin(started + ledger.config.deadline_seconds)
        log.info("round %d of %d opens", round_.number, ledger.config.rounds)
        await self._announce(ledger.members)
        await self._gather(round_)
        round_.shut()
        order = round_.order
        model, suspected = await self._mix(round_, order)
        round_.candidate = model
        node.mesh.offer(model, ledger.members)
        await self._score(round_)
        round_.shut()
        traffic = node.mesh.total_traffic()
        record = RoundRecord(
            run=ledger.run,
            round=round_.number,
            previous=ledger.head,
            base_model=round_.base,
            model=model,
            rule=ledger.config.rule,
            f=ledger.config.f,
            updates=tuple(round_.entries({order[row] for row in suspected})),
            stragglers=tuple(round_.stragglers),
            accuracy=round_.accuracy,
            loss=round_.loss,
            evaluations=len(round_.scores),
            seconds=loop.time() - started,
            bytes_sent=traffic.sent - before.sent,
            bytes_received=traffic.received - before.received,
            finished_at=int(node.clock()),
        )
        await self._finish(round_, record)

    async def _begin(self, deadline: float) -> OpenRound:
        """Open a round with what an earlier life of it has acknowledged."""
        ledger, node = self._ledger, self._node
        await self.forget_candidate()
        base = ledger.last.model if ledger.last else await self._first_model()
        size = node.blobs.size(base)
        await asyncio.to_thread(manifest_of, node.blobs.path(base), node.max_model_bytes)
        round_ = OpenRound(ledger, ledger.next_round, base, size, deadline)
        for row in await node.database.updates(ledger.run, round_.number):
            identity = node.mesh.identity_of(NodeId(row.node_id))
            if identity is not None and node.blobs.has(row.update_hash):
                round_.accepted[NodeId(row.node_id)] = open_signed(
                    UpdateStatement, row.statement, kind=Kind.UPDATE, signer=identity
                )
        node.mesh.offer(base, ledger.members)
        self._open = round_
        return round_

    async def _first_model(self) -> bytes:
        """The model that round 1 starts from: made once, since updates refer to it."""
        run, node = self._ledger.run, self._node
        begun = await node.database.current_round(run)
        if begun is not None and node.blobs.has(begun.base_model):
            return begun.base_model
        self.phase = "initialising"
        worker = node.new_worker(self._spec)
        try:
            path = await worker.init(context(self._ledger, 0, 0))
        finally:
            await worker.close()
        try:
            model = await asyncio.to_thread(node.blobs.put_file, path)
        finally:
            path.unlink(missing_ok=True)
        await node.database.open_round(run, 1, model)
        return model

    async def _gather(self, round_: OpenRound) -> None:
        """Wait for answers: all who are there, or the deadline and a quorum."""
        loop, quorum = asyncio.get_running_loop(), self._ledger.config.quorum
        while True:
            round_.changed.clear()
            enough = len(round_.accepted) >= quorum
            everybody = self._present <= round_.answered
            left = round_.deadline - loop.time()
            if enough and (everybody or left <= 0):
                return
            if not enough and not round_.stragglers:
                raise RoundFailedError(
                    f"round {round_.number}: {len(round_.accepted)} usable updates of "
                    f"{len(self._ledger.members)}, quorum {quorum}{_reasons(round_)}"
                )
            count = f"{len(round_.accepted)} of quorum {quorum}"
            if round_.without_room:
                self.phase = f"waiting: disk full, {count}"
            else:
                self.phase = f"waiting: {count}" if everybody or left <= 0 else "training"
            try:
                wait = min(left, REMIND_SECONDS) if left > 0 else REMIND_SECONDS
                async with asyncio.timeout(wait):
                    await round_.changed.wait()
            except TimeoutError:
                silent = self._present - round_.answered - self._door.busy_with
                await self._announce(sorted(silent))

    async def _mix(self, round_: OpenRound, order: list[NodeId]) -> tuple[bytes, list[int]]:
        self.phase = "aggregating"
        node, config = self._node, self._ledger.config
        paths = [node.blobs.path(round_.accepted[member].update) for member in order]
        base = node.blobs.path(round_.base)
        rng = np.random.default_rng([config.seed, round_.number])
        model, _, suspected = await asyncio.to_thread(
            next_model, base, paths, config.rule, config.f, rng, node.max_model_bytes, node.blobs
        )
        return model, suspected

    async def _score(self, round_: OpenRound) -> None:
        """Have the members evaluate the new model; stragglers may, but are not waited for."""
        self.phase = "evaluating"
        round_.evaluating = True
        asked = round_.answered - round_.failed.keys()
        await self._announce(self._ledger.members)
        limit = min(EVALUATION_SECONDS, self._ledger.config.deadline_seconds)
        try:
            async with asyncio.timeout(limit):
                while True:
                    round_.changed.clear()
                    if asked & self._present - round_.failed.keys() <= round_.scores.keys():
                        return
                    await round_.changed.wait()
        except TimeoutError:
            missing = len(asked - round_.scores.keys())
            log.warning("round %d: %d evaluations missing", round_.number, missing)

    async def _finish(self, round_: OpenRound, record: RoundRecord) -> None:
        ledger, node = self._ledger, self._node
        statement = seal(node.identity, Kind.ROUND_RECORD, record)
        record_id = statement_id(statement)
        await node.database.close_round(ledger.run, record.round, statement, record_id)
        ledger.append(record, record_id)
        self.phase = "recorded"
        log.info(
            "round %d: accuracy %s, %d updates, %d stragglers",
            record.round,
            "unknown" if record.accuracy is None else f"{record.accuracy:.4f}",
            len(round_.accepted),
            len(record.stragglers),
        )
        await node.mesh.broadcast(self._others, RoundRecordMessage(statement=statement))
        await retire(node, ledger)


def _reasons(round_: OpenRound) -> str:
    said = sorted(set(round_.failed.values()))
    return f"; members say: {' | '.join(said[:3])}" if said else ""
