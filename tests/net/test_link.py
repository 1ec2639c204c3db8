"""One socket and one connection: what goes through, what is held, how it ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from mesh import until
from protocol_pair import endpoint

from qrfld.net import link as module
from qrfld.net.link import BULK_READ_BUFFER, Link, format_address
from qrfld.protocol.connection import Connection
from qrfld.protocol.errors import ErrorCode, TruncatedError
from qrfld.protocol.events import ConnectionClosed, Event, MessageReceived, SessionEstablished
from qrfld.protocol.messages import RunOffer

OFFER = RunOffer(config=bytes(40_000))


@dataclass(eq=False)
class Owner:
    """Remembers what it was told."""

    events: list[Event] = field(default_factory=list)
    lost: list[Exception | None] = field(default_factory=list)

    def link_event(self, link: Link, event: Event) -> None:
        self.events.append(event)

    def link_lost(self, link: Link, error: Exception | None) -> None:
        self.lost.append(error)

    def count(self, kind: type[Event]) -> int:  # type: ignore[type-arg]
        return sum(isinstance(event, kind) for event in self.events)  # type: ignore[arg-type]


@dataclass(eq=False)
class Pair:
    """Two links, shaken hands."""

    dialler: Link
    accepted: Link
    one: Owner
    other: Owner
    server: asyncio.Server


@pytest.fixture
async def pair() -> Pair:
    loop, one, other, accepted = asyncio.get_running_loop(), Owner(), Owner(), []
    bob = endpoint("bob")

    def accept() -> Link:
        accepted.append(Link(lambda _: Connection.accept(bob, {}, None), other))
        return accepted[0]

    server = await loop.create_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    dial = Connection.dial(endpoint("alice"), bob.identity.node_id)
    _, dialler = await loop.create_connection(lambda: Link(lambda _: dial, one), "127.0.0.1", port)
    await until("open", lambda: other.count(SessionEstablished))
    yield Pair(dialler, accepted[0], one, other, server)
    for link in (dialler, accepted[0]):
        link.abort()
    server.close()
    await until("both are gone", lambda: one.lost and other.lost)


async def test_messages_pass_and_bytes_are_counted(pair: Pair) -> None:
    pair.dialler.connection.send_message(OFFER)
    pair.dialler.flush()
    await until("heard", lambda: pair.other.count(MessageReceived))
    assert pair.dialler.bytes_sent == pair.accepted.bytes_received > 40_000
    assert pair.accepted.address.startswith("127.0.0.1:")


async def test_closing_says_why_and_ends_both(pair: Pair) -> None:
    pair.dialler.connection.send_message(OFFER)
    pair.dialler.connection.close(ErrorCode.NORMAL, "bye")
    pair.dialler.close()
    await until("gone", lambda: pair.one.lost and pair.other.lost)
    assert pair.other.count(MessageReceived) == 1
    assert ConnectionClosed(ErrorCode.NORMAL, "bye", remote=True) in pair.other.events
    assert pair.one.lost == [None]
    assert not pair.dialler.alive


async def test_aborting_tells_the_owner_once_with_the_first_error(pair: Pair) -> None:
    first = ConnectionAbortedError("first")
    pair.dialler.abort(first)
    pair.dialler.abort(ConnectionAbortedError("second"))
    await until("gone", lambda: pair.one.lost and pair.other.lost)
    assert pair.one.lost == [first]
    assert len(pair.other.lost) == 1


async def test_end_without_a_goodbye_is_a_truncation(pair: Pair) -> None:
    pair.dialler._transport.write_eof()  # type: ignore[union-attr]
    await until("gone", lambda: pair.other.lost)
    assert isinstance(pair.other.lost[0], TruncatedError)


async def test_held_link_reads_nothing_until_let_go(pair: Pair) -> None:
    pair.accepted.hold(True)
    assert pair.accepted.held
    pair.dialler.connection.send_message(OFFER)
    pair.dialler.flush()
    await asyncio.sleep(0.05)
    assert pair.other.count(MessageReceived) == 0
    before = pair.accepted.last_received
    pair.accepted.hold(False)
    assert pair.accepted.last_received > before  # our own rest is not the peer's silence
    await until("heard", lambda: pair.other.count(MessageReceived))


async def test_peer_that_does_not_read_is_dropped(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_UNSENT", 64 * 1024)
    pair.accepted.hold(True)
    while pair.dialler.alive:
        pair.dialler.connection.send_ping(bytes(8))
        pair.dialler.connection._output *= 2000
        pair.dialler.flush()
    await until("gone", lambda: pair.one.lost)
    assert "does not read" in str(pair.one.lost[0])


async def test_nothing_is_written_after_the_end(pair: Pair) -> None:
    pair.dialler.abort()
    await until("gone", lambda: pair.one.lost)
    sent = pair.dialler.bytes_sent
    pair.dialler.connection.send_ping(bytes(8))
    pair.dialler.flush()
    pair.dialler.hold(True)
    await pair.dialler.drain()
    assert pair.dialler.bytes_sent == sent
    assert not pair.dialler.held


async def test_control_link_reads_in_small_pieces(pair: Pair) -> None:
    assert len(pair.accepted.get_buffer(-1)) == module.READ_BUFFER < BULK_READ_BUFFER


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (("127.0.0.1", 7483), "127.0.0.1:7483"),
        (("::1", 7483, 0, 0), "[::1]:7483"),
        (None, "unknown"),
        ("/run/socket", "unknown"),
    ],
)
def test_address_is_written_as_it_is_read(name: object, text: str) -> None:
    assert format_address(name) == text
