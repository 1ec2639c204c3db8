"""Blobs between real nodes: whole or not at all."""

from __future__ import annotations

import asyncio
import os

import pytest
from mesh import Federation, MeshNode, until

from qrfld.crypto.identity import NodeId
from qrfld.errors import QrfldError
from qrfld.net.errors import TransferError
from qrfld.net.limits import DOWNLOADS
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.tensors import blob_hash
from qrfld.store.errors import BlobMismatchError, DiskFullError


async def pair(federation: Federation) -> tuple[MeshNode, MeshNode]:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    await until("connected", lambda: len(a.peers.connected()) == len(b.peers.connected()) == 2)
    return a, b


@pytest.mark.parametrize("size", [0, 1, 65536, 20_000_003])
async def test_blob_arrives_whole_in_either_direction(federation: Federation, size: int) -> None:
    a, b = await pair(federation)
    data = os.urandom(size)
    for source, target in ((a, b), (b, a)):
        blob = source.blobs.put_bytes(data)
        path = await target.peers.fetch(source.identity.node_id, blob, size)
        assert path.read_bytes() == data
        target.blobs.remove(blob)


async def test_many_blobs_at_once_share_the_streams(federation: Federation) -> None:
    a, b = await pair(federation)
    blobs = [a.blobs.put_bytes(os.urandom(300_000)) for _ in range(20)]
    paths = await asyncio.gather(
        *(b.peers.fetch(a.identity.node_id, blob, 300_000) for blob in blobs)
    )
    assert [blob_hash(path.read_bytes()) for path in paths] == blobs


async def test_peer_that_has_not_the_blob_is_named(federation: Federation) -> None:
    a, b = await pair(federation)
    with pytest.raises(TransferError, match=a.identity.node_id.short):
        await b.peers.fetch(a.identity.node_id, bytes(32), 100)
    assert b.blobs.names() == []


async def test_wrong_size_leaves_nothing_behind(federation: Federation) -> None:
    a, b = await pair(federation)
    blob = a.blobs.put_bytes(bytes(1000))
    for wrong in (999, 1001):
        with pytest.raises((TransferError, BlobMismatchError)):
            await b.peers.fetch(a.identity.node_id, blob, wrong)
    assert b.blobs.names() == []
    assert list((b.blobs.path(blob).parent.parent / "spool").iterdir()) == []


async def test_blob_beyond_the_spool_allowance_is_refused_before_a_byte(
    federation: Federation,
) -> None:
    a, b = await pair(federation)
    with pytest.raises(DiskFullError):
        await b.peers.fetch(a.identity.node_id, bytes(32), 2 << 30)


async def test_session_that_dies_in_a_transfer_ends_it(federation: Federation) -> None:
    a, b = await pair(federation)
    blob = a.blobs.put_bytes(bytes(50_000_000))
    fetch = asyncio.create_task(b.peers.fetch(a.identity.node_id, blob, 50_000_000))
    session = b.peers.sessions[a.identity.node_id]
    await until("bytes flow", lambda: session.bytes_received > 1_000_000)
    session.abort(ConnectionResetError("cable"))
    with pytest.raises(TransferError):
        await fetch
    assert b.blobs.names() == []


async def test_two_callers_share_a_transfer_and_either_may_leave(federation: Federation) -> None:
    a, b = await pair(federation)
    data = os.urandom(20_000_000)
    blob = a.blobs.put_bytes(data)
    one, other = (
        asyncio.create_task(b.peers.fetch(a.identity.node_id, blob, len(data))) for _ in range(2)
    )
    session = b.peers.sessions[a.identity.node_id]
    await until("bytes flow", lambda: session.bytes_received > 1_000_000)
    assert len(session.incoming) == 1
    one.cancel()
    assert (await other).read_bytes() == data
    assert one.cancelled()


async def test_transfer_that_nobody_waits_for_ends_and_leaves_nothing(
    federation: Federation,
) -> None:
    a, b = await pair(federation)
    blob = a.blobs.put_bytes(bytes(50_000_000))
    session = b.peers.sessions[a.identity.node_id]
    for _ in range(10):  # more often than there are streams
        fetch = asyncio.create_task(b.peers.fetch(a.identity.node_id, blob, 50_000_000))
        before = session.bytes_received
        await until("bytes flow", lambda n=before: session.bytes_received > n + 300_000)
        fetch.cancel()
        await asyncio.gather(fetch, return_exceptions=True)
        await until("over", lambda: not session.incoming and not b.peers.transfers._fetching)
    assert b.blobs.names() == []
    assert list(b.blobs._spool.iterdir()) == []
    assert b.blobs._reserved == 0
    assert not session.closed.is_set()
    small = a.blobs.put_bytes(b"still there")
    assert await b.peers.fetch(a.identity.node_id, small, 11)


async def test_session_that_ends_before_the_request_leaves_nothing(federation: Federation) -> None:
    a, b = await pair(federation)
    session = b.peers.sessions[a.identity.node_id]
    fetch = asyncio.create_task(b.peers.transfers.fetch(session, bytes(32), 1000))
    session.abort(ConnectionResetError("cable"))
    with pytest.raises(QrfldError):
        await fetch
    assert list(b.blobs._spool.iterdir()) == []
    assert b.blobs._reserved == 0


async def test_blob_that_is_here_is_not_asked_for(federation: Federation) -> None:
    a, b = await pair(federation)
    blob = b.blobs.put_bytes(b"here")
    assert (await b.peers.fetch(a.identity.node_id, blob, 4)).read_bytes() == b"here"
    with pytest.raises(TransferError, match="no session"):
        await b.peers.fetch(NodeId(bytes(32)), bytes(32), 4)


async def test_same_blob_asked_for_too_often_is_rationed_and_others_are_not(
    federation: Federation,
) -> None:
    a, b = await pair(federation)
    often, once = a.blobs.put_bytes(b"often"), a.blobs.put_bytes(b"once!")
    node = a.identity.node_id
    for _ in range(int(DOWNLOADS.burst)):
        await b.peers.fetch(node, often, 5)
        b.blobs.remove(often)
    with pytest.raises(TransferError, match=f"code {ErrorCode.RATE_LIMITED:d}"):
        await b.peers.fetch(node, often, 5)
    assert (await b.peers.fetch(node, once, 5)).read_bytes() == b"once!"


async def test_many_different_blobs_in_a_row_are_not_rationed(federation: Federation) -> None:
    a, b = await pair(federation)
    for number in range(100):
        data = number.to_bytes(4)
        blob = a.blobs.put_bytes(data)
        assert (await b.peers.fetch(a.identity.node_id, blob, 4)).read_bytes() == data
