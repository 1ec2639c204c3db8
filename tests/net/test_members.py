"""The member table: who is let in, which address counts, what a peer is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh import NOW, Federation, MeshNode

from qrfld.crypto import addresses, certificates
from qrfld.crypto.errors import CertificateError
from qrfld.crypto.identity import Identity
from qrfld.net.limits import RECORDS
from qrfld.net.members import Members
from qrfld.protocol.messages import Digest


@pytest.fixture
async def node(federation: Federation) -> MeshNode:
    return await federation.node("node", start=False)


def record(federation: Federation, identity: Identity, sequence: int, port: int = 1) -> bytes:
    return addresses.issue(identity, federation.id, sequence, [f"127.0.0.1:{port}"])


async def test_member_is_learned_once_and_survives_a_restart(
    federation: Federation, node: MeshNode
) -> None:
    members, one = node.peers.members, Identity.generate(1)
    certificate = federation.certificate(one, "one")
    assert (await members.learn(certificate, None))[1]
    assert not (await members.learn(certificate, None))[1]
    assert (await members.learn(certificate, record(federation, one, 3, 33)))[1]
    again = Members(
        members.node_id, members.federation, members.genesis, node.database, {}, lambda: NOW
    )
    await again.load()
    known = again.get(one.node_id)
    assert known is not None
    assert (known.sequence, known.where) == (3, ("127.0.0.1:33",))
    assert again.label(one.node_id) == f"one ({one.node_id.short})"
    assert len(again) == 2


async def test_only_a_newer_address_record_counts(federation: Federation, node: MeshNode) -> None:
    members, one = node.peers.members, Identity.generate(1)
    certificate = federation.certificate(one)
    for sequence, expected in ((5, True), (5, False), (4, False), (6, True)):
        signed = record(federation, one, sequence, port=sequence)
        assert (await members.learn(certificate, signed))[1] == expected
    assert members.addresses(one.node_id) == ["127.0.0.1:6"]


async def test_records_that_come_at_once_leave_the_newest(
    federation: Federation, node: MeshNode
) -> None:
    members, one = node.peers.members, Identity.generate(1)
    certificate = federation.certificate(one)
    sequences = [4, 7, 2, 6]
    await asyncio.gather(
        *(members.learn(certificate, record(federation, one, n, n)) for n in sequences)
    )
    known = members.get(one.node_id)
    assert known is not None
    assert (known.sequence, known.where) == (7, ("127.0.0.1:7",))
    row = await node.database.member(one.node_id)
    assert row is not None
    assert row.addresses == known.record


async def test_member_that_moves_too_often_is_not_followed(
    federation: Federation, node: MeshNode
) -> None:
    members, one = node.peers.members, Identity.generate(1)
    certificate = federation.certificate(one)
    for sequence in range(1, 30):
        await members.learn(certificate, record(federation, one, sequence))
    known = members.get(one.node_id)
    assert known is not None
    assert known.sequence == RECORDS.burst
    other = Identity.generate(1)
    assert (await members.learn(federation.certificate(other), record(federation, other, 1)))[1]


async def test_what_is_not_a_members_own_is_refused(federation: Federation, node: MeshNode) -> None:
    members, one, stranger = node.peers.members, Identity.generate(1), Identity.generate(1)
    certificate = federation.certificate(one)
    foreign = addresses.issue(one, bytes(32), 1, ["127.0.0.1:1"])
    for papers, why in (
        ((certificates.issue(stranger, federation.id, one, "x", now=1), None), "not signed"),
        ((certificates.issue(federation.founder, bytes(32), one, "x", now=1), None), "federation"),
        ((certificate, record(federation, stranger, 1)), "not signed|refused"),
        ((certificate, foreign), "another federation"),
        ((b"x", None), "refused"),
        ((certificate, b"x"), "refused"),
    ):
        with pytest.raises(CertificateError, match=why):
            await members.learn(*papers)
    with pytest.raises(CertificateError, match="showed the certificate of"):
        await members.learn(certificate, None, expected=stranger.node_id)
    assert len(members) == 1
    assert len(await node.database.members()) == 1


async def test_full_federation_takes_nobody(tmp_path: Path) -> None:
    federation = Federation(tmp_path, max_members=2)
    try:
        members = (await federation.node("node", start=False)).peers.members
        one = Identity.generate(1)
        await members.learn(federation.certificate(one), None)
        assert members.full()
        with pytest.raises(CertificateError, match="full: 2 members"):
            await members.learn(federation.certificate(Identity.generate(1)), None)
        assert (await members.learn(federation.certificate(one), record(federation, one, 1)))[1]
    finally:
        await federation.stop()


async def test_digest_is_answered_with_what_it_lacks(
    federation: Federation, node: MeshNode
) -> None:
    members = node.peers.members
    others = [Identity.generate(1) for _ in range(9)]
    for one in others:
        await members.learn(federation.certificate(one), record(federation, one, 2))
    assert list(members.missing_from(members.digest())) == []
    everything = [e for m in members.missing_from(Digest(members=())) for e in m.entries]
    assert len(everything) == 10
    outdated = tuple((n, s - (n == others[0].node_id)) for n, s in members.digest().members)
    (message,) = members.missing_from(Digest(members=outdated))
    assert len(message.entries) == 1
    assert message.entries[0].addresses == record_of(members, others[0])


def record_of(members: Members, identity: Identity) -> bytes | None:
    known = members.get(identity.node_id)
    assert known is not None
    return known.record


async def test_bootstrap_nodes_are_worth_dialling_before_they_are_known(
    federation: Federation, node: MeshNode
) -> None:
    other = await federation.node("other", knows=(node,), start=False)
    assert other.peers.members.targets() == {node.identity.node_id}
    assert other.peers.members.addresses(node.identity.node_id) == [node.address]
    assert other.peers.members.name(node.identity.node_id) == node.identity.node_id.short


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 2**63 - 1))))
def test_digest_of_anybody_is_answered_within_bounds(members: list[tuple[bytes, int]]) -> None:
    table = Members.__new__(Members)
    table._known = {}
    assert list(table.missing_from(Digest(members=tuple(members)))) == []
