"""The member table: certificates and address records, verified before they are kept.

A certificate never changes once it is known; an address record is replaced by one of the same
member with a higher sequence number. Both are stored as the signed bytes they came in, so that any
node can pass them on to any other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from qrfld import __version__
from qrfld.crypto import addresses as address_records
from qrfld.crypto import certificates
from qrfld.crypto.certificates import Member
from qrfld.crypto.errors import CertificateError
from qrfld.crypto.genesis import Genesis
from qrfld.crypto.identity import NodeId
from qrfld.net.limits import RECORDS, RateLimiter
from qrfld.protocol.messages import Digest, Hello, MemberEntry
from qrfld.protocol.messages import Members as MembersMessage
from qrfld.store.database import Database

log = logging.getLogger("qrfld.members")


@dataclass(frozen=True)
class Known:
    """One admitted member and what it last said of its addresses."""

    member: Member
    certificate: bytes
    record: bytes | None = None
    sequence: int = 0
    where: tuple[str, ...] = ()


@dataclass(eq=False)
class Members:
    """All admitted members of one federation, ourselves included."""

    node_id: NodeId
    federation: bytes
    genesis: Genesis
    database: Database
    bootstrap: Mapping[NodeId, tuple[str, ...]]
    clock: Callable[[], float]
    _known: dict[NodeId, Known] = field(default_factory=dict)
    _records: RateLimiter = field(default_factory=lambda: RateLimiter(RECORDS))

    async def load(self) -> None:
        """Read and check everything the database holds."""
        rows = await self.database.members()
        for row in sorted(rows, key=lambda row: row.added_at):
            known = self._check(row.certificate, row.addresses)
            self._known[known.member.node_id] = known

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Known]:
        return iter(self._known.values())

    def get(self, node: NodeId) -> Known | None:
        """The member with this node ID, None for a stranger."""
        return self._known.get(node)

    def label(self, node: NodeId) -> str:
        """How logs name a node: ``name (SHORTID)``."""
        known = self._known.get(node)
        return f"{known.member.name} ({node.short})" if known else node.short

    def name(self, node: NodeId) -> str:
        """The member's name, or its short ID while it is a stranger."""
        known = self._known.get(node)
        return known.member.name if known else node.short

    def targets(self) -> set[NodeId]:
        """Everybody worth dialling: all members but us, and the bootstrap nodes."""
        return (self._known.keys() | self.bootstrap.keys()) - {self.node_id}

    def addresses(self, node: NodeId) -> list[str]:
        """Where a node may be found, its own word first."""
        known = self._known.get(node)
        where = [*(known.where if known else ()), *self.bootstrap.get(node, ())]
        return list(dict.fromkeys(where))

    async def learn(
        self, certificate: bytes, record: bytes | None, *, expected: NodeId | None = None
    ) -> tuple[Member, bool]:
        """Check and keep a member; the bool says whether anything of it was new.

        Raises CertificateError: not of this federation, not signed by a validator, not of the
        ``expected`` node, or the federation is full.
        """
        fresh = self._check(certificate, record)
        node = fresh.member.node_id
        if expected is not None and node != expected:
            raise CertificateError(f"{expected.short} showed the certificate of {node.short}")
        known = self._known.get(node)
        if known is None:
            if self.full():
                raise CertificateError(f"the federation is full: {len(self._known)} members")
            await self.database.add_member(node, certificate, self.clock())
            known = self._known.setdefault(node, replace(fresh, record=None, sequence=0, where=()))
            new = True
        else:
            new = False
        if fresh.record is not None and fresh.sequence > known.sequence:
            new |= await self._move(node, fresh.record, fresh)
        return known.member, new

    async def _move(self, node: NodeId, record: bytes, fresh: Known) -> bool:
        """Keep a newer address record, unless the member makes too many of them."""
        if not self._records.allow(node, asyncio.get_running_loop().time()):
            log.info("%s changes its addresses too often: ignored", self.label(node))
            return False
        # The database decides which of two that came at once is newer.
        if not await self.database.update_addresses(node, record, fresh.sequence):
            return False
        # The first certificate stands.
        self._known[node] = replace(
            self._known[node], record=record, sequence=fresh.sequence, where=fresh.where
        )
        return True

    def full(self) -> bool:
        """Whether the federation takes no further member."""
        return len(self._known) >= self.genesis.limits.max_members

    def _check(self, certificate: bytes, record: bytes | None) -> Known:
        member = certificates.check(certificate, self.genesis, self.federation)
        if record is None:
            return Known(member, certificate)
        signed = address_records.check(record, member.identity, self.federation)
        return Known(member, certificate, record, signed.sequence, tuple(signed.addresses))

    # what peers are told

    def hello(self) -> Hello:
        """Our first message on every session."""
        own = self._known[self.node_id]
        return Hello(
            software=f"qrfld/{__version__}", certificate=own.certificate, addresses=own.record
        )

    def digest(self) -> Digest:
        """Which members we know, and how new their address records are."""
        return Digest(members=tuple((node, known.sequence) for node, known in self._known.items()))

    def missing_from(self, digest: Digest) -> Iterator[MembersMessage]:
        """What a peer with this digest lacks."""
        has = {NodeId(node): sequence for node, sequence in digest.members}
        # A list now: members come in while the messages wait for credit.
        lacks = [n for n, k in self._known.items() if has.get(n, -1) < k.sequence]
        return self.entries(lacks)

    def entries(self, nodes: Iterable[NodeId]) -> Iterator[MembersMessage]:
        """These members as messages."""
        return MembersMessage.batches(
            MemberEntry(certificate=known.certificate, addresses=known.record)
            for node in nodes
            if (known := self._known.get(node)) is not None
        )
