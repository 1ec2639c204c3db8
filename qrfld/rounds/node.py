"""What both roles of a run need of the node they live in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from qrfld.crypto.identity import Identity, NodeId, PublicIdentity
from qrfld.protocol.messages import Message
from qrfld.store.blobs import Blobs
from qrfld.store.database import Database
from qrfld.tasks.pool import Worker

M = TypeVar("M", bound=Message)


class Traffic(Protocol):
    """Bytes over sockets since the daemon started."""

    sent: int
    received: int


class Mesh(Protocol):
    """Members, and messages and blobs between them (`qrfld.net.peers.Peers`)."""

    @property
    def node_id(self) -> NodeId:
        """Our own node ID."""

    def handle(self, kind: type[M], handler: Callable[[NodeId, M], Awaitable[None]]) -> None:
        """Name the one handler of a message type."""

    def on_connected(self, callback: Callable[[NodeId], Coroutine[None, None, None]]) -> None:
        """Have a callback awaited whenever a member's session becomes ready."""

    def on_disconnected(self, callback: Callable[[NodeId], None]) -> None:
        """Have a callback called whenever a member's session ends."""

    def connected(self) -> set[NodeId]:
        """Members with a ready session, and ourselves."""

    def identity_of(self, node: NodeId) -> PublicIdentity | None:
        """An admitted member's public identity."""

    def label(self, node: NodeId) -> str:
        """How logs name a node."""

    def name(self, node: NodeId) -> str:
        """The name a node was admitted under."""

    def everybody(self) -> list[NodeId]:
        """All admitted members, ourselves included, in the order of their admission here."""

    async def send(self, node: NodeId, message: Message) -> bool:
        """Send one message; False when no session carries it."""

    async def broadcast(self, nodes: list[NodeId], message: Message) -> None:
        """Send one message to many."""

    def offer(self, blob: bytes, nodes: Iterable[NodeId]) -> None:
        """Let members read one of our blobs; nobody reads one that was not offered."""

    def withdraw(self, blob: bytes) -> None:
        """Let nobody read a blob any more."""

    async def fetch(self, node: NodeId, blob: bytes, size: int) -> Path:
        """Bring a blob here."""

    def total_traffic(self) -> Traffic:
        """Bytes over sockets since the start."""


@dataclass(frozen=True)
class Node:
    """One node's means: who it is, whom it reaches, what it stores, how it trains."""

    identity: Identity
    federation: bytes
    mesh: Mesh
    database: Database
    blobs: Blobs
    #: A fresh training worker for a task's spec.
    new_worker: Callable[[str], Worker]
    #: The spec of a task by the name a run gives it, and the digest of its source.
    task_spec: Callable[[str], str]
    task_digest: Callable[[str], bytes]
    max_model_bytes: int
    clock: Callable[[], float]
