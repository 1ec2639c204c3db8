"""Who may say what first, in a session of signatures and in a resumed one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from attacker import Attackers, Speaker
from mesh import Federation, MeshNode, until

from qrfld.crypto.identity import Identity
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.messages import Hello, Join, Welcome

BARE = Hello(software="attack/1")


@pytest.fixture
async def node(federation: Federation) -> MeshNode:
    return await federation.node("node")


@pytest.fixture
async def attackers(node: MeshNode, federation: Federation) -> AsyncIterator[Attackers]:
    those = Attackers(node, federation)
    yield those
    await those.close()


async def resumed(attackers: Attackers, identity: Identity) -> Speaker:
    """A session that continues an admitted member's, which the node has lost."""
    control, _ = await attackers.member(identity)
    peers = attackers.target.peers
    await until("served", lambda: identity.node_id in peers.connected())
    await control.wire.close()
    await until("lost", lambda: identity.node_id not in peers.sessions)
    return await attackers.resumed(identity, control)


async def refused(speaker: Speaker) -> str:
    """Why the node closed the session."""
    closed = await speaker.end()
    assert closed is not None
    assert closed.code == ErrorCode.NOT_ADMITTED
    return closed.reason


async def test_member_says_hello_without_documents_in_a_resumed_session(
    node: MeshNode, attackers: Attackers
) -> None:
    identity = Identity.generate(1)
    speaker = await resumed(attackers, identity)
    await speaker.tell(BARE)
    hello = await speaker.heard_message(Hello)
    assert hello.certificate is None
    assert hello.addresses is None
    assert hello.software.startswith("qrfld/")
    await attackers.bulk(speaker)
    await until("served", lambda: identity.node_id in node.peers.connected())
    assert node.peers.sessions[identity.node_id].protocol.resumed
    assert node.peers.describe(identity.node_id, 0.0)["resumed"]


async def test_member_may_show_its_certificate_in_a_resumed_session(
    node: MeshNode, attackers: Attackers
) -> None:
    identity = Identity.generate(1)
    speaker = await resumed(attackers, identity)
    await speaker.tell(attackers.hello(identity))
    assert await speaker.heard_message(Hello)


async def test_certificate_of_another_is_refused_in_a_resumed_session(
    attackers: Attackers,
) -> None:
    speaker = await resumed(attackers, Identity.generate(1))
    await speaker.tell(attackers.hello(Identity.generate(1)))
    assert "showed the certificate of" in await refused(speaker)


async def test_hello_without_a_certificate_is_refused_after_a_full_handshake(
    node: MeshNode, attackers: Attackers
) -> None:
    identity = Identity.generate(1)
    await attackers.member(identity)  # even of one who is known as a member
    await until("served", lambda: identity.node_id in node.peers.connected())
    speaker = await attackers.stranger(identity)
    await speaker.tell(BARE)
    assert "shows no certificate" in await refused(speaker)


async def test_join_is_refused_in_a_resumed_session(
    federation: Federation, node: MeshNode, attackers: Attackers
) -> None:
    token = await federation.token(node)
    speaker = await resumed(attackers, Identity.generate(1))
    await speaker.tell(Join(token_id=token.token_id, secret=token.secret, name="again"))
    assert "Join came before a hello" in await refused(speaker)
    joiner = await attackers.stranger()
    await joiner.tell(Join(token_id=token.token_id, secret=token.secret, name="new"))
    assert await joiner.heard_message(Welcome)


async def test_peer_that_is_no_member_any_more_is_refused_and_its_tickets_are_gone(
    node: MeshNode, attackers: Attackers
) -> None:
    identity = Identity.generate(1)
    speaker = await resumed(attackers, identity)
    assert len(node.peers.tickets) > 0
    del node.peers.members._known[identity.node_id]
    await speaker.tell(BARE)
    assert "no member any more" in await refused(speaker)
    assert len(node.peers.tickets) == 0


async def test_stranger_and_joiner_leave_no_tickets(
    federation: Federation, node: MeshNode, attackers: Attackers
) -> None:
    token = await federation.token(node)
    joiner, liar = await attackers.stranger(), await attackers.stranger()
    await joiner.tell(Join(token_id=token.token_id, secret=token.secret, name="new"))
    await joiner.heard_message(Hello)
    await liar.tell(BARE)
    await refused(liar)
    assert len(node.peers.tickets) == 0
