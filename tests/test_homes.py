"""A new home is written whole or not at all."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from daemon_process import state

from qrfld.config import ConfigValueError
from qrfld.crypto.errors import GenesisError, KeystoreError
from qrfld.crypto.identity import Identity
from qrfld.crypto.keystore import load
from qrfld.crypto.unlock import Passphrase, read_key_file
from qrfld.homes import AlreadyMemberError, new_home, own_identity, write_database
from qrfld.paths import DirectoryError, Paths
from qrfld.store.errors import AlreadyRunningError, StoreError

LISTEN = "127.0.0.1:7001"


class Interruption(BaseException):
    """Stands for whatever ends the work inside."""


def begin_then_fail(paths: Paths, listen: str | None, *, keep: bool = False) -> None:
    with new_home(paths, name="a", listen=listen, advertise=()) as home:
        own_identity(paths, 1, None)
        assert paths.keystore.exists()
        assert paths.config.exists()
        if keep:
            home.keep()
        raise Interruption


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "not" / "yet")


def test_work_inside_fails_leaves_no_file_and_no_directory(paths: Paths, tmp_path: Path) -> None:
    with pytest.raises(Interruption):
        begin_then_fail(paths, LISTEN)
    assert list(tmp_path.iterdir()) == []


def test_work_inside_fails_leaves_what_was_there(paths: Paths, tmp_path: Path) -> None:
    paths.create()
    paths.config.write_text("[listen]\nport = 1\n")
    (paths.state_directory / "notes").write_text("mine")
    before = state(tmp_path)
    with pytest.raises(Interruption):
        begin_then_fail(paths, None)
    assert state(tmp_path) == before


def test_work_inside_has_said_keep_leaves_everything(paths: Paths) -> None:
    with pytest.raises(Interruption):
        begin_then_fail(paths, LISTEN, keep=True)
    made = load(paths.keystore, read_key_file(paths.unlock))
    with new_home(paths, name="a", listen=LISTEN, advertise=()):
        assert own_identity(paths, 1, None).node_id == made.node_id


def test_second_call_at_the_same_time_is_refused_and_takes_nothing_away(paths: Paths) -> None:
    with new_home(paths, name="a", listen=LISTEN, advertise=()):
        own_identity(paths, 1, None)
        before = state(paths.state_directory)
        with (
            pytest.raises(AlreadyRunningError, match="another qrfl init or join works in"),
            new_home(paths, name="b", listen=None, advertise=()),
        ):
            raise AssertionError
        assert state(paths.state_directory) == before


def test_hold_on_the_directory_ends_with_the_work(paths: Paths) -> None:
    with new_home(paths, name="a", listen=LISTEN, advertise=()):
        pass
    descriptor = os.open(paths.state_directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_home_of_a_member_is_refused(paths: Paths) -> None:
    paths.create()
    paths.database.write_bytes(b"something")
    before = state(paths.state_directory)
    with (
        pytest.raises(AlreadyMemberError, match="belongs to a federation already"),
        new_home(paths, name="a", listen=None, advertise=()),
    ):
        raise AssertionError
    assert state(paths.state_directory) == before


@pytest.mark.parametrize(
    ("listen", "advertise"), [("nonsense", ()), ("a:0", ()), (None, ("x",)), (None, ("a:1",) * 9)]
)
def test_wrong_address_is_refused_before_anything_is_made(
    paths: Paths, tmp_path: Path, listen: str | None, advertise: tuple[str, ...]
) -> None:
    with (
        pytest.raises(ConfigValueError),
        new_home(paths, name="a", listen=listen, advertise=advertise),
    ):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_existing_configuration_is_kept_and_checked(paths: Paths) -> None:
    paths.create()
    paths.config.write_text("[listen]\nport = 99999\n")
    with (
        pytest.raises(ConfigValueError, match="port is 99999"),
        new_home(paths, name="a", listen=None, advertise=()),
    ):
        raise AssertionError
    paths.config.write_text("[listen]\nport = 9999\n")
    with (
        pytest.raises(ConfigValueError, match="--listen and --advertise would have no effect"),
        new_home(paths, name="a", listen=LISTEN, advertise=()),
    ):
        raise AssertionError
    with new_home(paths, name="a", listen=None, advertise=()):
        pass
    assert paths.config.read_text() == "[listen]\nport = 9999\n"


def test_directory_cannot_be_made_says_which(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises((DirectoryError, StoreError), match="Not a directory"),
        new_home(Paths(tmp_path / "file" / "home"), name="a", listen=None, advertise=()),
    ):
        raise AssertionError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_identity_of_an_earlier_attempt_has_another_suite_is_refused(paths: Paths) -> None:
    paths.create()
    own_identity(paths, 2, None)
    with pytest.raises(KeystoreError, match=r"is of suite 2, the federation uses suite 1"):
        own_identity(paths, 1, None)


def test_identity_of_an_earlier_attempt_opens_with_its_own_passphrase_only(paths: Paths) -> None:
    paths.create()
    own_identity(paths, 1, Passphrase("one"))
    with pytest.raises(KeystoreError, match="the passphrase is wrong"):
        own_identity(paths, 1, Passphrase("two"))


def test_key_file_without_a_keystore_is_used(paths: Paths) -> None:
    paths.create()
    own_identity(paths, 1, None)
    key = paths.unlock.read_bytes()
    paths.keystore.unlink()  # a crash between the two
    own_identity(paths, 1, None)
    assert paths.unlock.read_bytes() == key


async def test_database_cannot_be_filled_leaves_none(paths: Paths) -> None:
    paths.create()
    identity = Identity.generate(1)
    before = state(paths.state_directory)
    with pytest.raises(GenesisError):
        await write_database(paths.database, b"no genesis", [(bytes(identity.node_id), None)])
    assert state(paths.state_directory) == before


async def test_database_left_unfinished_by_a_crash_is_replaced(paths: Paths) -> None:
    paths.create()
    unfinished = paths.database.with_name("qrfld.db.new")
    unfinished.write_bytes(b"half a database")
    with pytest.raises(GenesisError):
        await write_database(paths.database, b"no genesis", [(b"", None)])
    assert not unfinished.exists()
