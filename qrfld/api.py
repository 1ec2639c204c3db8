"""What a program (or the command line) does to a node from outside its daemon.

Founding or joining a federation writes a node's home: all of it, or nothing. Starting and stopping
a daemon are here as well; everything else is asked of the running daemon through `qrfld.client`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qrfld.client import ControlClient
from qrfld.config import parse_address, render_default
from qrfld.crypto import addresses, certificates, genesis
from qrfld.crypto.identity import Identity
from qrfld.crypto.keystore import load as load_identity
from qrfld.crypto.keystore import save as save_identity
from qrfld.crypto.suites import SUITES, suite
from qrfld.crypto.tokens import Token
from qrfld.crypto.unlock import Unlock, create_key_file, read_key_file
from qrfld.errors import DaemonNotRunningError, IdentityError, QrfldError
from qrfld.net.admission import Admitted, redeem
from qrfld.net.errors import AdmissionError, PeerUnreachableError
from qrfld.paths import Paths
from qrfld.store.database import Database

POLL_SECONDS = 0.05
LOG_TAIL = 4096

#: A certificate, and the address record of its subject if there is one.
Signed = tuple[bytes, bytes | None]


class AlreadyMemberError(IdentityError):
    """This home belongs to a federation already."""


class DaemonStartError(QrfldError):
    """The daemon ended before it was up; the message is its own last word."""

    def __init__(self, message: str, *, exit_code: int = 1, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code  # type: ignore[misc]  # the daemon's own, not the class's


@dataclass(frozen=True)
class NodeInfo:
    """Which node a home holds, and of which federation."""

    node_id: str
    short: str
    name: str
    federation_id: str
    federation: str
    suite: str
    home: str


def init_federation(
    paths: Paths,
    *,
    name: str,
    federation: str,
    suite_id: int = 1,
    unlock: Unlock | None = None,
    listen: str | None = None,
    advertise: Sequence[str] = (),
) -> NodeInfo:
    """Found a federation with this node as its first member and validator.

    Without ``unlock`` a key file is made beside the keystore, for unattended starts. Raises
    AlreadyMemberError, GenesisError, CertificateError, KeystoreError, ConfigError.
    """
    suite(suite_id)
    with _fresh_home(paths, name, listen, advertise):
        identity = Identity.generate(suite_id)
        now = int(time.time())
        founding = genesis.create(identity, federation, now=now, suites=(suite_id,))
        federation_id = genesis.federation_id(founding)
        certificate = certificates.issue(identity, federation_id, identity, name, now=now)
        save_identity(paths.keystore, identity, unlock or create_key_file(paths.unlock))
        asyncio.run(_write(paths, founding, [(certificate, None)]))
    return node_info(paths)


def join_federation(
    paths: Paths,
    token: str,
    *,
    name: str,
    unlock: Unlock | None = None,
    listen: str | None = None,
    advertise: Sequence[str] = (),
) -> NodeInfo:
    """Enter a federation by redeeming a token at the node that issued it.

    Raises TokenError (not a token, or expired), PeerUnreachableError, AdmissionError with the
    issuer's reason, AlreadyMemberError. If the connection breaks before the answer has come, the
    identity stays, and the same command may be repeated with the same token.
    """
    parsed = Token.parse(token)
    if parsed.expired(time.time()):
        raise AdmissionError("the token has expired", hint="ask for a new one: qrfl token create")
    keep_after = (AdmissionError, PeerUnreachableError)
    with _fresh_home(paths, name, listen, advertise, undo_only_after=keep_after):
        identity = _own_identity(paths, parsed.suite_id, unlock)
        admitted = asyncio.run(redeem(parsed, identity, name))
        asyncio.run(_write_admitted(paths, admitted))
    return node_info(paths)


def node_info(paths: Paths) -> NodeInfo:
    """The node in a home; raises IdentityError when there is none."""
    if not paths.database.exists():
        raise _nobody(paths)
    return asyncio.run(_read_info(paths))


def start_daemon(
    paths: Paths,
    *,
    passphrase: str | None = None,
    timeout: float = 20.0,
    environ: Mapping[str, str] | None = None,
) -> int:
    """Start the daemon in the background; returns its pid once it answers.

    Raises DaemonStartError with the daemon's own error and exit code, or after ``timeout`` s.
    """
    command = [sys.executable, "-m", "qrfld.daemon"]
    if paths.home is not None:
        command += ["--home", str(paths.home)]
    paths.create()
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(paths.log.open("ab"))
        passed: tuple[int, ...] = ()
        if passphrase is not None:
            descriptor = _pipe_with(passphrase, stack)
            command += ["--passphrase-fd", str(descriptor)]
            passed = (descriptor,)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=passed,
            env={**os.environ, **(environ or {})},
        )
    return _await_answer(paths, process, timeout)


def stop_daemon(paths: Paths, *, timeout: float = 20.0) -> bool:
    """Stop the running daemon and wait until its process is gone; False if none was running.

    Raises QrfldError when it is still there after ``timeout`` s.
    """
    client = ControlClient(paths.socket)
    try:
        pid = int(client.call("status")["pid"])
        client.call("shutdown")
    except DaemonNotRunningError:
        return False
    deadline = time.monotonic() + timeout
    while _alive(pid):
        if time.monotonic() > deadline:
            raise QrfldError(f"the daemon (pid {pid}) has not stopped after {timeout:.0f} s")
        time.sleep(POLL_SECONDS)
    return True


@contextlib.contextmanager
def _fresh_home(
    paths: Paths,
    name: str,
    listen: str | None,
    advertise: Sequence[str],
    *,
    undo_only_after: tuple[type[BaseException], ...] = (BaseException,),
) -> Iterator[None]:
    """A home that is written whole: on an error, what this call made is removed again."""
    if paths.database.exists():
        raise AlreadyMemberError(
            f"{paths.state_directory} belongs to a federation already",
            hint="use another --home for another node",
        )
    paths.create()
    made = [p for p in (paths.config, paths.keystore, paths.unlock) if not p.exists()]
    try:
        if paths.config in made:
            _write_config(paths.config, name, listen, advertise)
        yield
    except BaseException as error:
        _remove_database(paths.database)
        if isinstance(error, undo_only_after):
            for path in made:
                path.unlink(missing_ok=True)
        raise


def _write_config(path: Path, name: str, listen: str | None, advertise: Sequence[str]) -> None:
    chosen: dict[str, dict[str, object]] = {"node": {"advertise": list(advertise)}}
    if listen is not None:
        host, port = parse_address(listen)
        chosen["listen"] = {"host": host, "port": port}
    for address in advertise:
        parse_address(address)
    path.write_text(render_default(name, **chosen), encoding="utf-8")


def _remove_database(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _own_identity(paths: Paths, suite_id: int, unlock: Unlock | None) -> Identity:
    """A new identity, or the one of an earlier attempt to join."""
    if paths.keystore.exists():
        return load_identity(paths.keystore, unlock or read_key_file(paths.unlock))
    identity = Identity.generate(suite_id)
    save_identity(paths.keystore, identity, unlock or create_key_file(paths.unlock))
    return identity


async def _write_admitted(paths: Paths, admitted: Admitted) -> None:
    issuer = (admitted.issuer_certificate, admitted.issuer_addresses)
    await _write(paths, admitted.genesis, [issuer, (admitted.certificate, None)])


async def _write(paths: Paths, founding: bytes, members: Sequence[Signed]) -> None:
    """The database of a new member; the last of ``members`` is the node itself."""
    database = await Database.open(paths.database, create=True)
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


async def _read_info(paths: Paths) -> NodeInfo:
    database = await Database.open(paths.database)
    try:
        founding, certificate = (
            await database.get_meta("genesis"),
            await database.get_meta("certificate"),
        )
    finally:
        await database.aclose()
    if founding is None or certificate is None:
        raise _nobody(paths)
    parsed, federation = genesis.parse(founding), genesis.federation_id(founding)
    member = certificates.check(certificate, parsed, federation)
    return NodeInfo(
        node_id=str(member.node_id),
        short=member.node_id.short,
        name=member.name,
        federation_id=federation.hex(),
        federation=parsed.name,
        suite=SUITES[parsed.suites[0]].name,
        home=str(paths.state_directory),
    )


def _nobody(paths: Paths) -> IdentityError:
    return IdentityError(
        f"there is no node in {paths.state_directory}",
        hint="qrfl init founds a federation, qrfl join enters one",
    )


def _pipe_with(text: str, stack: contextlib.ExitStack) -> int:
    """A pipe's reading end with ``text`` in it, closed here when the child has its copy."""
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(text.encode("utf-8", "surrogateescape"))
    return reading


def _await_answer(paths: Paths, process: subprocess.Popen[bytes], timeout: float) -> int:
    client, deadline = ControlClient(paths.socket), time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(DaemonNotRunningError):
            if int(client.call("status")["pid"]) == process.pid:
                return process.pid
        time.sleep(POLL_SECONDS)
    if process.poll() is None:
        process.terminate()
        process.wait()
        raise DaemonStartError(f"the daemon was not up after {timeout:.0f} s: see {paths.log}")
    raise DaemonStartError(
        _last_line(paths.log), exit_code=process.returncode or 1, hint=f"log: {paths.log}"
    )


def _last_line(log: Path) -> str:
    """The daemon's last word, without its ``qrfld: name:`` prefix."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return lines[-1].removeprefix("qrfld: ") if lines else "the daemon ended without a word"


def _alive(pid: int) -> bool:
    """Whether a process runs; a child of ours that has ended is reaped on the way."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
