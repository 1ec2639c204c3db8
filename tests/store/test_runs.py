from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from qrfld.store.database import Database
from qrfld.store.errors import (
    DatabaseError,
    RecordConflictError,
    RecordGapError,
    StoreError,
    UpdateConflictError,
)

RUN, OTHER_RUN = b"r" * 16, b"q" * 16
MODEL, UPDATE = b"m" * 32, b"u" * 32
NODE, OTHER = b"n" * 32, b"o" * 32


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "qrfld.db", create=True)
    await database.create_run(RUN, b"config", "coordinator", 1.0)
    yield database
    database.close()


async def close(database: Database, number: int, record: bytes = b"record") -> bool:
    return await database.close_round(RUN, number, record, bytes([number]) * 32)


async def test_run_created_twice_is_one(database: Database) -> None:
    assert not await database.create_run(RUN, b"other", "trainer", 2.0)
    run = await database.run(RUN)
    assert run is not None
    assert (run.config, run.role, run.state, run.reason) == (
        b"config",
        "coordinator",
        "running",
        "",
    )


async def test_runs_come_newest_first(database: Database) -> None:
    await database.create_run(OTHER_RUN, b"config", "trainer", 2.0)
    assert [run.run_id for run in await database.runs()] == [OTHER_RUN, RUN]
    assert await database.run(b"?" * 16) is None


async def test_run_state_changes_with_its_reason(database: Database) -> None:
    await database.set_run_state(RUN, "failed", "no quorum")
    run = await database.run(RUN)
    assert run is not None
    assert (run.state, run.reason) == ("failed", "no quorum")


async def test_run_state_of_an_unknown_run_is_refused(database: Database) -> None:
    with pytest.raises(StoreError, match="there is no run 3f3f"):
        await database.set_run_state(b"?" * 16, "failed")


async def test_run_state_unknown_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseError):
        await database.set_run_state(RUN, "dancing")  # type: ignore[arg-type]
    run = await database.run(RUN)
    assert run is not None
    assert run.state == "running"


async def test_round_opened_again_replaces_its_base_model(database: Database) -> None:
    assert await database.current_round(RUN) is None
    await database.open_round(RUN, 1, b"o" * 32)
    await database.open_round(RUN, 1, MODEL)
    current = await database.current_round(RUN)
    assert current is not None
    assert (current.round, current.base_model) == (1, MODEL)


async def test_round_closed_stores_its_record_and_is_open_no_more(database: Database) -> None:
    await database.open_round(RUN, 1, MODEL)
    assert await database.close_round(RUN, 1, b"record", b"i" * 32)
    assert await database.current_round(RUN) is None
    last = await database.last_record(RUN)
    assert last is not None
    assert (last.round, last.record, last.record_id) == (1, b"record", b"i" * 32)


async def test_round_whose_record_is_refused_stays_open(database: Database) -> None:
    await database.open_round(RUN, 1, MODEL)
    await database.close_round(RUN, 1, b"record", b"i" * 32)
    await database.open_round(RUN, 3, MODEL)
    with pytest.raises(RecordGapError):
        await database.close_round(RUN, 3, b"record", b"j" * 32)
    assert await database.current_round(RUN) is not None


async def test_round_closed_later_than_the_open_one_leaves_it(database: Database) -> None:
    await database.open_round(RUN, 2, MODEL)
    await close(database, 1)
    assert await database.current_round(RUN) is not None


async def test_round_of_an_unknown_run_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseError):
        await database.close_round(b"?" * 16, 1, b"record", b"i" * 32)
    with pytest.raises(DatabaseError):
        await database.open_round(b"?" * 16, 1, MODEL)


async def test_record_stored_again_changes_nothing(database: Database) -> None:
    assert await close(database, 1)
    assert not await close(database, 1)
    assert len(await database.records(RUN)) == 1


async def test_record_differing_from_the_stored_one_is_refused(database: Database) -> None:
    await close(database, 1)
    with pytest.raises(RecordConflictError, match="round 1"):
        await close(database, 1, b"forged")
    record = await database.record(RUN, 1)
    assert record is not None
    assert record.record == b"record"


@pytest.mark.parametrize("number", [3, 0])
async def test_record_without_its_predecessor_is_refused(database: Database, number: int) -> None:
    await close(database, 1)
    with pytest.raises(RecordGapError, match=f"round {number} does not follow round 1"):
        await close(database, number)
    assert len(await database.records(RUN)) == 1


