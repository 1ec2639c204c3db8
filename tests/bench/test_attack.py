from __future__ import annotations

import asyncio
import socket

import pytest

from qrfld.bench import attack
from qrfld.crypto.identity import Identity
from qrfld.protocol import wire
from qrfld.protocol.connection import Connection
from qrfld.protocol.errors import ProtocolError, SilentRejectError
from qrfld.protocol.session import Endpoint
from qrfld.protocol.tickets import TicketGate, Tickets


def test_messages_are_refused_but_for_the_one_that_knows_both_ids() -> None:
    identity, federation = Identity.generate(1), bytes(32)
    endpoint, tickets = Endpoint(identity, federation, (1,)), TicketGate(Tickets(), 0.0)
    outcomes: list[str] = []
    for message in attack.messages(federation, identity.node_id)[:7]:
        connection = Connection.accept(endpoint, {}, None, tickets)
        try:
            connection.receive_data(message)
        except SilentRejectError:
            outcomes.append("refused")
        else:
            outcomes.append("answered" if connection.data_to_send() else "waiting")
    assert outcomes == ["refused"] * 4 + ["waiting", "refused", "answered"]
    connection = Connection.accept(endpoint, {}, None, tickets)
    with pytest.raises(ProtocolError, match="mac1"):
        connection.receive_data(attack.messages(bytes(31) + b"\1", identity.node_id)[6])


def test_sources_are_different_loopback_addresses() -> None:
    found = attack.sources(600)
    assert len(set(found)) == 600
    assert all(address.startswith("127.77.") for address in found)


def test_flood_counts_what_was_accepted_and_what_was_not() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        target = server.getsockname()
        turns = iter([False] * 12 + [True])
        sent = attack.flood(target, [b"x"], ["127.77.0.1"], 1e6, lambda: next(turns))
        assert (sent.made, sent.failed) == (12, 0)
        peer, name = server.accept()
        with peer:
            assert (name[0], peer.recv(10)) == ("127.77.0.1", b"x")
    turns = iter([False, True])
    sent = attack.flood(target, [b"x"], ["127.77.0.1"], 1e6, lambda: next(turns))
    assert (sent.made, sent.failed) == (0, 1)


async def test_flooding_process_stops_when_it_is_told() -> None:
    seen = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(len(wire.MAGIC)) == wire.MAGIC:
            seen.set()
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        target = server.sockets[0].getsockname()
        with attack.flooding(target, [wire.MAGIC], ["127.77.0.1"], 50.0) as stop:
            await seen.wait()
            sent = stop()
    assert sent.made >= 1
    assert sent.seconds > 0
