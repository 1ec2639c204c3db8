"""The listening socket: where it binds, whom it hears, how long it waits."""

from __future__ import annotations

import asyncio
import socket

import pytest
from attacker import Attackers
from mesh import Federation, until

from qrfld.crypto.identity import Identity
from qrfld.net import listener as module
from qrfld.net.dialer import connect
from qrfld.net.errors import ListenAddressError, PortInUseError
from qrfld.net.limits import Rate
from qrfld.net.listener import Listener
from qrfld.protocol import wire
from qrfld.protocol.connection import Connection, Endpoint
from qrfld.protocol.errors import ErrorCode


async def test_port_in_use_is_named(federation: Federation) -> None:
    node = await federation.node("node")
    host, _, port = node.address.rpartition(":")
    second = Listener(node.endpoint, node.peers, max_handshakes=8, handshake_seconds=5)
    with pytest.raises(PortInUseError, match=f"cannot listen on {node.address}") as failure:
        await second.start(host, int(port))
    assert "listen.port" in failure.value.hint
    await second.stop()


async def test_address_of_another_machine_cannot_be_listened_on(federation: Federation) -> None:
    node = await federation.node("node")
    second = Listener(node.endpoint, node.peers, max_handshakes=8, handshake_seconds=5)
    with pytest.raises(ListenAddressError, match=r"192\.0\.2\.1"):
        await second.start("192.0.2.1", 0)


async def test_sessions_work_over_ipv6(federation: Federation) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    a = await federation.node("a", host="::1")
    assert a.address.startswith("[::1]:")
    b = await federation.node("b", host="::1", knows=(a,))
    await until("connected", lambda: len(a.peers.connected()) == len(b.peers.connected()) == 2)
    blob = a.blobs.put_bytes(bytes(100_000))
    assert await b.peers.fetch(a.identity.node_id, blob, 100_000)
    assert a.peers.sessions[b.identity.node_id].address.startswith("[::1]:")


async def test_stopped_listener_frees_its_port_and_drops_who_waits(federation: Federation) -> None:
    node = await federation.node("node")
    attackers = Attackers(node, federation)
    try:
        idle = await attackers.wire()
        await until("accepted", lambda: node.listener._pending)
        await node.listener.stop()
        assert await idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await attackers.wire()
    finally:
        await attackers.close()


async def test_caller_beyond_the_handshakes_at_once_is_asked_for_a_cookie(
    federation: Federation,
) -> None:
    node = await federation.node("node", handshakes=2)
    attackers = Attackers(node, federation)
    try:
        for _ in range(2):
            await attackers.wire()
        await until("both wait", lambda: len(node.listener._pending) == 2)
        caller = Endpoint(Identity.generate(1), federation.id, (1,))
        connection = Connection.dial(caller, node.identity.node_id)
        third = await attackers.wire()
        await third.send(*connection.data_to_send())
        head = await third.read(4)
        assert head[:2] == wire.RETRY
        cookie = await third.read(int.from_bytes(head[2:]))
        connection.receive_data(head + cookie)
        await third.send(*connection.data_to_send())
        assert (await third.read(2)) != wire.RETRY
        # and whoever speaks the protocol does not notice
        session = await connect(caller, node.identity.node_id, node.address)
        session.close(ErrorCode.NORMAL, "done")
    finally:
        await attackers.close()


async def test_callers_that_come_too_fast_are_asked_for_cookies_though_nobody_waits(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EAGER", Rate(burst=2, per_second=0))
    node = await federation.node("node")
    attackers = Attackers(node, federation)
    try:
        for _ in range(2):
            noise = await attackers.wire()
            await noise.send(b"noise")
            assert await noise.rest() == b""
        assert not node.listener._pending
        caller = Endpoint(Identity.generate(1), federation.id, (1,))
        third = await attackers.wire()
        await third.send(*Connection.dial(caller, node.identity.node_id).data_to_send())
        assert (await third.read(2)) == wire.RETRY
        session = await connect(caller, node.identity.node_id, node.address)
        session.close(ErrorCode.NORMAL, "done")
    finally:
        await attackers.close()


async def test_cookie_of_another_address_opens_nothing(federation: Federation) -> None:
    node = await federation.node("node", handshakes=0)
    attackers = Attackers(node, federation)
    try:
        caller = Endpoint(Identity.generate(1), federation.id, (1,))
        connection = Connection.dial(caller, node.identity.node_id)
        here, there = await attackers.wire(), await attackers.wire(source="127.0.0.9")
        m1 = b"".join(connection.data_to_send())
        await here.send(m1)
        head = await here.read(4)
        connection.receive_data(head + await here.read(int.from_bytes(head[2:])))
        await there.send(m1)
        await there.read(4 + int.from_bytes(head[2:]))
        await there.send(*connection.data_to_send())
        assert await there.rest() == b""
    finally:
        await attackers.close()


async def test_cookie_secrets_change_and_the_last_one_still_counts(federation: Federation) -> None:
    node = await federation.node("node")
    now = asyncio.get_running_loop().time()
    first = node.listener._cookie_secrets(now)
    assert node.listener._cookie_secrets(now + 1) == first
    later = node.listener._cookie_secrets(now + module.COOKIE_SECRET_SECONDS + 1)
    assert later[1] == first[0]
    assert later[0] not in first


async def test_newest_caller_takes_the_place_of_the_busiest_address(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 4)
    node = await federation.node("node")
    attackers = Attackers(node, federation)
    try:
        modest = await attackers.wire(source="127.0.0.9")
        await until("accepted", lambda: len(node.listener._pending) == 1)
        for _ in range(10):
            await attackers.wire(source="127.0.0.10")
        await until("all were heard", lambda: _hosts(node.listener).count("127.0.0.10") == 3)
        assert len(node.listener._pending) == 4
        assert "127.0.0.9" in _hosts(node.listener)
        assert not modest.reader.at_eof()
    finally:
        await attackers.close()


def _hosts(listener: Listener) -> list[str]:
    return [link.address.rpartition(":")[0] for link in listener._pending]
