from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qrfld.store import engine, migrations
from qrfld.store.database import Database
from qrfld.store.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseLockedError,
    DatabaseMissingError,
    DatabaseNewerError,
    DiskFullError,
    StoreClosedError,
)


async def filled(path: Path) -> Path:
    """A closed database with enough in it to damage."""
    database = await Database.open(path, create=True)
    for number in range(50):
        await database.add_member(bytes([number]) * 32, bytes([number]) * 2000, float(number))
    database.close()
    return path


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


async def refused(path: Path, kind: type[DatabaseError], match: str = ".") -> None:
    """Opening must fail, in both ways, and leave the file as it was."""
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(kind, match=match) as caught:
            await Database.open(path, create=create, busy_seconds=0.05)
        assert "\n" not in caught.value.message
        assert path.read_bytes() == before


async def test_database_opened_again_holds_what_was_written(tmp_path: Path) -> None:
    path = await filled(tmp_path / "qrfld.db")
    database = await Database.open(path)
    assert len(await database.members()) == 50
    database.close()


async def test_database_missing_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissingError, match="does not exist") as caught:
        await Database.open(tmp_path / "qrfld.db")
    assert "qrfl init" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


async def test_database_truncated_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "qrfld.db").touch()
    with pytest.raises(DatabaseMissingError, match="is empty"):
        await Database.open(tmp_path / "qrfld.db")
    assert (tmp_path / "qrfld.db").stat().st_size == 0


async def test_database_is_private(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "qrfld.db", create=True)
    await database.set_meta("a", b"b")
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    database.close()


async def test_database_with_odd_characters_in_its_path_opens(tmp_path: Path) -> None:
    directory = tmp_path / "a?mode=ro#b%20c"
    directory.mkdir()
    path = await filled(directory / "qrfld.db")
    assert path.exists()
    (await Database.open(path)).close()


async def test_database_syncs_every_transaction(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "qrfld.db", create=True)
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    found = [
        (await database.transaction(lambda db, p=p: db.execute(f"PRAGMA {p}").fetchone()))[0]  # type: ignore[misc]
        for p in pragmas
    ]
    assert found == ["wal", 2, 1]
    database.close()


# Files that are not fit for use


async def test_database_of_random_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "qrfld.db"
    path.write_bytes(os.urandom(8192))
    await refused(path, DatabaseCorruptError)


async def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "qrfld.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE cookies (a)")
        other.commit()
    await refused(path, DatabaseCorruptError, "another program")


async def test_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = await filled(tmp_path / "qrfld.db")
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
        newer.commit()
    await refused(path, DatabaseNewerError, "version 99, this qrfld knows")


@pytest.mark.parametrize("left", [1, 99, 100, 4096, 5000, 20_000])
async def test_database_truncated_is_refused(tmp_path: Path, left: int) -> None:
    path = await filled(tmp_path / "qrfld.db")
    os.truncate(path, left)
    await refused(path, DatabaseCorruptError)


async def test_database_with_a_page_overwritten_is_refused(tmp_path: Path) -> None:
    path = await filled(tmp_path / "qrfld.db")
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    await refused(path, DatabaseCorruptError)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a sound database."""
    path = tmp_path_factory.mktemp("sound") / "qrfld.db"
    asyncio.run(filled(path))
    return path.read_bytes()


@given(where=st.integers(0, 1 << 30), byte=st.integers(0, 255))
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_database_with_any_byte_changed_opens_or_is_refused_untouched(
    tmp_path: Path, sound: bytes, where: int, byte: int
) -> None:
    async def attempt() -> None:
        path = tmp_path / "qrfld.db"
        for leftover in tmp_path.iterdir():
            leftover.unlink()
        data = bytearray(sound)
        # Half of the changes hit the first page, where header and schema are.
        data[where % 4096 if where % 2 else where % len(data)] = byte
        path.write_bytes(data)
        try:
            database = await Database.open(path)
        except DatabaseError:
            assert path.read_bytes() == data
            return
        with contextlib.suppress(DatabaseError):
            await database.members()
        database.close()

    asyncio.run(attempt())


async def test_database_locked_by_another_program_is_refused(tmp_path: Path) -> None:
    path = await filled(tmp_path / "qrfld.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO meta VALUES ('a', x'00')")
        await refused(path, DatabaseLockedError, "held by another program")


async def test_database_locked_while_open_refuses_the_write_only(tmp_path: Path) -> None:
    path = await filled(tmp_path / "qrfld.db")
    database = await Database.open(path, busy_seconds=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseLockedError):
            await database.set_meta("a", b"b")
        other.execute("ROLLBACK")
    await database.set_meta("a", b"b")
    database.close()


async def test_database_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "qrfld.db").mkdir()
    with pytest.raises(DatabaseError):
        await Database.open(tmp_path / "qrfld.db", create=True)


async def test_database_in_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="No such file"):
        await Database.open(tmp_path / "no" / "qrfld.db", create=True)


# Migrations


async def test_migration_that_fails_leaves_the_version_and_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await filled(tmp_path / "qrfld.db")
    steps = (*migrations.MIGRATIONS, "CREATE TABLE extra (a) STRICT; SELECT nonsense;")
    for module in (migrations, engine):
        monkeypatch.setattr(module, "MIGRATIONS", steps)
    with pytest.raises(DatabaseError):
        await Database.open(path)
    monkeypatch.undo()
    database = await Database.open(path)
    assert len(await database.members()) == 50
    database.close()


async def test_migration_runs_only_the_missing_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await filled(tmp_path / "qrfld.db")
    steps = (*migrations.MIGRATIONS, "CREATE TABLE extra (a INTEGER) STRICT;")
    for module in (migrations, engine):
        monkeypatch.setattr(module, "MIGRATIONS", steps)
    for _ in range(2):
        database = await Database.open(path)
        assert len(await database.members()) == 50
        await database.transaction(lambda db: db.execute("INSERT INTO extra VALUES (1)"))
        database.close()


async def test_creation_that_fails_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "MIGRATIONS", ("SELECT nonsense;",))
    with pytest.raises(DatabaseError):
        await Database.open(tmp_path / "qrfld.db", create=True)
    assert list(tmp_path.iterdir()) == []


# Transactions and the end


async def test_transaction_that_raises_changes_nothing(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "qrfld.db", create=True)

    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO meta VALUES ('a', x'00')")
        raise KeyError("stop")

    with pytest.raises(KeyError):
        await database.transaction(work)
    assert await database.get_meta("a") is None
    database.close()


async def test_transaction_whose_caller_is_cancelled_happens_whole(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "qrfld.db", create=True)
    begun, go_on = threading.Event(), threading.Event()

    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO meta VALUES ('a', x'00')")
        begun.set()
        go_on.wait()
        db.execute("INSERT INTO meta VALUES ('b', x'00')")

    task = asyncio.create_task(database.transaction(work))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await database.get_meta("a") == await database.get_meta("b") == b"\x00"
    database.close()


async def test_close_finishes_what_was_asked_for_before(tmp_path: Path) -> None:
    path = tmp_path / "qrfld.db"
    database = await Database.open(path, create=True)
    writes = [asyncio.create_task(database.set_meta(str(n), b"x")) for n in range(20)]
    await asyncio.sleep(0)
    database.close()
    await asyncio.gather(*writes)
    again = await Database.open(path)
    assert await again.get_meta("19") == b"x"
    await again.aclose()
    assert [file.name for file in tmp_path.iterdir()] == ["qrfld.db"]


async def test_closed_database_refuses_work_and_closes_again(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "qrfld.db", create=True)
    database.close()
    database.close()
    await database.aclose()
    with pytest.raises(StoreClosedError):
        await database.members()


CHILD = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from qrfld.store.database import Database
from qrfld.store.errors import DiskFullError, StoreError
path = Path(sys.argv[2])
"""


