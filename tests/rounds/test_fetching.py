"""Bringing a blob here from a member that may be busy."""

from __future__ import annotations

import asyncio

import pytest
from run_sites import Puppet, Site, World

from qrfld.net.errors import TransferError
from qrfld.rounds import fetching
from qrfld.rounds.fetching import fetch
from qrfld.store.errors import BlobMismatchError


async def pair(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Site, Puppet]:
    monkeypatch.setattr(fetching, "PAUSES", (0.01, 0.01))
    site, (puppet,) = await world.cast(1)
    return site, puppet


async def test_blob_that_is_there_comes_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, puppet = await pair(world, monkeypatch)
    blob, size = puppet.put(1.0)
    assert (await fetch(site.node, puppet.id, blob, size)).stat().st_size == size


async def test_blob_that_comes_with_a_later_try_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, puppet = await pair(world, monkeypatch)
    monkeypatch.setattr(fetching, "PAUSES", (0.01,) * 500)
    blob, size = puppet.put(1.0)
    data = puppet.blobs.path(blob).read_bytes()
    puppet.blobs.remove(blob)
    fetched = asyncio.create_task(fetch(site.node, puppet.id, blob, size))
    world.network.disconnect(puppet.id)
    puppet.blobs.put_bytes(data)
    world.network.connect_all()
    assert (await fetched).read_bytes() == data


async def test_blob_that_never_comes_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, puppet = await pair(world, monkeypatch)
    with pytest.raises(TransferError, match="p0 does not send the blob"):
        await fetch(site.node, puppet.id, bytes(32), 100)


async def test_blob_that_is_another_is_not_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, puppet = await pair(world, monkeypatch)
    monkeypatch.setattr(fetching, "PAUSES", (1000.0,))
    blob, size = puppet.put(1.0)
    with pytest.raises(BlobMismatchError):
        await fetch(site.node, puppet.id, blob, size + 1)
