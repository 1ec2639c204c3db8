"""The ``qrfld`` command: one process, from its arguments to its exit code.

Starting: configuration, lock, keystore, database, then the event loop. Whatever is wrong before the
node is up is one line on stderr and the exit code of its error; nothing on disk has changed by
then. SIGTERM and SIGINT end the process in order: peers are told, workers end, the database closes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from qrfld import __version__, logs, notify
from qrfld.aggregation import attacks
from qrfld.config import Config, ConfigValueError, load
from qrfld.control import ControlServer
from qrfld.crypto import providers
from qrfld.crypto.errors import ProviderError
from qrfld.crypto.identity import Identity
from qrfld.crypto.keystore import load as load_identity
from qrfld.crypto.unlock import unlock_from
from qrfld.daemon.methods import Control
from qrfld.daemon.node import Daemon, bootstrap
from qrfld.daemon.passphrase import passphrase
from qrfld.errors import QrfldError
from qrfld.net.allocator import keep_freed_memory
from qrfld.paths import Paths
from qrfld.store.database import Database
from qrfld.store.lock import InstanceLock

log = logging.getLogger("qrfld.daemon")

#: The exit code of a shell for SIGINT: an interrupted start is no error worth a word.
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; returns its exit code."""
    arguments = _parser().parse_args(argv)
    # Until the event loop takes both over. A shell's background job is born ignoring SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _stop_early)
    try:
        paths = Paths(arguments.home)
        file = arguments.config or paths.config
        config = _settings(file)
        if arguments.check_config:
            print(f"{file}: configuration is valid")  # noqa: T201
            return 0
        logs.configure(config.log.level, config.log.format, sys.stderr)
        return _run(paths, config, passphrase(arguments.passphrase_fd))
    except QrfldError as error:
        print(f"qrfld: {error.name}: {logs.printable(str(error))}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except OSError as error:
        # What no room has named: still one line, with the file or address that it is about.
        what = f"{error.filename}: " if error.filename else ""
        text = logs.printable(f"{what}{error.strerror or error}")
        print(f"qrfld: system: {text}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _stop_early(number: int, frame: object) -> None:
    """End a start in order: what is open is closed on the way out. To stop is no failure."""
    raise SystemExit(0)


def _settings(file: Path) -> Config:
    """The configuration, with what only this machine and the other rooms can judge of it."""
    config = load(file, os.environ)
    bootstrap(config)
    attack, provider = config.lab.attack, config.crypto.provider
    if attack and attack not in attacks():
        raise ConfigValueError(
            f"lab.attack is {attack!r}, no attack has that name",
            hint=f"there are: {', '.join(attacks())}",
        )
    try:
        providers.choose(provider)
    except ProviderError as error:
        raise ConfigValueError(
            f"crypto.provider is {provider!r}: {error.message}", hint=error.hint
        ) from error
    return config


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
    keep_freed_memory()
    unlock = unlock_from(passphrase=passphrase, key_file=paths.unlock, environ=os.environ)
    with InstanceLock(paths.lock):
        identity = load_identity(paths.keystore, unlock)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(paths, config, identity))


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
    for warning in daemon.warnings():
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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(beat):
                await daemon.stopping.wait()
