"""A mesh without sockets: messages and blobs pass between nodes of one event loop.

What goes over a link is what would go over a session: each message is encoded, and decoded by the
receiver, in order, one at a time; a blob is copied through the receiver's `BlobWriter`. Links are
up or down as the test says, and a node can be made to keep its blobs to itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qrfld.crypto.identity import NodeId, PublicIdentity
from qrfld.errors import QrfldError
from qrfld.net.errors import TransferError
from qrfld.net.offers import Offers
from qrfld.protocol.messages import Message, decode_message
from qrfld.store.blobs import Blobs


@dataclass(eq=False)
class Traffic:
    sent: int = 0
    received: int = 0


@dataclass(eq=False)
class Network:
    """Who exists, and who is connected with whom."""

    identities: dict[NodeId, tuple[str, PublicIdentity]] = field(default_factory=dict)
    meshes: dict[NodeId, MemoryMesh] = field(default_factory=dict)
    links: set[frozenset[NodeId]] = field(default_factory=set)

    def admit(self, name: str, identity: PublicIdentity) -> None:
        self.identities[identity.node_id] = (name, identity)

    def connect(self, a: NodeId, b: NodeId) -> None:
        self.links.add(frozenset((a, b)))
        for here, there in ((a, b), (b, a)):
            self.meshes[here].link_up(there)

    def connect_all(self) -> None:
        nodes = sorted(self.meshes)
        for i, a in enumerate(nodes):
            for b in nodes[i + 1 :]:
                if frozenset((a, b)) not in self.links:
                    self.connect(a, b)

    def disconnect(self, node: NodeId) -> None:
        """End all sessions of a node."""
        for link in [link for link in self.links if node in link]:
            self.links.discard(link)
            for here in link:
                (there,) = link - {here}
                self.meshes[here].link_down(there)

    def connected(self, a: NodeId, b: NodeId) -> bool:
        return frozenset((a, b)) in self.links


class MemoryMesh:
    """One node's end; implements `qrfld.rounds.node.Mesh`."""

    def __init__(self, network: Network, identity: PublicIdentity, blobs: Blobs) -> None:
        self.network = network
        self.blobs = blobs
        #: Messages that no service took, and errors that services raised, for the test to read.
        self.unheard: asyncio.Queue[tuple[NodeId, Message]] = asyncio.Queue()
        self.errors: list[QrfldError] = []
        #: A node that serves no blob while this is clear.
        self.serving = asyncio.Event()
        self.serving.set()
        #: Who may read what; a generous node lets everybody read everything.
        self.offers = Offers()
        self.generous = False
        self._node_id = identity.node_id
        self._handlers: dict[type[Message], Callable[[NodeId, Any], Awaitable[None]]] = {}
        self._connected: list[Callable[[NodeId], Coroutine[None, None, None]]] = []
        self._disconnected: list[Callable[[NodeId], None]] = []
        self._queues: dict[NodeId, asyncio.Queue[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._traffic = Traffic()
        network.meshes[self._node_id] = self

    # the interface

    @property
    def node_id(self) -> NodeId:
        return self._node_id

    def handle(self, kind: type[Any], handler: Callable[[NodeId, Any], Awaitable[None]]) -> None:
        self._handlers[kind] = handler

    def on_connected(self, callback: Callable[[NodeId], Coroutine[None, None, None]]) -> None:
        self._connected.append(callback)

    def on_disconnected(self, callback: Callable[[NodeId], None]) -> None:
        self._disconnected.append(callback)

    def connected(self) -> set[NodeId]:
        others = {n for n in self.network.meshes if self.network.connected(self._node_id, n)}
        return others | {self._node_id}

    def identity_of(self, node: NodeId) -> PublicIdentity | None:
        known = self.network.identities.get(node)
        return known[1] if known else None

    def label(self, node: NodeId) -> str:
        return self.name(node)

    def name(self, node: NodeId) -> str:
        return self.network.identities[node][0]

    def everybody(self) -> list[NodeId]:
        return list(self.network.identities)

    async def send(self, node: NodeId, message: Message) -> bool:
        if node != self._node_id and not self.network.connected(self._node_id, node):
            return False
        data = message.encode()
        self._traffic.sent += len(data)
        if (there := self.network.meshes.get(node)) is not None:
            there.arrive(self._node_id, data)
        return True

    async def broadcast(self, nodes: list[NodeId], message: Message) -> None:
        for node in nodes:
            await self.send(node, message)

    def offer(self, blob: bytes, nodes: Iterable[NodeId]) -> None:
        self.offers.offer(blob, nodes)

    def withdraw(self, blob: bytes) -> None:
        self.offers.withdraw(blob)

    async def fetch(self, node: NodeId, blob: bytes, size: int) -> Path:
        if self.blobs.has(blob):
            return self.blobs.path(blob)
        if not self.network.connected(self._node_id, node):
            raise TransferError(f"no session with {self.name(node)} to fetch a blob from")
        source = self.network.meshes[node]
        writer = self.blobs.writer(blob, size)
        try:
            await source.serving.wait()
            allowed = source.generous or source.offers.allows(self._node_id, blob)
            if not allowed or not source.blobs.has(blob):
                raise TransferError(f"{self.name(node)} does not send the blob")
            data = source.blobs.path(blob).read_bytes()
            self._traffic.received += len(data)
            await asyncio.to_thread(writer.write, data)
            return await asyncio.to_thread(writer.commit)
        finally:
            writer.abort()

    def total_traffic(self) -> Traffic:
        return Traffic(self._traffic.sent, self._traffic.received)

    # links

    def link_up(self, node: NodeId) -> None:
        for callback in self._connected:
            self._spawn(callback(node))

    def link_down(self, node: NodeId) -> None:
        self._queues.pop(node, None)
        for callback in self._disconnected:
            callback(node)

    def arrive(self, node: NodeId, data: bytes) -> None:
        if node not in self._queues:
            self._queues[node] = asyncio.Queue()
            self._spawn(self._listen(node, self._queues[node]))
        self._queues[node].put_nowait(data)

    async def _listen(self, node: NodeId, queue: asyncio.Queue[bytes]) -> None:
        while True:
            message = decode_message(await queue.get())
            assert message is not None
            handler = self._handlers.get(type(message))
            if handler is None:
                self.unheard.put_nowait((node, message))
                continue
            try:
                await handler(node, message)
            except QrfldError as error:
                self.errors.append(error)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Leave the network as a process does that is killed."""
        self.network.disconnect(self._node_id)
        self.network.meshes.pop(self._node_id)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
