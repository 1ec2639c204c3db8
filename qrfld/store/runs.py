"""Runs, their rounds and updates in the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from qrfld.store.engine import Engine
from qrfld.store.errors import (
    RecordConflictError,
    RecordGapError,
    StoreError,
    UpdateConflictError,
)
from qrfld.store.rows import (
    OpenRound,
    OwnUpdateRow,
    RecordRow,
    Role,
    RunRow,
    RunState,
    UpdateRow,
)

_RUN = "SELECT run_id, config, role, state, reason, created_at FROM runs"
_RECORD = "SELECT run_id, round, record, record_id FROM rounds WHERE run_id = ?"
# Where open rounds name blobs.
_PENDING = (
    ("updates", "update_hash"),
    ("own_updates", "update_hash"),
    ("own_updates", "base_model"),
    ("open_rounds", "base_model"),
)


class Runs(Engine):
    """What has been decided, and what a restart needs to go on."""

    async def create_run(self, run_id: bytes, config: bytes, role: Role, now: float) -> bool:
        """Remember a run, in state "running". Returns False when it is known already."""

        def work(db: sqlite3.Connection) -> bool:
            cursor = db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, 'running', '', ?) ON CONFLICT DO NOTHING",
                (run_id, config, role, now),
            )
            return cursor.rowcount == 1

        return await self.transaction(work)

    async def runs(self) -> list[RunRow]:
        """Return all runs, newest first."""
        query = f"{_RUN} ORDER BY created_at DESC, rowid DESC"
        return await self.transaction(lambda db: [RunRow(*row) for row in db.execute(query)])

    async def run(self, run_id: bytes) -> RunRow | None:
        """Return one run, or None."""
        row = await self._first(f"{_RUN} WHERE run_id = ?", (run_id,))
        return RunRow(*row) if row else None

    async def set_run_state(self, run_id: bytes, state: RunState, reason: str = "") -> None:
        """Change a run's state. Raises ``StoreError`` for a run that is not known."""
        await self.transaction(lambda db: _set_state(db, run_id, state, reason))

    async def open_round(self, run_id: bytes, round: int, base_model: bytes) -> None:
        """Remember the round that begins, in place of the run's open one."""
        await self.transaction(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO open_rounds VALUES (?, ?, ?)", (run_id, round, base_model)
            )
        )

    async def current_round(self, run_id: bytes) -> OpenRound | None:
        """Return the run's open round, or None."""
        row = await self._first("SELECT * FROM open_rounds WHERE run_id = ?", (run_id,))
        return OpenRound(*row) if row else None

    async def close_round(self, run_id: bytes, round: int, record: bytes, record_id: bytes) -> bool:
        """Store a round's record and end the open round: both or nothing.

        Returns False when the very same record is stored already. Raises ``RecordConflictError``
        for another record of that round, and ``RecordGapError`` when the round before is missing
        from a run that has records.
        """

        def work(db: sqlite3.Connection) -> bool:
            new = _add_record(db, RecordRow(run_id, round, record, record_id))
            db.execute("DELETE FROM open_rounds WHERE run_id = ? AND round <= ?", (run_id, round))
            return new

        return await self.transaction(work)

    async def records(
        self, run_id: bytes, from_round: int = 0, limit: int | None = None
    ) -> list[RecordRow]:
        """Return the records from ``from_round`` on, in order, ``limit`` at most."""
        query = f"{_RECORD} AND round >= ? ORDER BY round LIMIT ?"
        values = (run_id, from_round, -1 if limit is None else limit)
        return await self.transaction(
            lambda db: [RecordRow(*row) for row in db.execute(query, values)]
        )

    async def record(self, run_id: bytes, round: int) -> RecordRow | None:
        """Return one round's record, or None."""
        row = await self._first(f"{_RECORD} AND round = ?", (run_id, round))
        return RecordRow(*row) if row else None

    async def last_record(self, run_id: bytes) -> RecordRow | None:
        """Return the newest record, or None before the first."""
        row = await self._first(f"{_RECORD} ORDER BY round DESC LIMIT 1", (run_id,))
        return RecordRow(*row) if row else None

    async def save_update(
        self,
        run_id: bytes,
        round: int,
        node_id: bytes,
        statement: bytes,
        update_hash: bytes,
        now: float,
    ) -> bool:
        """Remember a member's signed update. Returns False when it is stored already.

        Raises ``UpdateConflictError`` for another statement of that node for the same round: the
        first one stands.
        """
        row = (run_id, round, node_id, statement, update_hash, now)

        def work(db: sqlite3.Connection) -> bool:
            key = "run_id = ? AND round = ? AND node_id = ?"
            query = f"SELECT statement FROM updates WHERE {key}"  # noqa: S608 - constants only
            stored = db.execute(query, row[:3]).fetchone()
            if stored and stored[0] != statement:
                raise UpdateConflictError(
                    f"node {node_id.hex()[:16]} sent two different updates for round {round}"
                )
            if not stored:
                db.execute("INSERT INTO updates VALUES (?, ?, ?, ?, ?, ?)", row)
            return not stored

        return await self.transaction(work)

    async def updates(self, run_id: bytes, round: int) -> list[UpdateRow]:
        """Return the updates received for a round, by node ID."""
        query = "SELECT * FROM updates WHERE run_id = ? AND round = ? ORDER BY node_id"
        values = (run_id, round)
        return await self.transaction(
            lambda db: [UpdateRow(*row) for row in db.execute(query, values)]
        )

    async def save_own_update(
        self,
        run_id: bytes,
        round: int,
        base_model: bytes,
        statement: bytes,
        update_hash: bytes,
    ) -> None:
        """Remember what this node trained from ``base_model``, in place of an earlier one."""
        row = (run_id, round, base_model, statement, update_hash)
        await self.transaction(
            lambda db: db.execute("INSERT OR REPLACE INTO own_updates VALUES (?, ?, ?, ?, ?)", row)
        )

    async def own_update(self, run_id: bytes, round: int, base_model: bytes) -> OwnUpdateRow | None:
        """Return what this node trained from ``base_model`` for the round, or None."""
        row = await self._first(
            "SELECT * FROM own_updates WHERE run_id = ? AND round = ? AND base_model = ?",
            (run_id, round, base_model),
        )
        return OwnUpdateRow(*row) if row else None

    async def forget_updates(self, run_id: bytes, up_to: int) -> set[bytes]:
        """Drop what rounds up to ``up_to`` kept for a restart: updates, ours too, and open rounds.

        Returns the hashes of the blobs that these needed.
        """

        def work(db: sqlite3.Connection) -> set[bytes]:
            where = "WHERE run_id = ? AND round <= ?"
            hashes = set()
            for table, column in _PENDING:
                query = f"SELECT {column} FROM {table} {where}"  # noqa: S608 - constants only
                hashes |= {row[0] for row in db.execute(query, (run_id, up_to))}
            for table in dict(_PENDING):
                db.execute(f"DELETE FROM {table} {where}", (run_id, up_to))  # noqa: S608 - constants only
            return hashes

        return await self.transaction(work)

    async def pending_blobs(self) -> set[bytes]:
        """Return the hashes of all blobs that a restart needs to go on with open rounds."""
        query = " UNION ".join(f"SELECT {column} FROM {table}" for table, column in _PENDING)  # noqa: S608 - constants only
        return await self.transaction(lambda db: {row[0] for row in db.execute(query)})

    async def newest_records(self, count: int) -> list[RecordRow]:
        """Return the last ``count`` records of every run."""
        query = (
            "SELECT run_id, round, record, record_id FROM rounds JOIN "
            "(SELECT run_id AS run, max(round) AS last FROM rounds GROUP BY run_id) "
            "ON run_id = run WHERE round > last - ?"
        )
        return await self.transaction(
            lambda db: [RecordRow(*row) for row in db.execute(query, (count,))]
        )

    async def _first(self, query: str, values: Sequence[Any]) -> Any:
        return await self.transaction(lambda db: db.execute(query, values).fetchone())


def _set_state(db: sqlite3.Connection, run_id: bytes, state: RunState, reason: str) -> None:
    cursor = db.execute(
        "UPDATE runs SET state = ?, reason = ? WHERE run_id = ?", (state, reason, run_id)
    )
    if cursor.rowcount != 1:
        raise StoreError(f"there is no run {run_id.hex()}")


def _add_record(db: sqlite3.Connection, new: RecordRow) -> bool:
    query = f"{_RECORD} AND round = ?"
    stored = db.execute(query, (new.run_id, new.round)).fetchone()
    if stored is not None:
        if RecordRow(*stored) == new:
            return False
        raise RecordConflictError(
            f"round {new.round} of run {new.run_id.hex()} already has another record"
        )
    query = "SELECT max(round) FROM rounds WHERE run_id = ?"
    (last,) = db.execute(query, (new.run_id,)).fetchone()
    if last is not None and new.round != last + 1:
        raise RecordGapError(
            f"the record of round {new.round} does not follow round {last}, our last"
        )
    db.execute(
        "INSERT INTO rounds VALUES (?, ?, ?, ?)",
        (new.run_id, new.round, new.record, new.record_id),
    )
    return True
