"""Nodes of one federation inside the test's own event loop: real sockets, keys and databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qrfld.crypto import addresses, certificates, genesis
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.tokens import Token
from qrfld.net.admission import Issuer
from qrfld.net.listener import Listener
from qrfld.net.members import Members
from qrfld.net.peers import Peers
from qrfld.net.timing import Timing
from qrfld.net.transfer import Transfers
from qrfld.protocol.session import Endpoint
from qrfld.store.blobs import Blobs
from qrfld.store.database import Database

NOW = 1_800_000_000
PATIENCE = 30.0
#: The mesh's own, but nobody waits long for anything that a test has to wait for too.
FAST = Timing(head_start=0.1, tick=0.1, backoff_first=0.05, backoff_most=0.5, settled=1.0)


async def until(what: str, probe: Callable[[], object]) -> None:
    """Wait until ``probe`` is true; the limit only ends a hanging test."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not probe():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"did not happen within {PATIENCE:.0f} s: {what}") from None


@dataclass(eq=False)
class MeshNode:
    """One member: its mesh and listener."""

    identity: Identity
    peers: Peers
    listener: Listener
    database: Database
    blobs: Blobs
    address: str
    endpoint: Endpoint
    certificate: bytes

    async def stop(self) -> None:
        await self.listener.stop()
        await self.peers.stop()
        await self.database.aclose()


class Federation:
    """A founder's keys and everything needed to add members without tokens."""

    def __init__(self, directory: Path, *, max_members: int = 100, suite: int = 1) -> None:
        self.directory = directory
        self.suite = suite
        self.founder = Identity.generate(suite)
        self.genesis_bytes = genesis.create(
            self.founder, "test", now=NOW, max_members=max_members, suites=(suite,)
        )
        self.genesis = genesis.parse(self.genesis_bytes)
        self.id = genesis.federation_id(self.genesis_bytes)
        self.nodes: list[MeshNode] = []

    async def node(
        self,
        name: str,
        *,
        identity: Identity | None = None,
        knows: tuple[MeshNode, ...] = (),
        max_sessions: int = 128,
        handshakes: int = 8,
        handshake_seconds: float = 5.0,
        start: bool = True,
        timing: Timing = FAST,
        host: str = "127.0.0.1",
    ) -> MeshNode:
        """A member that listens on loopback and knows the nodes in ``knows``."""
        identity = identity or (Identity.generate(self.suite) if self.nodes else self.founder)
        home = self.directory / name
        (home / "blobs").mkdir(parents=True)
        (home / "spool").mkdir()
        database = await Database.open(home / "qrfld.db", create=True)
        blobs = Blobs(home / "blobs", home / "spool", 1 << 30)
        bootstrap = {n.identity.node_id: (n.address,) for n in knows}
        members = Members(identity.node_id, self.id, self.genesis, database, bootstrap, lambda: NOW)
        endpoint = Endpoint(identity, self.id, self.genesis.suites)
        issuer = Issuer(identity, self.genesis_bytes, members, database)
        peers = Peers(
            endpoint, members, Transfers(blobs, lambda *_: True), issuer, max_sessions, timing
        )
        listener = Listener(
            endpoint, peers, max_handshakes=handshakes, handshake_seconds=handshake_seconds
        )
        (address,) = await listener.start(host, 0)
        certificate = self.certificate(identity, name)
        record = addresses.issue(identity, self.id, 1, [address])
        await members.learn(certificate, record)
        node = MeshNode(identity, peers, listener, database, blobs, address, endpoint, certificate)
        self.nodes.append(node)
        if start:
            peers.start()
        return node

    def certificate(self, identity: PublicIdentity, name: str = "x") -> bytes:
        """A genuine certificate, without a token."""
        return certificates.issue(self.founder, self.id, identity, name, now=NOW)

    async def token(self, node: MeshNode, *, expires_at: int = NOW + 3600) -> Token:
        """A token that ``node`` has issued."""
        token = Token.create(
            federation=self.id,
            suite_id=self.suite,
            issuer=node.identity.node_id,
            expires_at=expires_at,
            addresses=[node.address],
        )
        await node.database.create_token(token.token_id, token.secret_hash(), expires_at, NOW)
        return token

    async def stop(self) -> None:
        for node in self.nodes:
            await node.stop()
