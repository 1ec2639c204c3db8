"""A node under test as one of its members meets it: with sessions, and with the right to a blob."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from qrfld.conformance.door import Invited, Stranger
from qrfld.conformance.initiation import Secrets, transcript
from qrfld.conformance.membership import Membership
from qrfld.conformance.speaker import Bond, Pair, Speaker
from qrfld.conformance.verdict import expect
from qrfld.conformance.wire import Wire
from qrfld.crypto import labels
from qrfld.crypto.identity import Identity
from qrfld.crypto.schedule import expand_label, hash_size
from qrfld.crypto.suites import from_wire
from qrfld.protocol.frames import BULK_CONFIRM
from qrfld.protocol.keys import ChainPair, bulk_chains
from qrfld.protocol.messages import Digest, Hello

B1_START: Final = b"QRFB\x01"
B2_SIZE: Final = 64


def bulk_mac(of: Secrets, label: bytes, data: bytes) -> bytes:
    """The mac of B1 or B2 (section 7)."""
    name = from_wire(of.wire_id)[0].hash
    key = expand_label(name, of.derive(labels.BULK), label, b"", hash_size(name))
    return hmac.digest(key, data, "sha256")


def b1(of: Secrets) -> bytes:
    """A fresh B1 for a session."""
    body = B1_START + of.session_id + secrets.token_bytes(32)
    return body + bulk_mac(of, labels.BULK_MAC_INITIATOR, body)


def joined_chains(of: Secrets, b1: bytes, b2: bytes) -> ChainPair:
    """The chains of a bulk connection."""
    return bulk_chains(of.wire_id, of.derive(labels.BULK), transcript(of.wire_id, b1, b2))


@dataclass
class Inside(Invited):
    """A node of whose federation the tester is a member."""

    membership: Membership = field(kw_only=True)
    _bond: Bond | None = None

    @classmethod
    def of(cls, node: Invited, membership: Membership) -> Inside:
        """The same node, with the tester's membership."""
        return cls(
            node.address,
            node.prompt,
            node.pace,
            federation=node.federation,
            node=node.node,
            suite_id=node.suite_id,
            membership=membership,
        )

    @property
    def identity(self) -> Identity:
        """Who the tester is."""
        return self.membership.identity

    @asynccontextmanager
    async def greeted(self) -> AsyncIterator[Stranger]:
        """A session in which both have said hello; it has no bulk connection yet."""
        async with self.stranger(self.identity) as stranger:
            await stranger.control.tell(self.membership.hello())
            self.membership.check(await stranger.control.message(Hello))
            yield stranger

    def bond(self, stranger: Stranger) -> Bond:
        """Who the tester and the node are to each other."""
        if self._bond is None:
            self._bond = Bond(self.identity, self.federation, stranger.responder)
        return self._bond

    @asynccontextmanager
    async def joining(self, of: Secrets, first: bytes | None = None) -> AsyncIterator[Speaker]:
        """A bulk connection with B2 in hand and B3 not sent."""
        first = first or b1(of)
        async with self.wire() as wire:
            await wire.send(first)
            yield self.joined(wire, of, first, await wire.take(B2_SIZE, "B2"))

    @staticmethod
    def joined(wire: Wire, of: Secrets, b1: bytes, b2: bytes) -> Speaker:
        """The bulk connection that B3 will open; DeviationError if B2 is wrong."""
        right = bulk_mac(of, labels.BULK_MAC_RESPONDER, b1 + b2[:32])
        expect(b2[32:] == right, "the mac of B2 is wrong")
        return Speaker(wire, joined_chains(of, b1, b2), "bulk", initiator=True)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Pair]:
        """A session with both connections, after the node's DIGEST."""
        async with self.greeted() as stranger, self.joining(stranger.secrets) as bulk:
            await bulk.say(BULK_CONFIRM)
            await stranger.control.message(Digest)
            yield Pair(stranger.control, bulk, self.bond(stranger))

    async def still_serves(self) -> None:
        """DeviationError unless a session of the tester's comes about and answers."""
        async with self.session() as pair:
            await pair.alive()
