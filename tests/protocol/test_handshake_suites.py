"""Whole handshakes in the suites that need liboqs, and in a private one that a plugin brings."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from protocol_pair import (
    Pair,
    bulk_pair,
    endpoint,
    flipped,
    fresh_pair,
    identity,
    open_pair,
    taken,
)
from toy_suites import TOY, install_toy, skip_unless_served

from qrfld.crypto.errors import UnsupportedSuiteError
from qrfld.crypto.suites import suite
from qrfld.protocol import wire
from qrfld.protocol.connection import Connection, State
from qrfld.protocol.cookies import CookieGate
from qrfld.protocol.errors import HandshakeError, SilentRejectError, SuiteError
from qrfld.protocol.events import MessageReceived, SessionEstablished
from qrfld.protocol.messages import RunSync

#: Suite and the lengths of M1, M2, M3.
SIZES = {3: (895, 4584, 3750), 4: (9711, 15_097, 5279), TOY: (1663, 5384, 3750)}


@pytest.fixture(params=SIZES)
def number(request: pytest.FixtureRequest, site: Path) -> int:
    """Each suite in turn; skipped where it cannot be served."""
    skip_unless_served(request.param)
    install_toy(site)
    identity.cache_clear()  # another test's plugin is not this one's
    return int(request.param)


def test_handshake_messages_have_the_sizes_of_the_spec(number: int) -> None:
    pair = fresh_pair(suite_id=number)
    m1 = taken(pair.initiator)
    pair.responder.receive_data(m1)
    m2 = taken(pair.responder)
    pair.initiator.receive_data(m2)
    m3 = taken(pair.initiator)
    assert (len(m1), len(m2), len(m3)) == SIZES[number]
    chosen = suite(number)
    assert (wire.whole_m1_size(chosen), wire.m2_size(chosen), wire.sealed_size(chosen)) == SIZES[
        number
    ]


@pytest.mark.parametrize("chacha", [False, True])
def test_handshake_completes_and_messages_flow(number: int, chacha: bool) -> None:
    pair = fresh_pair(suite_id=number, chacha=chacha)
    (established,), (answered,) = pair.heard()
    assert isinstance(established, SessionEstablished)
    assert isinstance(answered, SessionEstablished)
    assert established.session.suite == answered.session.suite == (2 if chacha else 1) << 8 | number
    assert established.session.node_id == identity("bob", number).node_id
    assert answered.session.node_id == identity("alice", number).node_id
    assert established.session.exporter(b"test", 40) == answered.session.exporter(b"test", 40)
    message = RunSync(run=bytes(16), next_round=3)
    pair.initiator.send_message(message)
    pair.initiator.rekey()
    pair.initiator.send_message(message)
    _, heard = pair.heard()
    assert [e.message for e in heard if isinstance(e, MessageReceived)] == [message, message]


def test_bulk_connection_joins_a_session(number: int) -> None:
    joined = bulk_pair(open_pair(suite_id=number))
    joined.heard()
    assert joined.initiator.state is joined.responder.state is State.OPEN


def test_bytes_that_come_one_by_one_and_with_a_cookie_are_enough(number: int) -> None:
    gate = CookieGate((b"s" * 32,), b"address", 0.0)
    pair = fresh_pair(suite_id=number, gate=gate)
    while pair.responder.session is None:
        for byte in taken(pair.initiator):
            pair.responder.receive_data(bytes([byte]))
        for byte in taken(pair.responder):
            pair.initiator.receive_data(bytes([byte]))
    assert pair.initiator.session is not None


@pytest.mark.parametrize("message", [2, 3])
def test_changing_a_message_is_noticed(number: int, message: int) -> None:
    """At its beginning, in the middle of its long field, and at its end."""
    for at in (2, 40, SIZES[number][message - 1] // 2, SIZES[number][message - 1] - 1):
        pair: Pair = fresh_pair(suite_id=number)
        pair.responder.receive_data(taken(pair.initiator))
        m2 = taken(pair.responder)
        victim, sent = pair.initiator, m2
        if message == 3:
            pair.initiator.receive_data(m2)
            victim, sent = pair.responder, taken(pair.initiator)
        with pytest.raises(HandshakeError):
            victim.receive_data(flipped(sent, at))
        assert victim.state is State.CLOSED
        assert taken(victim) == b""


def test_stranger_makes_us_hold_one_m1_of_our_suite_at_most(number: int) -> None:
    """Whatever is sent: a wrong mac1 ends the connection, and what was gathered goes with it."""
    connection = Connection.accept(endpoint("bob", suite_id=number), {}, None)
    most = wire.whole_m1_size(suite(number), offers=8, cookie=40)
    offers = bytes([1, number]) * 8
    m1 = b"QRFL\x01\0\0\0\x08" + offers
    m1 += bytes(32 + suite(number).kem_sizes.public_key + 32) + b"\0\x28"
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        connection.receive_data(m1)
        held, _ = tracemalloc.get_traced_memory()
        with pytest.raises(SilentRejectError):
            connection.receive_data(bytes(100_000))
    finally:
        tracemalloc.stop()
    assert len(m1) + 40 + 16 == most
    assert held - before < 2 * most + 4096


def test_suite_whose_plugin_is_gone_has_no_handshake(site: Path) -> None:
    with pytest.raises(UnsupportedSuiteError, match="private suite 64 is not known here"):
        fresh_pair(suite_id=TOY)


def test_m2_that_names_another_private_suite_is_refused_at_once(site: Path) -> None:
    install_toy(site)
    initiator = fresh_pair(suite_id=TOY).initiator
    with pytest.raises(SuiteError, match="0x0141, which was not offered"):
        initiator.receive_data(b"\x01\x41")
