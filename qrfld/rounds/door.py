"""The door through which updates come in: fetched, checked, stored, and only then acknowledged.

A member has one update in a round. The first one stands, be it accepted or refused, and one is
looked at a time, so that nobody makes this node fetch more than one model's worth at once. What is
refused does not stay on disk.
"""

from __future__ import annotations

import asyncio
import logging

from qrfld.crypto.identity import NodeId
from qrfld.errors import QrfldError
from qrfld.net.limits import REFUSED_UPDATES, RateLimiter
from qrfld.protocol.errors import TensorError
from qrfld.protocol.messages import UpdateReceipt
from qrfld.protocol.statements import UpdateStatement
from qrfld.rounds.errors import UpdateRefusedError
from qrfld.rounds.fetching import fetch
from qrfld.rounds.mixing import check_update
from qrfld.rounds.node import Node
from qrfld.rounds.open_round import OpenRound
from qrfld.rounds.retention import discard
from qrfld.store.errors import BlobMismatchError, DiskFullError

log = logging.getLogger("qrfld.coordinator")

ROOM_RETRY_SECONDS = 5.0


class Door:
    """Admits the updates of one run."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._looking_at: dict[NodeId, bytes] = {}
        self._refusals = RateLimiter(REFUSED_UPDATES)

    @property
    def busy_with(self) -> set[NodeId]:
        """Whose updates are being looked at."""
        return set(self._looking_at)

    async def admit(
        self,
        current: OpenRound | None,
        member: NodeId,
        statement: UpdateStatement,
        signed: bytes,
    ) -> UpdateReceipt | None:
        """Let an update that ``member`` signed in or refuse it.

        Returns None, for no answer, while it is looked at, and to who is refused too often.
        """
        if self._looking_at.get(member) == statement.update:
            return None
        reason = ""
        try:
            round_ = self._check(current, member, statement)
            if member not in round_.accepted:
                await self._look(round_, member, statement, signed)
        except QrfldError as error:
            reason = error.message
            if not self._refusals.allow(member, asyncio.get_running_loop().time()):
                return None
            log.warning("update of %s refused: %s", self._node.mesh.label(member), error)
        return UpdateReceipt(
            run=statement.run,
            round=statement.round,
            update=statement.update,
            accepted=not reason,
            reason=reason[:255],
        )

    def _check(
        self, round_: OpenRound | None, member: NodeId, statement: UpdateStatement
    ) -> OpenRound:
        """Refuse what needs no look at the update itself. Raises UpdateRefusedError."""
        if (
            round_ is None
            or statement.round != round_.number
            or statement.base_model != round_.base
        ):
            raise UpdateRefusedError(f"round {statement.round} is not open")
        if (known := round_.accepted.get(member)) is not None:
            if known.update != statement.update:
                raise UpdateRefusedError("another update of this round was accepted before")
        elif member in round_.refused:
            raise UpdateRefusedError("an update of this round was refused before")
        elif member in self._looking_at:
            raise UpdateRefusedError("another update of this round is being looked at")
        elif not round_.accepting:
            raise UpdateRefusedError(f"round {statement.round} is closed to updates")
        return round_

    async def _look(
        self, round_: OpenRound, member: NodeId, statement: UpdateStatement, signed: bytes
    ) -> None:
        self._looking_at[member] = statement.update
        brought = not self._node.blobs.has(statement.update)
        try:
            await self._when_there_is_room(round_, member, statement, signed)
        except (UpdateRefusedError, TensorError, BlobMismatchError):
            if round_.accepting:
                round_.refused[member] = statement
            raise
        finally:
            del self._looking_at[member]
            round_.without_room.discard(member)
            round_.changed.set()
            # A peer may name any blob: only what came for this update goes with it.
            if brought and member not in round_.accepted:
                await self._discard(round_, statement.update)

    async def _discard(self, round_: OpenRound, update: bytes) -> None:
        others = {statement.update for statement in round_.accepted.values()}
        if update not in others and update not in self._looking_at.values():
            await discard(self._node, {update})

    async def _when_there_is_room(
        self, round_: OpenRound, member: NodeId, statement: UpdateStatement, signed: bytes
    ) -> None:
        while True:
            try:
                await self._let_in(round_, member, statement, signed)
                return
            except DiskFullError as error:
                if not round_.accepting:
                    raise
                log.error("the update of %s waits: %s", self._node.mesh.label(member), error)
                round_.without_room.add(member)
                round_.changed.set()
                await asyncio.sleep(ROOM_RETRY_SECONDS)

    async def _let_in(
        self, round_: OpenRound, member: NodeId, statement: UpdateStatement, signed: bytes
    ) -> None:
        node, size = self._node, statement.update_bytes
        self._still_open(round_)
        if size != round_.model_bytes:
            raise UpdateRefusedError(f"the update has {size} bytes, the model {round_.model_bytes}")
        path = await fetch(node, member, statement.update, size)
        base = node.blobs.path(round_.base)
        await asyncio.to_thread(check_update, path, base, node.max_model_bytes)
        self._still_open(round_)
        await node.database.save_update(
            statement.run, round_.number, member, signed, statement.update, node.clock()
        )
        # An update that is acknowledged is in the record; one that is too late is neither.
        self._still_open(round_)
        round_.accepted[member] = statement
        round_.failed.pop(member, None)

    @staticmethod
    def _still_open(round_: OpenRound) -> None:
        if not round_.accepting:
            raise UpdateRefusedError(f"round {round_.number} is over")
