"""What a program (or the command line) does to a node from outside its daemon.

Founding or joining a federation writes a node's home: all of it, or nothing. Starting and stopping
a daemon are here as well; everything else is asked of the running daemon through `qrfld.client`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qrfld.client import ControlClient
from qrfld.crypto import certificates, genesis
from qrfld.crypto.identity import Identity
from qrfld.crypto.providers import provider_for
from qrfld.crypto.suites import suite
from qrfld.crypto.tokens import Token
from qrfld.crypto.unlock import Passphrase, Unlock
from qrfld.errors import DaemonNotRunningError, IdentityError, QrfldError
from qrfld.homes import AlreadyMemberError, new_home, own_identity, write_database
from qrfld.net.admission import redeem
from qrfld.net.errors import AdmissionError, PeerUnreachableError
from qrfld.paths import Paths
from qrfld.store.blobs import disk_errors
from qrfld.store.database import Database

__all__ = [
    "AlreadyMemberError",
    "DaemonStartError",
    "NodeInfo",
    "init_federation",
    "join_federation",
    "node_info",
    "start_daemon",
    "stop_daemon",
]

#: Daemons that this process has started: it is their parent, and its interpreter warns of children
#: that it loses sight of.
_started: list[subprocess.Popen[bytes]] = []

POLL_SECONDS = 0.05
STOP_SECONDS = 10.0
LOG_TAIL = 4096


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
    AlreadyMemberError, GenesisError, CertificateError, KeystoreError, ConfigError, and
    UnsupportedSuiteError when the suite is not known or cannot be served here.
    """
    provider_for(suite_id)  # before anything is written
    with new_home(paths, name=name, listen=listen, advertise=advertise):
        identity = own_identity(paths, suite_id, unlock)
        now = int(time.time())
        founding = genesis.create(identity, federation, now=now, suites=(suite_id,))
        federation_id = genesis.federation_id(founding)
        certificate = certificates.issue(identity, federation_id, identity, name, now=now)
        asyncio.run(write_database(paths.database, founding, [(certificate, None)]))
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
    identity stays, and the same command may be repeated with the same token, even when that has
    expired meanwhile: the issuer knows whether it has admitted this identity.
    """
    parsed = Token.parse(token)
    if parsed.expired(time.time()) and not paths.keystore.exists():
        raise AdmissionError("the token has expired", hint="ask for a new one: qrfl token create")
    with new_home(paths, name=name, listen=listen, advertise=advertise) as home:
        identity = own_identity(paths, parsed.suite_id, unlock)
        try:
            asyncio.run(_enter(paths, parsed, identity, name))
        except (AdmissionError, PeerUnreachableError):
            raise  # the issuer has not admitted this identity
        except BaseException:
            home.keep()
            raise
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

    Raises IdentityError when there is no node, KeystoreError for a passphrase that cannot be one,
    StoreError, or DaemonStartError with the daemon's own error and exit code, or after ``timeout``.
    """
    if not any(file.exists() for file in (paths.config, paths.keystore, paths.database)):
        raise _nobody(paths)
    # -P: whatever lies in the directory that this is called in is not to be imported.
    command = [sys.executable, "-P", "-m", "qrfld.daemon"]
    if paths.home is not None:
        command += ["--home", str(paths.home)]
    paths.create()
    with contextlib.ExitStack() as stack:
        with disk_errors(paths.log):
            log = stack.enter_context(paths.log.open("ab"))
        begin = log.tell()
        passed: tuple[int, ...] = ()
        if passphrase is not None:
            descriptor = _pipe_with(Passphrase(passphrase), stack)
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
    return _await_answer(paths, process, timeout, begin)


def stop_daemon(paths: Paths, *, timeout: float = 20.0) -> bool:
    """Stop the running daemon and wait until its process is gone; False if none was running.

    Raises QrfldError when it is still there after ``timeout`` s.
    """
    client = ControlClient(paths.socket)
    try:
        pid = int(client.call("status")["pid"])
    except DaemonNotRunningError:
        return False
    with contextlib.suppress(DaemonNotRunningError):  # it may be gone before its answer is read
        client.call("shutdown")
    deadline = time.monotonic() + timeout
    while _alive(pid):
        if time.monotonic() > deadline:
            raise QrfldError(f"the daemon (pid {pid}) has not stopped after {timeout:.0f} s")
        time.sleep(POLL_SECONDS)
    return True


async def _enter(paths: Paths, token: Token, identity: Identity, name: str) -> None:
    admitted = await redeem(token, identity, name)
    issuer = (admitted.issuer_certificate, admitted.issuer_addresses)
    members = [issuer, (admitted.certificate, None)]
    await write_database(paths.database, admitted.genesis, members)


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
        suite=suite(parsed.suites[0]).name,
        home=str(paths.state_directory),
    )


def _nobody(paths: Paths) -> IdentityError:
    return IdentityError(
        f"there is no node in {paths.state_directory}",
        hint="qrfl init founds a federation, qrfl join enters one",
    )


def _pipe_with(passphrase: Passphrase, stack: contextlib.ExitStack) -> int:
    """A pipe's reading end with ``passphrase`` in it, closed here when the child has its copy."""
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(passphrase.encoded)  # bounded: far less than a pipe holds
    return reading


def _await_answer(
    paths: Paths, process: subprocess.Popen[bytes], timeout: float, begin: int
) -> int:
    client, deadline = ControlClient(paths.socket), time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(DaemonNotRunningError):
            if int(client.call("status")["pid"]) == process.pid:
                _started.append(process)
                return process.pid
        time.sleep(POLL_SECONDS)
    if process.poll() is None:
        _end(process)
        raise DaemonStartError(f"the daemon was not up after {timeout:.0f} s: see {paths.log}")
    raise DaemonStartError(
        _last_line(paths.log, begin) or f"the daemon ended without a word ({_code(process)})",
        exit_code=max(process.returncode, 1),
        hint=f"log: {paths.log}",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _code(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _last_line(log: Path, begin: int) -> str:
    """The last line that the daemon has written since ``begin``, without ``qrfld: name:``."""
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - LOG_TAIL))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return re.sub(r"^qrfld: [a-z0-9-]+: ", "", lines[-1]) if lines else ""


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