async def test_records_come_in_order_from_a_round_on(database: Database) -> None:
    for number in range(1, 6):
        await close(database, number)
    assert [row.round for row in await database.records(RUN)] == [1, 2, 3, 4, 5]
    assert [row.round for row in await database.records(RUN, 3)] == [3, 4, 5]
    assert [row.round for row in await database.records(RUN, 2, 2)] == [2, 3]
    assert await database.records(OTHER_RUN) == []
    assert await database.record(RUN, 9) is None


async def test_update_saved_twice_is_one(database: Database) -> None:
    assert await database.save_update(RUN, 1, NODE, b"statement", UPDATE, 2.0)
    assert not await database.save_update(RUN, 1, NODE, b"statement", UPDATE, 3.0)
    (row,) = await database.updates(RUN, 1)
    assert (row.node_id, row.statement, row.update_hash) == (NODE, b"statement", UPDATE)
    assert row.received_at == 2.0


async def test_update_differing_from_the_first_is_refused(database: Database) -> None:
    await database.save_update(RUN, 1, NODE, b"statement", UPDATE, 2.0)
    with pytest.raises(UpdateConflictError, match="two different updates for round 1"):
        await database.save_update(RUN, 1, NODE, b"second", b"v" * 32, 3.0)
    (row,) = await database.updates(RUN, 1)
    assert row.statement == b"statement"


async def test_updates_come_by_node_and_only_of_the_round(database: Database) -> None:
    await database.save_update(RUN, 1, OTHER, b"2", UPDATE, 2.0)
    await database.save_update(RUN, 1, NODE, b"1", UPDATE, 3.0)
    await database.save_update(RUN, 2, NODE, b"4", UPDATE, 3.0)
    assert [row.statement for row in await database.updates(RUN, 1)] == [b"1", b"2"]


async def test_own_update_is_found_by_its_base_model(database: Database) -> None:
    await database.save_own_update(RUN, 1, MODEL, b"first", UPDATE)
    await database.save_own_update(RUN, 1, MODEL, b"second", UPDATE)
    own = await database.own_update(RUN, 1, MODEL)
    assert own is not None
    assert (own.statement, own.update_hash) == (b"second", UPDATE)
    assert await database.own_update(RUN, 1, b"?" * 32) is None


async def test_updates_forgotten_up_to_a_round_name_their_blobs(database: Database) -> None:
    for number in (1, 2, 3):
        received, own, base = (bytes([kind, number]) * 16 for kind in (1, 2, 3))
        await database.save_update(RUN, number, NODE, b"s", received, 2.0)
        await database.save_own_update(RUN, number, base, b"s", own)
    await database.open_round(RUN, 3, MODEL)
    forgotten = await database.forget_updates(RUN, 2)
    assert sorted(forgotten) == [bytes([k, n]) * 16 for k in (1, 2, 3) for n in (1, 2)]
    assert await database.updates(RUN, 2) == []
    assert len(await database.updates(RUN, 3)) == 1
    assert await database.own_update(RUN, 2, bytes([3, 2]) * 16) is None
    assert await database.own_update(RUN, 3, bytes([3, 3]) * 16) is not None
    assert await database.current_round(RUN) is not None
    assert MODEL in await database.forget_updates(RUN, 3)
    assert await database.current_round(RUN) is None


async def test_pending_blobs_are_those_of_every_open_round(database: Database) -> None:
    await database.create_run(OTHER_RUN, b"config", "trainer", 2.0)
    assert await database.pending_blobs() == set()
    await database.save_update(RUN, 1, NODE, b"s", b"r" * 32, 2.0)
    await database.save_own_update(OTHER_RUN, 1, b"b" * 32, b"s", b"o" * 32)
    await database.open_round(RUN, 1, MODEL)
    assert await database.pending_blobs() == {b"r" * 32, b"b" * 32, b"o" * 32, MODEL}


async def test_newest_records_are_the_last_of_each_run(database: Database) -> None:
    for number in range(1, 5):
        await close(database, number)
    await database.create_run(OTHER_RUN, b"config", "trainer", 2.0)
    await database.close_round(OTHER_RUN, 1, b"other", b"j" * 32)
    rows = await database.newest_records(2)
    assert {(row.run_id, row.round) for row in rows} == {(RUN, 3), (RUN, 4), (OTHER_RUN, 1)}
