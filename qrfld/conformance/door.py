"""What a tester can do at a node's door: knock as anybody, or as somebody who was invited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from qrfld.conformance.initiation import (
    COOKIE_SIZE,
    RETRY,
    Agreed,
    FirstMessage,
    Initiation,
    Secrets,
    m2_size,
)
from qrfld.conformance.speaker import Speaker
from qrfld.conformance.verdict import DeviationError, expect
from qrfld.conformance.wire import Pace, Wire, connected
from qrfld.crypto.identity import Identity, NodeId, PublicIdentity
from qrfld.crypto.suites import suite
from qrfld.protocol.keys import traffic_chains

#: How long a caller that has said nothing wrong must be waited for, in seconds.
OPEN_FOR = 0.2


@dataclass
class Door:
    """A node of which nothing but its address is known."""

    address: str
    prompt: float
    pace: Pace

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        """A fresh TCP connection."""
        await self.pace.turn()
        async with connected(self.address, self.prompt) as wire:
            yield wire

    async def still_serves(self) -> None:
        """DeviationError unless the node waits for the rest of a first message."""
        async with self.wire() as wire:
            await wire.send(b"QRFL\x01")
            await wire.stays_open(OPEN_FOR)


@dataclass
class Shaken:
    """A handshake with M2 in hand and M3 not sent."""

    wire: Wire
    initiation: Initiation
    identity: Identity
    agreed: Agreed

    async def open(self) -> Stranger:
        """Send the honest M3."""
        shown = self.agreed.honest(self.identity)
        await self.wire.send(self.agreed.m3(shown))
        return self.opened(shown)

    def opened(self, shown: bytes) -> Stranger:
        """The session that the responder has if it has accepted ``shown``."""
        secrets = self.agreed.secrets(shown)
        chains = traffic_chains(secrets.wire_id, secrets.master)
        control = Speaker(self.wire, chains, "control", initiator=True)
        return Stranger(self.identity, self.agreed.responder, control, secrets)


@dataclass
class Stranger:
    """A session after the handshake and before the first message."""

    identity: Identity
    responder: PublicIdentity
    control: Speaker
    secrets: Secrets


@dataclass
class Invited(Door):
    """A node whose federation and node ID are known, as to everybody with a token."""

    federation: bytes = field(kw_only=True)
    node: NodeId = field(kw_only=True)
    suite_id: int = field(kw_only=True)

    @property
    def m2_size(self) -> int:
        """The length of M2."""
        return m2_size(suite(self.suite_id))

    def somebody(self) -> Identity:
        """A fresh identity of the node's suite."""
        return Identity.generate(self.suite_id)

    def initiation(self) -> Initiation:
        """A handshake to be."""
        return Initiation(self.federation, self.node, self.suite_id)

    @asynccontextmanager
    async def shaken(
        self, identity: Identity | None = None, initiation: Initiation | None = None
    ) -> AsyncIterator[Shaken]:
        """A handshake up to M2, with the cookie if one is asked for."""
        identity = identity or self.somebody()
        initiation = initiation or self.initiation()
        async with self.wire() as wire:
            agreed = await self.knock(wire, initiation, initiation.m1)
            yield Shaken(wire, initiation, identity, agreed)

    async def knock(self, wire: Wire, initiation: Initiation, m1: FirstMessage) -> Agreed:
        """Send M1 and judge the M2 that answers it."""
        sent, m2 = await answered(wire, initiation, m1)
        return await asyncio.to_thread(initiation.agree, sent, m2)

    @asynccontextmanager
    async def stranger(self, identity: Identity | None = None) -> AsyncIterator[Stranger]:
        """A session in which nothing has been said yet."""
        async with self.shaken(identity) as shaken:
            yield await shaken.open()

    async def still_serves(self) -> None:
        """DeviationError unless a handshake succeeds."""
        async with self.stranger() as stranger:
            await stranger.control.alive()


async def answered(wire: Wire, initiation: Initiation, m1: FirstMessage) -> tuple[bytes, bytes]:
    """Send M1, answering RETRY once; the M1 that counts, and M2."""
    sent = initiation.first(m1)
    await wire.send(sent)
    head = await wire.take(2, "M2")
    if head == RETRY:
        sent = initiation.first(await retried(wire, m1))
        await wire.send(sent)
        head = await wire.take(2, "M2")
        expect(head != RETRY, "it asked for a second cookie on one connection")
    return sent, head + await wire.take(m2_size(initiation.suite) - 2, "M2")


async def retried(wire: Wire, m1: FirstMessage) -> FirstMessage:
    """Read a RETRY behind its first two bytes; the M1 that answers it."""
    size = int.from_bytes(await wire.take(2, "RETRY"))
    if size != COOKIE_SIZE:
        raise DeviationError(f"its cookie has {size} bytes instead of {COOKIE_SIZE}")
    return replace(m1, cookie=await wire.take(size, "the cookie"))
