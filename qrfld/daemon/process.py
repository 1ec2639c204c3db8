"""The ``qrfld`` command: one process, from its arguments to its exit code.

Starting: configuration, lock, keystore, database, then the event loop. Whatever is wrong before the
node is up is one line on stderr and the exit code of its error; nothing on disk has changed by
then. SIGTERM and SIGINT end the process in order: peers are told, workers end, the database closes.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from qrfld import __version__, logs, notify
from qrfld.config import Config, load
from qrfld.control import ControlServer
from qrfld.crypto import providers
from qrfld.crypto.identity import Identity
from qrfld.crypto.keystore import load as load_identity
from qrfld.crypto.unlock import unlock_from
from qrfld.daemon.methods import Control
from qrfld.daemon.node import Daemon
from qrfld.errors import QrfldError
from qrfld.paths import Paths
from qrfld.store.database import Database
from qrfld.store.lock import InstanceLock

log = logging.getLogger("qrfld.daemon")

PASSPHRASE = "QRFLD_PASSPHRASE"  # noqa: S105 - the name of a variable
PASSPHRASE_MOST = 4096


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; returns its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        paths = Paths(arguments.home)
        config = load(arguments.config or paths.config, os.environ)
        if arguments.check_config:
            print(f"{arguments.config or paths.config}: configuration is valid")  # noqa: T201
            return 0
        providers.choose(config.crypto.provider)
        logs.configure(config.log.level, config.log.format, sys.stderr)
        return _run(paths, config, _passphrase(arguments.passphrase_fd))
    except QrfldError as error:
        print(f"qrfld: {error.name}: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qrfld",
        description="The qrfld daemon. `qrfl init` or `qrfl join` makes a node; `qrfl up` starts "
        "its daemon in the background, this command in the foreground.",
    )
    parser.add_argument("--home", type=Path, help="keep everything in this directory")
    parser.add_argument("--config", type=Path, help="configuration file (TOML, YAML or JSON)")
    parser.add_argument(
        "--check-config", action="store_true", help="check the configuration, then exit"
    )
    parser.add_argument(
        "--passphrase-fd", type=int, help="read the keystore's passphrase from this descriptor"
    )
    parser.add_argument("--version", action="version", version=f"qrfld {__version__}")
    return parser


def _run(paths: Paths, config: Config, passphrase: str | None) -> int:
    paths.create()
    unlock = unlock_from(passphrase=passphrase, key_file=paths.unlock, environ=os.environ)
    with InstanceLock(paths.lock):
        identity = load_identity(paths.keystore, unlock)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(paths, config, identity))


def _passphrase(descriptor: int | None) -> str | None:
    """The passphrase from its descriptor, else from the environment, which then forgets it."""
    given = os.environ.pop(PASSPHRASE, None)
    if descriptor is None:
        return given
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read(PASSPHRASE_MOST).decode("utf-8", "surrogateescape").rstrip("\n")


async def _serve(paths: Paths, config: Config, identity: Identity) -> int:
    database = await Database.open(paths.database)
    try:
        daemon = Daemon(paths, config, identity, database)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stopping.set)
        try:
            await daemon.start(ControlServer(paths.socket, Control(daemon).methods()))
            _say_up(daemon)
            await _until_stopped(daemon)
        finally:
            notify.stopping()
            await daemon.stop()
    finally:
        await database.aclose()
    log.info("stopped")
    return 0


def _say_up(daemon: Daemon) -> None:
    for warning in daemon.config.warnings():
        log.warning("%s", warning)
    log.info(
        "node %s of federation %s is up on %s",
        daemon.identity.node_id.short,
        daemon.genesis.name,
        ", ".join(daemon.listening),
    )
    notify.ready()


async def _until_stopped(daemon: Daemon) -> None:
    """Wait for the signal, feeding the watchdog and the status line of systemd meanwhile."""
    interval = notify.watchdog_interval()
    beat = min(5.0, interval / 2) if interval else 5.0
    while not daemon.stopping.is_set():
        notify.watchdog()
        notify.status(f"{len(daemon.peers.connected()) - 1} sessions")
        try:
            await asyncio.wait_for(daemon.stopping.wait(), beat)
        except TimeoutError:
            continue
