"""One node, put together from its rooms: identity, store, mesh, runs, control socket."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from qrfld.config import Config, ConfigValueError, parse_peer
from qrfld.control import ControlServer
from qrfld.crypto import addresses as address_records
from qrfld.crypto import certificates, genesis
from qrfld.crypto.errors import InvalidNodeIdError
from qrfld.crypto.identity import Identity, NodeId
from qrfld.errors import IdentityError
from qrfld.net.admission import Issuer
from qrfld.net.listener import Listener
from qrfld.net.local_addresses import advertised
from qrfld.net.members import Members
from qrfld.net.offers import Offers
from qrfld.net.peers import Peers
from qrfld.net.transfer import Transfers
from qrfld.paths import Paths
from qrfld.protocol.session import Endpoint
from qrfld.rounds.node import Node as RunNode
from qrfld.rounds.service import Runs
from qrfld.store.blobs import Blobs
from qrfld.store.database import Database
from qrfld.tasks import loader
from qrfld.tasks.pool import Worker

log = logging.getLogger("qrfld.daemon")


class Daemon:
    """A node between `start` and `stop`."""

    def __init__(self, paths: Paths, config: Config, identity: Identity, database: Database):
        self.paths = paths
        self.config = config
        self.identity = identity
        self.database = database
        self.started = time.monotonic()
        self.stopping = asyncio.Event()
        self.listening: list[str] = []
        self._stops: list[Callable[[], Awaitable[None]]] = []
        self.blobs = Blobs(paths.blobs, paths.spool, config.limits.spool_bytes)

    async def start(self, control: ControlServer) -> None:
        """Bring the node up; when it returns, peers and the control socket are served.

        Raises IdentityError when the node belongs to no federation, PortInUseError,
        AlreadyRunningError.
        """
        genesis_bytes = await self.database.get_meta("genesis")
        certificate = await self.database.get_meta("certificate")
        if genesis_bytes is None or certificate is None:
            raise IdentityError(
                f"the node in {self.paths.state_directory} belongs to no federation",
                hint="qrfl init founds one, qrfl join enters one",
            )
        self.federation = genesis.federation_id(genesis_bytes)
        self.genesis = genesis.parse(genesis_bytes)
        self._check_whose(certificate)
        endpoint = Endpoint(
            identity=self.identity,
            federation=self.federation,
            suites=self.genesis.suites,
        )
        members = Members(
            self.identity.node_id,
            self.federation,
            self.genesis,
            self.database,
            bootstrap(self.config),
            time.time,
        )
        await members.load()
        self.issuer = Issuer(self.identity, genesis_bytes, members, self.database)
        limits = self.config.limits
        offers = Offers()
        transfers = Transfers(self.blobs, offers.allows)
        self.peers = Peers(
            endpoint, members, transfers, self.issuer, limits.sessions, offers=offers
        )
        self.run_node = self._run_node()
        self.runs = Runs(self.run_node)
        self.listener = Listener(
            endpoint,
            self.peers,
            max_handshakes=limits.handshakes,
            handshake_seconds=limits.handshake_seconds,
        )
        # The control socket comes last: who finds it finds a node that is up.
        self._stops.append(self.listener.stop)
        self.listening = await self.listener.start(self.config.listen.host, self.config.listen.port)
        await self._say_where(members, certificate)
        self._stops.append(self.peers.stop)
        self.peers.start()
        self._stops.append(self.runs.stop)
        await self.runs.start()
        self._stops.append(control.stop)
        await control.start()

    async def stop(self) -> None:
        """Say goodbye and stop what was started, last things first; runs resume later."""
        while self._stops:
            await self._stops.pop()()

    def warnings(self) -> list[str]:
        """What is allowed but should not go unseen."""
        found = self.config.warnings()
        wanted, certified = self.config.node.name, self.peers.name(self.identity.node_id)
        if wanted and wanted != certified:
            found.append(
                f"node.name is {wanted!r}, but members know this node as {certified!r}: "
                "its certificate was issued for that name"
            )
        return found

    def _check_whose(self, certificate: bytes) -> None:
        """Refuse a keystore and a database of two different nodes."""
        admitted = certificates.check(certificate, self.genesis, self.federation)
        if admitted.node_id != self.identity.node_id:
            raise IdentityError(
                f"the keystore {self.paths.keystore} is of node {self.identity.node_id.short}, "
                f"the database of node {admitted.node_id.short}",
                hint="restore the one that belongs to the other from your backup",
            )

    def _run_node(self) -> RunNode:
        config = self.config
        return RunNode(
            identity=self.identity,
            federation=self.federation,
            mesh=self.peers,
            database=self.database,
            blobs=self.blobs,
            new_worker=self._new_worker,
            task_spec=self._task_spec,
            task_digest=loader.digest,
            max_model_bytes=min(config.limits.model_bytes, self.genesis.limits.max_model_bytes),
            clock=time.time,
        )

    def _task_spec(self, name: str) -> str:
        return self.config.tasks.get(name, name)

    def _new_worker(self, spec: str) -> Worker:
        settings = self.config.worker
        return Worker(
            spec,
            self.paths.spool,
            memory_mb=settings.memory_mb,
            nice=settings.nice,
            job_seconds=settings.job_seconds,
            attack=self.config.lab.attack,
            attack_scale=self.config.lab.attack_scale,
        )

    async def _say_where(self, members: Members, certificate: bytes) -> None:
        """Sign a new address record when our addresses have changed since the last one."""
        where = advertised(self.config.node.advertise, self.listening)
        await members.learn(certificate, None, expected=self.identity.node_id)
        own = members.get(self.identity.node_id)
        if own is not None and (own.record is None or list(own.where) != where):
            record = address_records.issue(self.identity, self.federation, own.sequence + 1, where)
            await members.learn(certificate, record, expected=self.identity.node_id)


def bootstrap(config: Config) -> Mapping[NodeId, tuple[str, ...]]:
    """The addresses of each bootstrap peer. Raises ConfigValueError for a mistyped node ID."""
    found: dict[NodeId, tuple[str, ...]] = {}
    for peer in config.bootstrap.peers:
        text, host, port = parse_peer(peer)
        try:
            node = NodeId.parse(text)
        except InvalidNodeIdError as error:
            raise ConfigValueError(f"bootstrap.peers: {error.message}", hint=error.hint) from error
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        found[node] = (*found.get(node, ()), address)
    return found
