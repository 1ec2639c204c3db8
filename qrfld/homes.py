"""A new node's home: written whole, or left as it was.

`new_home` surrounds everything that founding or joining writes. It holds the directory against a
second ``qrfl init`` or ``qrfl join``, writes the configuration, and when the work in it fails,
removes again what was not there before, down to the directories. `write_database` builds the
database under another name and renames it at the end: a home has a whole database or none, also
after a power loss, and what makes a home a member's home is its database.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from qrfld.config import ConfigValueError, load, parse_address, render_default
from qrfld.crypto import addresses, certificates, genesis
from qrfld.crypto.errors import KeystoreError
from qrfld.crypto.identity import Identity
from qrfld.crypto.keystore import load as load_identity
from qrfld.crypto.keystore import save as save_identity
from qrfld.crypto.unlock import Unlock, create_key_file, read_key_file
from qrfld.errors import IdentityError
from qrfld.paths import Paths
from qrfld.store.blobs import disk_errors
from qrfld.store.database import Database
from qrfld.store.errors import AlreadyRunningError

#: A certificate, and the address record of its subject if there is one.
Signed = tuple[bytes, bytes | None]


class AlreadyMemberError(IdentityError):
    """This home belongs to a federation already."""


class NewHome:
    """What a call has made so far, to be removed again on an error."""

    def __init__(self, paths: Paths) -> None:
        places = (paths.blobs, paths.spool, paths.config_directory, paths.socket.parent)
        self._directories = {d for p in places for d in (p, *p.parents) if not d.exists()}
        self._files: list[Path] = []

    def may_write(self, *files: Path) -> None:
        """Those of ``files`` that are not there yet will be ours."""
        self._files = [file for file in files if not file.exists()]

    def keep(self) -> None:
        """From here on an error leaves everything: the same command will go on from it."""
        self._files.clear()
        self._directories.clear()

    @contextlib.contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Remove all that is ours if the work inside fails; no directory that others use by now."""
        try:
            yield
        except BaseException:
            for file in self._files:
                file.unlink(missing_ok=True)
            for directory in sorted(self._directories, key=lambda d: len(d.parts), reverse=True):
                with contextlib.suppress(OSError):
                    directory.rmdir()
            raise


@contextlib.contextmanager
def new_home(
    paths: Paths, *, name: str, listen: str | None, advertise: Sequence[str]
) -> Iterator[NewHome]:
    """Make a home and its configuration; undo both when the work inside fails.

    Raises AlreadyMemberError, AlreadyRunningError, ConfigError, DirectoryError, StoreError.
    """
    settings = _settings(name, listen, advertise)
    with disk_errors(paths.state_directory):
        home = NewHome(paths)
        with home.undone_on_error():
            paths.create()
        with _alone_in(paths.state_directory):
            if paths.database.exists():
                raise AlreadyMemberError(
                    f"{paths.state_directory} belongs to a federation already",
                    hint="use another --home for another node",
                )
            home.may_write(paths.config, paths.keystore, paths.unlock)
            with home.undone_on_error():
                _write_config(paths.config, settings, chosen=bool(listen or advertise))
                yield home


def own_identity(paths: Paths, suite_id: int, unlock: Unlock | None) -> Identity:
    """A new identity, or the one that an earlier attempt has left; without ``unlock`` a key file
    beside it opens it. Raises KeystoreError.
    """
    if not paths.keystore.exists():
        identity = Identity.generate(suite_id)
        given = unlock or (read_key_file if paths.unlock.exists() else create_key_file)(
            paths.unlock
        )
        save_identity(paths.keystore, identity, given)
        return identity
    identity = load_identity(paths.keystore, unlock or read_key_file(paths.unlock))
    if identity.suite_id != suite_id:
        raise KeystoreError(
            f"the key in {paths.keystore} is of suite {identity.suite_id}, "
            f"the federation uses suite {suite_id}",
            hint="move the key away, or use another --home",
        )
    return identity


async def write_database(path: Path, founding: bytes, members: Sequence[Signed]) -> None:
    """The database of a new member; the last of ``members`` is the node itself.

    Raises CertificateError, GenesisError, DatabaseError, DiskFullError; then there is none.
    """
    unfinished = path.with_name(f"{path.name}.new")
    _remove_database(unfinished)
    try:
        await _fill(unfinished, founding, members)
        with disk_errors(path):
            # SQLite keeps its log, and says nothing, if it cannot move it into the file.
            if unfinished.with_name(f"{unfinished.name}-wal").exists():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            unfinished.rename(path)
            _flush_directory(path.parent)
    finally:
        _remove_database(unfinished)


async def _fill(path: Path, founding: bytes, members: Sequence[Signed]) -> None:
    database = await Database.open(path, create=True)
    try:
        parsed, federation = genesis.parse(founding), genesis.federation_id(founding)
        for certificate, record in members:
            member = certificates.check(certificate, parsed, federation)
            await database.add_member(member.node_id, certificate, time.time())
            if record is not None:
                signed = addresses.check(record, member.identity, federation)
                await database.update_addresses(member.node_id, record, signed.sequence)
        await database.set_meta("genesis", founding)
        await database.set_meta("certificate", members[-1][0])
    finally:
        await database.aclose()


def _settings(name: str, listen: str | None, advertise: Sequence[str]) -> str:
    chosen: dict[str, dict[str, object]] = {"node": {"advertise": list(advertise)}}
    if listen is not None:
        host, port = parse_address(listen)
        chosen["listen"] = {"host": host, "port": port}
    return render_default(name, **chosen)


def _write_config(path: Path, settings: str, *, chosen: bool) -> None:
    """Write the configuration; one that is there already stays, and must be valid."""
    if not path.exists():
        path.write_text(settings, encoding="utf-8")
        return
    load(path)
    if chosen and path.read_text(encoding="utf-8") != settings:
        raise ConfigValueError(
            f"{path} exists, so --listen and --advertise would have no effect",
            hint="leave them out, and set listen.host, listen.port and node.advertise there",
        )


@contextlib.contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold ``directory`` by flock(2), which leaves no file behind. Raises AlreadyRunningError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(
                f"another qrfl init or join works in {directory}", hint="wait until it has ended"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _remove_database(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
