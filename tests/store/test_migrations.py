"""The steps from nothing to today's tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from qrfld.store import migrations
from qrfld.store.migrations import APPLICATION_ID, MIGRATIONS, migrate


@pytest.fixture
def fresh() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}


def test_fresh_database_gets_every_step_and_our_mark(fresh: sqlite3.Connection) -> None:
    migrate(fresh)
    assert pragma(fresh, "user_version") == len(MIGRATIONS)
    assert pragma(fresh, "application_id") == APPLICATION_ID
    assert {"meta", "members", "tokens", "runs", "rounds", "updates"} <= tables(fresh)


def test_second_migration_changes_nothing(fresh: sqlite3.Connection) -> None:
    migrate(fresh)
    fresh.execute("INSERT INTO meta VALUES ('key', x'00')")
    before = list(fresh.iterdump())
    migrate(fresh)
    assert list(fresh.iterdump()) == before


def test_step_added_later_runs_alone_and_keeps_what_is_there(
    fresh: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(fresh)
    fresh.execute("INSERT INTO meta VALUES ('key', x'00')")
    monkeypatch.setattr(
        migrations, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x INTEGER) STRICT;")
    )
    migrate(fresh)
    assert "later" in tables(fresh)
    assert fresh.execute("SELECT count(*) FROM meta").fetchone() == (1,)
    assert pragma(fresh, "user_version") == len(MIGRATIONS) + 1


def test_step_that_fails_leaves_the_version_before_it(
    fresh: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(fresh)
    before = tables(fresh)
    broken = "CREATE TABLE half (x INTEGER) STRICT; CREATE TABLE meta (x INTEGER) STRICT;"
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(fresh)
    assert tables(fresh) == before
    assert pragma(fresh, "user_version") == len(MIGRATIONS)
