"""Who may read which blob."""

from __future__ import annotations

import pytest
from mesh import Federation, until

from qrfld.crypto.identity import NodeId
from qrfld.net.errors import TransferError
from qrfld.net.offers import Offers
from qrfld.net.transfer import Transfers
from qrfld.protocol.errors import ErrorCode

A, B, C = (NodeId(bytes([n]) * 32) for n in range(3))
BLOB = b"b" * 32


def test_blob_that_was_not_offered_is_read_by_nobody() -> None:
    assert not Offers().allows(A, BLOB)


def test_offer_opens_a_blob_to_those_it_names_and_adds_up() -> None:
    offers = Offers()
    offers.offer(BLOB, [A])
    offers.offer(BLOB, [B])
    assert [offers.allows(node, BLOB) for node in (A, B, C)] == [True, True, False]
    assert not offers.allows(A, b"c" * 32)


def test_blob_withdrawn_is_closed_to_all() -> None:
    offers = Offers()
    offers.offer(BLOB, [A])
    offers.withdraw(BLOB)
    offers.withdraw(BLOB)
    assert not offers.allows(A, BLOB)


async def test_member_that_knows_a_hash_gets_only_what_it_was_offered(
    federation: Federation,
) -> None:
    """The attack: a record names everybody's update, and any member could ask for it."""
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    a.peers.transfers = Transfers(a.blobs, a.peers.offers.allows)
    for session in a.peers.sessions.values():
        session.abort(ConnectionResetError("begin again"))
    await until("connected", lambda: len(a.peers.connected()) == len(b.peers.connected()) == 2)
    blob = a.blobs.put_bytes(b"an update")
    a.peers.offer(blob, [C])
    with pytest.raises(TransferError, match=f"code {ErrorCode.NOT_FOUND:d}"):
        await b.peers.fetch(a.identity.node_id, blob, 9)
    a.peers.offer(blob, [b.identity.node_id])
    assert (await b.peers.fetch(a.identity.node_id, blob, 9)).read_bytes() == b"an update"