def child(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD + script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_killed_process_has_lost_nothing_it_was_told_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "qrfld.db"
    script = """
async def main():
    database = await Database.open(path, create=True)
    for number in range(30):
        await database.set_meta(str(number), b"x" * 3000)
        print(number, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    done = child(script, "-", path)
    assert done.returncode == -9
    assert len(done.stdout.split()) == 30
    database = await Database.open(path)
    assert [await database.get_meta(str(number)) for number in range(30)] == [b"x" * 3000] * 30
    database.close()


async def test_sigterm_handled_by_closing_keeps_the_work_under_way(tmp_path: Path) -> None:
    path = tmp_path / "qrfld.db"
    script = """
async def main():
    database = await Database.open(path, create=True)
    loop = asyncio.get_running_loop()
    def stop():
        database.close()
        sys.stdout.flush()
        os._exit(0)
    loop.add_signal_handler(signal.SIGTERM, stop)
    for number in range(10):
        asyncio.ensure_future(database.set_meta(str(number), b"x"))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(30)
asyncio.run(main())
"""
    done = child(script, "-", path)
    assert done.returncode == 0, done.stderr
    database = await Database.open(path)
    assert await database.get_meta("9") == b"x"
    database.close()


FULL = """
async def main():
    limit = int(sys.argv[1])
    database = await Database.open(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    stored = 0
    try:
        while stored < 1000:
            await database.set_meta(str(stored), b"x" * 20_000)
            stored += 1
    except StoreError as error:
        print(type(error).__name__, stored)
    assert await database.get_meta("genesis") == b"kept"
    database.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("limit", [200_000, 500_000])
async def test_file_that_cannot_grow_is_a_named_error_and_loses_nothing(
    tmp_path: Path, limit: int
) -> None:
    path = tmp_path / "qrfld.db"
    database = await Database.open(path, create=True)
    await database.set_meta("genesis", b"kept")
    database.close()
    done = child(FULL, limit, path)
    assert done.returncode == 0, done.stderr
    name, stored = done.stdout.split()
    assert name in ("DiskFullError", "DatabaseError")
    assert int(stored) > 0
    database = await Database.open(path)
    assert await database.get_meta("genesis") == b"kept"
    for number in range(int(stored)):
        assert await database.get_meta(str(number)) == b"x" * 20_000
    assert await database.get_meta(stored) is None
    database.close()


async def test_disk_full_is_named_and_passes_when_room_is_made(small_disk: Path) -> None:
    path = small_disk / "qrfld.db"
    database = await Database.open(path, create=True)
    await database.set_meta("genesis", b"kept")
    filler = fill(small_disk)
    with pytest.raises(DiskFullError):
        await database.set_meta("big", b"x" * 500_000)
    assert await database.get_meta("genesis") == b"kept"
    assert await database.get_meta("big") is None
    filler.unlink()
    await database.set_meta("big", b"x" * 500_000)
    database.close()


async def test_disk_full_while_creating_leaves_no_file(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(DiskFullError):
        await Database.open(small_disk / "qrfld.db", create=True)
    assert [entry.name for entry in small_disk.iterdir()] == ["filler"]
