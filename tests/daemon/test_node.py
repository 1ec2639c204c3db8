"""One node, put together and taken apart, inside the test's own loop."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from qrfld.api import init_federation
from qrfld.config import Config, ConfigValueError, load
from qrfld.control import ControlServer
from qrfld.crypto.identity import Identity, NodeId
from qrfld.crypto.keystore import load as load_identity
from qrfld.crypto.unlock import read_key_file
from qrfld.daemon.methods import Control
from qrfld.daemon.node import Daemon, bootstrap
from qrfld.errors import IdentityError
from qrfld.net.errors import PortInUseError
from qrfld.paths import Paths
from qrfld.store.database import Database
from qrfld.store.errors import AlreadyRunningError

NODE = NodeId(os.urandom(32))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "home")
    init_federation(paths, name="a", federation="f", listen="127.0.0.1:7001")
    return paths


def settings(paths: Paths, **env: str) -> Config:
    return load(paths.config, {"QRFLD_LISTEN_PORT": "0", **env})


@contextlib.asynccontextmanager
async def daemon(paths: Paths, config: Config) -> AsyncIterator[Daemon]:
    """A daemon that is up, and stopped at the end whatever happened."""
    identity = load_identity(paths.keystore, read_key_file(paths.unlock))
    database = await Database.open(paths.database)
    made = Daemon(paths, config, identity, database)
    try:
        await made.start(ControlServer(paths.socket, Control(made).methods()))
        yield made
    finally:
        await made.stop()
        await database.aclose()


async def test_name_other_than_the_certificates_is_warned_of(paths: Paths) -> None:
    async with daemon(paths, settings(paths)) as up:
        assert up.warnings() == []
    async with daemon(paths, settings(paths, QRFLD_NODE_NAME="b")) as up:
        (warning,) = up.warnings()
    assert "'b'" in warning
    assert "'a'" in warning


def address_record(up: Daemon) -> tuple[int, list[str]]:
    own = up.peers.members.get(up.identity.node_id)
    assert own is not None
    return own.sequence, list(own.where)


async def test_addresses_are_signed_anew_only_when_they_have_changed(paths: Paths) -> None:
    there = settings(paths, QRFLD_NODE_ADVERTISE="one.example:7483")
    async with daemon(paths, there) as up:
        assert address_record(up) == (1, ["one.example:7483"])
    async with daemon(paths, there) as up:
        assert address_record(up) == (1, ["one.example:7483"])
    moved = settings(paths, QRFLD_NODE_ADVERTISE="two.example:7483,10.0.0.1:1")
    async with daemon(paths, moved) as up:
        assert address_record(up) == (2, ["two.example:7483", "10.0.0.1:1"])


async def test_start_fails_halfway_and_stop_gives_everything_back(paths: Paths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(PortInUseError):
            async with daemon(paths, settings(paths, QRFLD_LISTEN_PORT=port)):
                raise AssertionError
    assert not paths.socket.exists()
    async with daemon(paths, settings(paths, QRFLD_LISTEN_PORT=port)) as up:
        assert up.listening == [f"127.0.0.1:{port}"]


async def test_control_socket_is_served_already_gives_the_port_back(paths: Paths) -> None:
    async with daemon(paths, settings(paths)) as first:
        other = settings(paths)
        with pytest.raises(AlreadyRunningError, match="a daemon already answers on"):
            async with daemon(paths, other):
                raise AssertionError
        assert paths.socket.exists()
        assert first.listening


async def test_keystore_of_another_node_is_refused_by_both_names(paths: Paths) -> None:
    database = await Database.open(paths.database)
    stranger = Identity.generate(1)
    made = Daemon(paths, settings(paths), stranger, database)
    try:
        with pytest.raises(IdentityError, match=f"is of node {stranger.node_id.short}, the data"):
            await made.start(ControlServer(paths.socket, {}))
        assert made.listening == []
    finally:
        await made.stop()
        await database.aclose()


async def test_database_without_a_federation_is_refused(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.create()
    database = await Database.open(paths.database, create=True)
    made = Daemon(paths, Config(), Identity.generate(1), database)
    try:
        with pytest.raises(IdentityError, match="belongs to no federation"):
            await made.start(ControlServer(paths.socket, {}))
    finally:
        await made.stop()
        await database.aclose()


def test_bootstrap_peers_are_read_with_all_their_addresses(paths: Paths) -> None:
    peers = f"{NODE}@h.example:1,{NODE}@[::1]:2"
    config = settings(paths, QRFLD_BOOTSTRAP_PEERS=peers)
    assert bootstrap(config) == {NODE: ("h.example:1", "[::1]:2")}


def test_bootstrap_peer_with_a_mistyped_id_is_a_configuration_error(paths: Paths) -> None:
    text = str(NODE)
    wrong = ("B" if text[0] == "A" else "A") + text[1:]
    config = settings(paths, QRFLD_BOOTSTRAP_PEERS=f"{wrong}@h.example:1")
    with pytest.raises(ConfigValueError, match=r"bootstrap\.peers: "):
        bootstrap(config)
