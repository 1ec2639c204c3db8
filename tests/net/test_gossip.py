"""How members learn of each other, however much there is to tell."""

from __future__ import annotations

import logging
from functools import cache

import pytest
from mesh import Federation, MeshNode, until

from qrfld.crypto import addresses
from qrfld.crypto.identity import Identity
from qrfld.protocol.messages import Digest

#: More than the message credit of a session carries at once.
HALF = 60


@cache
def crowd() -> list[Identity]:
    return [Identity.generate(1) for _ in range(2 * HALF)]


async def teach(federation: Federation, node: MeshNode, members: list[Identity]) -> None:
    for one in members:
        await node.peers.members.learn(federation.certificate(one), None)


async def test_two_halves_that_lack_each_other_merge(tmp_path: object) -> None:
    federation = Federation(tmp_path, max_members=1000)  # type: ignore[arg-type]
    try:
        a = await federation.node("a", start=False)
        b = await federation.node("b", knows=(a,), start=False)
        await teach(federation, a, crowd()[:HALF])
        await teach(federation, b, crowd()[HALF:])
        a.peers.start()
        b.peers.start()
        session = await connected(a, b)
        for node in (a, b):
            await until("all known", lambda n=node: len(n.peers.members) == 2 + 2 * HALF)
        assert a.peers.sessions[b.identity.node_id] is session
    finally:
        await federation.stop()


async def connected(a: MeshNode, b: MeshNode) -> object:
    await until("connected", lambda: b.identity.node_id in a.peers.connected())
    return a.peers.sessions[b.identity.node_id]


async def test_new_address_reaches_those_who_were_not_told(federation: Federation) -> None:
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    c = await federation.node("c", knows=(a,))
    for node in (a, b, c):
        await until("full mesh", lambda n=node: len(n.peers.connected()) == 3)
    record = addresses.issue(c.identity, federation.id, 2, ["127.0.0.1:9"])
    await b.peers.members.learn(c.certificate, record)
    await b.peers._gossip.pass_on([c.identity.node_id], not_to=c.identity.node_id)
    await until(
        "told", lambda: a.peers.members.addresses(c.identity.node_id)[:1] == ["127.0.0.1:9"]
    )


async def test_digests_beyond_the_share_are_ignored(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    a = await federation.node("a")
    b = await federation.node("b", knows=(a,))
    await until("connected", lambda: len(b.peers.connected()) == 2)
    for _ in range(10):
        await b.peers.send(a.identity.node_id, Digest(members=()))
    await until("ignored", lambda: "ignored a digest of b" in caplog.text)
    assert len(a.peers.connected()) == 2
