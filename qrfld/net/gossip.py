"""How membership spreads: by anti-entropy between the two ends of every session.

On a new session both sides send a digest of the members they know (node ID and sequence of the
address record); each answers with what the other lacks, and passes on what it learns. Certificates
and address records are checked offline, so it does not matter who brings them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Protocol

from qrfld.crypto.identity import NodeId
from qrfld.net.limits import DIGESTS, RateLimiter
from qrfld.net.members import Members
from qrfld.protocol.messages import Digest, Message
from qrfld.protocol.messages import Members as MembersMessage

log = logging.getLogger("qrfld.gossip")


class Overlay(Protocol):
    """What gossip needs of the mesh."""

    def connected(self) -> set[NodeId]:
        """Members with a ready session, and ourselves."""

    async def send(self, node: NodeId, message: Message) -> bool:
        """Send to one member, waiting for its credit; False when no session carries it."""

    async def broadcast(self, nodes: Iterable[NodeId], message: Message) -> None:
        """Send to many, waiting for none."""

    def keep_dialling(self, node: NodeId) -> None:
        """See to it that there is a session with a member."""

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run something beside everything else."""


class Gossip:
    """Answers digests and spreads what is new."""

    def __init__(self, members: Members, overlay: Overlay) -> None:
        self._members = members
        self._overlay = overlay
        self._digests = RateLimiter(DIGESTS)

    async def hear_digest(self, node: NodeId, digest: Digest) -> None:
        """Tell a member what it lacks.

        Beside the reading of its messages: two nodes that lack much of each other would otherwise
        both wait for credit, and neither read what gives it.
        """
        if self._digests.allow(node, asyncio.get_running_loop().time()):
            self._overlay.spawn(self._tell(node, digest))
        else:
            log.info("ignored a digest of %s: too many", self._members.label(node))

    async def _tell(self, node: NodeId, digest: Digest) -> None:
        for message in self._members.missing_from(digest):
            if not await self._overlay.send(node, message):
                return

    async def hear_members(self, node: NodeId, message: MembersMessage) -> None:
        """Learn members; what was new goes on, even if what came after it is refused."""
        fresh: list[NodeId] = []
        try:
            for entry in message.entries:
                member, new = await self._members.learn(entry.certificate, entry.addresses)
                self._overlay.keep_dialling(member.node_id)
                if new:
                    fresh.append(member.node_id)
        finally:
            await self.pass_on(fresh, not_to=node)

    async def pass_on(self, fresh: list[NodeId], *, not_to: NodeId) -> None:
        """Tell everybody connected but one of these members."""
        others = self._overlay.connected() - {not_to, self._members.node_id}
        for message in self._members.entries(fresh):
            await self._overlay.broadcast(others, message)
