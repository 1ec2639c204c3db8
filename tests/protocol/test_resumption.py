"""Resumption between honest nodes, and every attack on it that PROTOCOL.md claims to withstand."""

from __future__ import annotations

import hashlib
import hmac
import tracemalloc
from dataclasses import replace

import pytest
from protocol_pair import (
    OTHER_FEDERATION,
    Pair,
    Resumable,
    endpoint,
    flipped,
    identity,
    inject,
    open_pair,
    resumable,
    taken,
)

from qrfld.crypto import dh, labels
from qrfld.crypto.suites import suite
from qrfld.protocol import resumption
from qrfld.protocol.connection import Connection, State
from qrfld.protocol.errors import (
    HandshakeError,
    KeyShareError,
    ResumptionError,
    SilentRejectError,
    TruncatedError,
    UnexpectedFrameError,
)
from qrfld.protocol.events import MessageReceived, SessionEstablished
from qrfld.protocol.frames import RESUME_CONFIRM
from qrfld.protocol.keys import Chain, derive
from qrfld.protocol.messages import RunSync
from qrfld.protocol.records import Sealer
from qrfld.protocol.resumption import S3_SIZE, s1_size, s2_size
from qrfld.protocol.tickets import LIFETIME, Ticket, TicketGate, Tickets

ALICE, BOB, CAROL = identity("alice"), identity("bob"), identity("carol")
#: Offsets in suite 1.
KEM_AT, DH_AT, MAC_AT = 53, 1237, 1269
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def accepting(tickets: Tickets, name: str = "bob", now: float = 1.0) -> Connection:
    return Connection.accept(endpoint(name), {}, None, TicketGate(tickets, now))


def ticket_of(nodes: Resumable) -> Ticket:
    """The one with which Alice may dial Bob; it is gone from her store."""
    ticket = nodes.alice.take(BOB.node_id, 1.0)
    assert ticket is not None
    return ticket


def with_mac(s1: bytes, ticket: Ticket) -> bytes:
    """S1 as one who knows the ticket's secret would send it after changing it."""
    key = derive(ticket.suite, ticket.secret, labels.RESUME_MAC)
    return s1[:-32] + hmac.digest(key, s1[:-32], "sha256")


def assert_dead_and_silent(connection: Connection) -> None:
    assert connection.state is State.CLOSED
    assert taken(connection) == b""
    assert connection.events_received() == []
    assert connection.session is None


def assert_held(nodes: Resumable) -> None:
    """Nothing that happened has used up what Alice dials with."""
    assert nodes.bob.find(nodes.alice_dials.name, 1.0) is not None


# Honest nodes


@pytest.mark.parametrize(("suite_id", "sizes"), [(1, (1301, 1184, 21)), (2, (1685, 1664, 21))])
def test_resumption_has_the_sizes_of_the_spec(suite_id: int, sizes: tuple[int, int, int]) -> None:
    pair = resumable(suite_id=suite_id).pair()
    s1 = taken(pair.initiator)
    pair.responder.receive_data(s1)
    s2 = taken(pair.responder)
    pair.initiator.receive_data(s2)
    assert (len(s1), len(s2), len(taken(pair.initiator))) == sizes
    assert (s1_size(suite(suite_id)), s2_size(suite(suite_id)), S3_SIZE) == sizes


@pytest.mark.parametrize("chacha", [False, True])
@pytest.mark.parametrize("suite_id", [1, 2])
def test_resumption_completes_and_both_sides_agree(suite_id: int, *, chacha: bool) -> None:
    nodes = resumable(suite_id=suite_id, chacha=chacha)
    pair = nodes.pair()
    (established,), (answered,) = pair.heard()
    assert isinstance(established, SessionEstablished)
    assert isinstance(answered, SessionEstablished)
    ours, theirs = established.session, answered.session
    assert ours.peer == identity("bob", suite_id).public
    assert theirs.peer == identity("alice", suite_id).public
    assert (ours.initiator, theirs.initiator) == (True, False)
    assert (ours.resumed, theirs.resumed) == (True, True)
    assert ours.session_id == theirs.session_id
    assert ours.suite == theirs.suite == (0x0200 if chacha else 0x0100) | suite_id
    assert ours.bulk.secret == theirs.bulk.secret
    assert ours.exporter(b"test", 40) == theirs.exporter(b"test", 40)


def test_session_of_a_full_handshake_is_not_resumed() -> None:
    session = open_pair().initiator.session
    assert session is not None
    assert not session.resumed


def test_resumed_session_carries_messages_both_ways() -> None:
    pair = resumable().pair()
    pair.heard()
    message = RunSync(run=bytes(16), next_round=1)
    pair.initiator.send_message(message)
    pair.responder.send_message(message)
    for heard in pair.heard():
        (event,) = heard
        assert isinstance(event, MessageReceived)
        assert event.message == message


def test_initiator_sends_behind_s3_at_once() -> None:
    pair = resumable().pair()
    pair.responder.receive_data(taken(pair.initiator))
    pair.initiator.receive_data(taken(pair.responder))
    pair.initiator.send_message(RunSync(run=bytes(16), next_round=1))
    pair.responder.receive_data(taken(pair.initiator))
    kinds = [type(event) for event in pair.responder.events_received()]
    assert kinds == [SessionEstablished, MessageReceived]


def test_either_side_dials_with_its_own_ticket() -> None:
    nodes = resumable()
    nodes.pair("bob", "alice").heard()
    nodes = resumable()
    nodes.pair("alice", "bob").heard()


def test_both_sides_dial_at_once_and_both_succeed() -> None:
    nodes = resumable()
    one, other = nodes.pair("alice", "bob"), nodes.pair("bob", "alice")
    s1 = [taken(pair.initiator) for pair in (one, other)]
    for pair, message in zip((one, other), s1, strict=True):
        pair.responder.receive_data(message)
    ids = set()
    for pair in (one, other):
        pair.heard()
        assert pair.initiator.session is not None
        ids.add(pair.initiator.session.session_id)
    assert len(ids) == 2


def test_sessions_are_resumed_from_resumed_sessions() -> None:
    nodes = resumable()
    names = set()
    for dialler, dialled in (("alice", "bob"), ("alice", "bob"), ("bob", "alice")):
        pair = nodes.pair(dialler, dialled)
        pair.heard()
        assert pair.initiator.session is not None
        assert pair.initiator.session.resumed_until == LIFETIME
        nodes.keep(pair, dialler, dialled, now=2.0)
        names.add(nodes.alice_dials.name)
    assert len(names) == 3


def test_resumption_byte_by_byte_answers_only_with_the_last() -> None:
    pair = resumable().pair()
    for byte in taken(pair.initiator):
        assert taken(pair.responder) == b""
        pair.responder.receive_data(bytes([byte]))
    for byte in taken(pair.responder):
        assert taken(pair.initiator) == b""
        pair.initiator.receive_data(bytes([byte]))
    for byte in taken(pair.initiator):
        assert pair.responder.events_received() == []
        pair.responder.receive_data(bytes([byte]))
    assert len(pair.responder.events_received()) == 1


# Silence to strangers


def test_flipping_any_byte_of_s1_gets_silence_and_costs_no_ticket() -> None:
    nodes = resumable()
    s1 = taken(nodes.pair().initiator)
    for at in range(len(s1)):
        connection = accepting(nodes.bob)
        with pytest.raises(SilentRejectError):
            connection.receive_data(flipped(s1, at))
        assert_dead_and_silent(connection)
    assert_held(nodes)


def test_truncating_s1_anywhere_gets_silence_and_costs_no_ticket() -> None:
    nodes = resumable()
    s1 = taken(nodes.pair().initiator)
    for length in range(len(s1)):
        connection = accepting(nodes.bob)
        connection.receive_data(s1[:length])
        assert taken(connection) == b""
        with pytest.raises(TruncatedError):
            connection.receive_eof()
        assert_dead_and_silent(connection)
    assert_held(nodes)


def test_unknown_ticket_is_refused_with_its_last_byte() -> None:
    nodes = resumable()
    s1 = taken(nodes.pair().initiator)
    connection = accepting(Tickets())
    connection.receive_data(s1[:20])
    with pytest.raises(SilentRejectError, match="ticket"):
        connection.receive_data(s1[20:21])
    assert_dead_and_silent(connection)


@pytest.mark.parametrize("start", [b"QRFS\x00", b"QRFS\x02"])
def test_another_version_of_s1_gets_silence_at_once(start: bytes) -> None:
    connection = accepting(resumable().bob)
    with pytest.raises(SilentRejectError):
        connection.receive_data(start)
    assert_dead_and_silent(connection)


def test_node_that_resumes_nothing_takes_s1_for_another_protocol() -> None:
    connection = Connection.accept(endpoint("bob"), {}, None)
    with pytest.raises(SilentRejectError, match="not our protocol"):
        connection.receive_data(b"QRFS")
    assert_dead_and_silent(connection)


def test_s1_for_another_node_gets_silence() -> None:
    nodes, others = resumable(), resumable()
    s1 = taken(nodes.pair().initiator)
    connection = accepting(others.bob, "carol")
    with pytest.raises(SilentRejectError):
        connection.receive_data(s1)
    assert_dead_and_silent(connection)


def test_stranger_with_a_ticket_name_makes_no_memory_grow() -> None:
    nodes = resumable()
    flood = b"QRFS\x01" + nodes.alice_dials.name + bytes(1 << 20)
    connection = accepting(nodes.bob)
    tracemalloc.start()
    try:
        with pytest.raises(SilentRejectError):
            connection.receive_data(flood)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


# Replay, reflection, roles


def test_replayed_s1_of_a_resumed_session_gets_silence() -> None:
    nodes = resumable()
    pair = nodes.pair()
    s1 = taken(pair.initiator)
    pair.responder.receive_data(s1)
    pair.heard()
    assert pair.responder.state is State.OPEN
    again = accepting(nodes.bob)
    with pytest.raises(SilentRejectError, match="ticket"):
        again.receive_data(s1)
    assert_dead_and_silent(again)


def test_ticket_is_taken_once_by_the_one_who_dials() -> None:
    nodes = resumable()
    assert nodes.alice.take(BOB.node_id, 1.0) is not None
    assert nodes.alice.take(BOB.node_id, 1.0) is None


def test_two_s1_with_one_ticket_lead_to_one_session() -> None:
    """Alice, or whoever has copied her memory, uses a ticket twice."""
    nodes = resumable()
    ticket = ticket_of(nodes)
    dialling = [Connection.resume(endpoint("alice"), ticket) for _ in range(2)]
    first, second = accepting(nodes.bob), accepting(nodes.bob)
    s1 = [taken(connection) for connection in dialling]
    first.receive_data(s1[0][:100])
    second.receive_data(s1[1][:100])
    first.receive_data(s1[0][100:])
    with pytest.raises(SilentRejectError, match="ticket"):
        second.receive_data(s1[1][100:])
    assert_dead_and_silent(second)


def test_copied_s1_that_wins_the_race_opens_nothing() -> None:
    nodes = resumable()
    s1 = taken(nodes.pair().initiator)
    thief, original = accepting(nodes.bob), accepting(nodes.bob)
    thief.receive_data(s1)
    assert len(taken(thief)) == s2_size(suite(1))
    with pytest.raises(SilentRejectError):
        original.receive_data(s1)
    with pytest.raises(ResumptionError):
        thief.receive_data((17).to_bytes(4) + bytes(17))
    assert_dead_and_silent(thief)


def test_replayed_s1_and_s3_open_nothing() -> None:
    """A responder that has lost its memory of the ticket's use still answers with a fresh key."""
    nodes = resumable()
    ticket = replace(nodes.alice_dials)
    pair = nodes.pair()
    s1 = taken(pair.initiator)
    pair.responder.receive_data(s1)
    pair.initiator.receive_data(taken(pair.responder))
    s3 = taken(pair.initiator)
    forgetful = Tickets()
    forgetful._accept[ticket.name] = replace(ticket, peer=ALICE.public)
    again = accepting(forgetful)
    again.receive_data(s1)
    taken(again)
    with pytest.raises(ResumptionError):
        again.receive_data(s3)
    assert_dead_and_silent(again)


def test_reflected_s1_gets_silence_from_its_author() -> None:
    nodes = resumable()
    connection = accepting(nodes.alice, "alice")
    with pytest.raises(SilentRejectError):
        connection.receive_data(taken(nodes.pair().initiator))
    assert_dead_and_silent(connection)


def test_s1_sent_back_as_an_answer_is_refused() -> None:
    connection = resumable().pair().initiator
    s1 = taken(connection)
    with pytest.raises(HandshakeError):
        connection.receive_data(s1[: s2_size(suite(1))])
    assert_dead_and_silent(connection)


def test_ticket_of_the_other_side_is_refused() -> None:
    """Alice dials Bob with the ticket that Bob was to dial her with."""
    nodes = resumable()
    stolen = nodes.bob.take(ALICE.node_id, 1.0)
    assert stolen is not None
    caller = Connection.resume(endpoint("alice"), replace(stolen, peer=BOB.public))
    connection = accepting(nodes.bob)
    with pytest.raises(SilentRejectError):
        connection.receive_data(taken(caller))
    assert_dead_and_silent(connection)


def test_name_of_one_ticket_with_the_secret_of_the_other_is_refused() -> None:
    nodes = resumable()
    other = nodes.bob.take(ALICE.node_id, 1.0)
    assert other is not None
    mixed = replace(ticket_of(nodes), secret=other.secret)
    connection = accepting(nodes.bob)
    with pytest.raises(SilentRejectError, match="mac"):
        connection.receive_data(taken(Connection.resume(endpoint("alice"), mixed)))
    assert_dead_and_silent(connection)
    assert_held(nodes)


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_other_node_with_a_stolen_ticket_does_not_pass_under_its_own_name(name: str) -> None:
    """Both node IDs are in the transcript: Carol's own on either side makes other keys."""
    nodes = resumable()
    ticket = ticket_of(nodes)
    caller, listener = ("carol", "bob") if name == "alice" else ("alice", "carol")
    initiator = Connection.resume(endpoint(caller), ticket)
    responder = accepting(nodes.bob, listener)
    responder.receive_data(taken(initiator))
    with pytest.raises(ResumptionError):
        initiator.receive_data(taken(responder))
    assert_dead_and_silent(initiator)


def test_ticket_of_another_federation_makes_other_keys() -> None:
    nodes = resumable()
    stranger = endpoint("alice", federation=OTHER_FEDERATION)
    initiator = Connection.resume(stranger, ticket_of(nodes))
    responder = accepting(nodes.bob)
    responder.receive_data(taken(initiator))
    with pytest.raises(ResumptionError):
        initiator.receive_data(taken(responder))
    assert_dead_and_silent(initiator)


def test_s2_and_s3_of_another_resumption_are_refused() -> None:
    first, second = resumable().pair(), resumable().pair()
    s2, s3 = [], []
    for pair in (first, second):
        pair.responder.receive_data(taken(pair.initiator))
        s2.append(taken(pair.responder))
    with pytest.raises(ResumptionError):
        first.initiator.receive_data(s2[1])
    second.initiator.receive_data(s2[1])
    s3 = taken(second.initiator)
    with pytest.raises(ResumptionError):
        first.responder.receive_data(s3)
    assert_dead_and_silent(first.responder)


# Tickets that hold no longer


def test_expired_ticket_is_refused_by_the_one_who_accepts() -> None:
    nodes = resumable()
    s1 = taken(nodes.pair().initiator)
    late = accepting(nodes.bob, now=LIFETIME)
    with pytest.raises(SilentRejectError, match="ticket"):
        late.receive_data(s1)
    assert_dead_and_silent(late)


def test_expired_ticket_is_not_dialled_with() -> None:
    assert resumable().alice.take(BOB.node_id, LIFETIME) is None


def test_ticket_of_a_peer_that_is_no_longer_admitted_is_refused() -> None:
    nodes = resumable()
    s1 = taken(nodes.pair().initiator)
    connection = accepting(nodes.bob)
    connection.receive_data(s1[:500])
    nodes.bob.forget(ALICE.node_id)
    with pytest.raises(SilentRejectError, match="ticket"):
        connection.receive_data(s1[500:])
    assert_dead_and_silent(connection)
    assert nodes.bob.take(ALICE.node_id, 1.0) is None


# Suites


@pytest.mark.parametrize("shown", [1, 2])
def test_s1_of_the_other_suites_length_gets_silence(shown: int) -> None:
    nodes, others = resumable(suite_id=3 - shown), resumable(suite_id=shown)
    ticket = nodes.alice_dials
    other = others.alice_dials
    caller = Connection.resume(
        endpoint("alice", suite_id=shown), replace(other, name=ticket.name, secret=ticket.secret)
    )
    s1 = taken(caller)
    assert len(s1) == s1_size(suite(shown))
    connection = Connection.accept(
        endpoint("bob", suite_id=3 - shown), {}, None, TicketGate(nodes.bob, 1.0)
    )
    if len(s1) < s1_size(suite(3 - shown)):
        connection.receive_data(s1)
        assert taken(connection) == b""
        with pytest.raises(TruncatedError):
            connection.receive_eof()
    else:
        with pytest.raises(SilentRejectError, match="mac"):
            connection.receive_data(s1)
    assert_dead_and_silent(connection)


def test_aead_of_the_session_before_stays() -> None:
    """There is nothing to negotiate in a resumption, hence nothing to downgrade."""
    nodes = resumable(chacha=True)
    pair = nodes.pair()
    pair.heard()
    assert pair.initiator.session is not None
    assert pair.initiator.session.suite == 0x0201


# Agreement on everything sent


def test_flipping_any_byte_of_s2_is_noticed() -> None:
    nodes = resumable()
    ticket = ticket_of(nodes)
    initiator = resumption.ResumeInitiator(endpoint("alice"), ticket)
    responder = resumption.ResumeResponder(endpoint("bob"), TicketGate(nodes.bob, 1.0))
    s2 = responder.receive(initiator.first()).send
    for at in range(len(s2)):
        with pytest.raises(HandshakeError):
            initiator.receive(flipped(s2, at))
    assert initiator.receive(s2).opened is not None


def test_flipping_any_byte_of_s3_is_noticed() -> None:
    for at in range(S3_SIZE):
        pair = resumable().pair()
        pair.responder.receive_data(taken(pair.initiator))
        pair.initiator.receive_data(taken(pair.responder))
        with pytest.raises(ResumptionError):
            pair.responder.receive_data(flipped(taken(pair.initiator), at))
        assert_dead_and_silent(pair.responder)


@pytest.mark.parametrize("at", [21, 52, KEM_AT, DH_AT - 1, DH_AT])
def test_change_in_s1_by_one_who_can_make_its_mac_is_noticed(at: int) -> None:
    nodes = resumable()
    ticket = ticket_of(nodes)
    initiator = Connection.resume(endpoint("alice"), ticket)
    responder = accepting(nodes.bob)

    def carry_on() -> None:
        responder.receive_data(with_mac(flipped(taken(initiator), at), ticket))
        initiator.receive_data(taken(responder))

    with pytest.raises(HandshakeError):
        carry_on()
    assert initiator.session is None
    assert responder.session is None


def test_x25519_bit_that_the_curve_ignores_is_noticed() -> None:
    nodes = resumable()
    ticket = ticket_of(nodes)
    initiator = Connection.resume(endpoint("alice"), ticket)
    responder = accepting(nodes.bob)
    responder.receive_data(with_mac(flipped(taken(initiator), MAC_AT - 1, 0x80), ticket))
    with pytest.raises(ResumptionError):
        initiator.receive_data(taken(responder))


def test_truncating_s2_anywhere_opens_nothing() -> None:
    nodes = resumable()
    ticket = ticket_of(nodes)
    s2 = bytes(s2_size(suite(1)))
    for length in range(0, len(s2), 16):
        initiator = Connection.resume(endpoint("alice"), ticket)
        taken(initiator)
        initiator.receive_data(s2[:length])
        with pytest.raises(TruncatedError):
            initiator.receive_eof()
        assert_dead_and_silent(initiator)


def test_truncating_s3_anywhere_opens_nothing() -> None:
    for length in range(S3_SIZE):
        pair = resumable().pair()
        pair.responder.receive_data(taken(pair.initiator))
        pair.initiator.receive_data(taken(pair.responder))
        pair.responder.receive_data(taken(pair.initiator)[:length])
        with pytest.raises(TruncatedError):
            pair.responder.receive_eof()
        assert_dead_and_silent(pair.responder)


@pytest.mark.parametrize("frame", [b"\x05", b"\x07", b"\x01", b"\xff"])
def test_first_frame_that_is_no_confirmation_is_refused(frame: bytes) -> None:
    pair = resumable().pair()
    pair.responder.receive_data(taken(pair.initiator))
    pair.initiator.receive_data(taken(pair.responder))
    taken(pair.initiator)
    chain = pair.initiator._sealer._generation._chain
    record = Sealer(Chain(chain.wire_id, chain.secret)).seal(frame)
    with pytest.raises(ResumptionError, match=frame.hex()):
        pair.responder.receive_data(record)
    assert_dead_and_silent(pair.responder)


def test_first_record_of_another_length_is_refused() -> None:
    pair = resumable().pair()
    pair.responder.receive_data(taken(pair.initiator))
    pair.initiator.receive_data(taken(pair.responder))
    taken(pair.initiator)
    with pytest.raises(ResumptionError):
        pair.responder.receive_data(inject(pair.initiator, b"\x02pingping"))
    assert_dead_and_silent(pair.responder)


@pytest.mark.parametrize("pair", [open_pair(), resumable().pair()], ids=["full", "resumed"])
def test_confirmation_as_an_ordinary_frame_is_refused(pair: Pair) -> None:
    pair.heard()
    with pytest.raises(UnexpectedFrameError, match="RESUME_CONFIRM"):
        pair.responder.receive_data(inject(pair.initiator, RESUME_CONFIRM))


# Bad key shares


@pytest.mark.parametrize("point", LOW_ORDER)
def test_x25519_key_of_small_order_is_refused_in_s1(point: str) -> None:
    nodes = resumable()
    ticket = ticket_of(nodes)
    s1 = taken(Connection.resume(endpoint("alice"), ticket))
    bad = with_mac(s1[:DH_AT] + bytes.fromhex(point) + s1[MAC_AT:], ticket)
    connection = accepting(nodes.bob)
    with pytest.raises(KeyShareError):
        connection.receive_data(bad)
    assert_dead_and_silent(connection)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_x25519_key_of_small_order_is_refused_in_s2(point: str) -> None:
    pair = resumable().pair()
    pair.responder.receive_data(taken(pair.initiator))
    s2 = taken(pair.responder)
    with pytest.raises(KeyShareError):
        pair.initiator.receive_data(s2[:1120] + bytes.fromhex(point) + s2[1152:])
    assert_dead_and_silent(pair.initiator)


def test_kem_key_with_unreduced_coefficients_is_refused_and_its_ticket_is_gone() -> None:
    nodes = resumable()
    ticket = ticket_of(nodes)
    s1 = taken(Connection.resume(endpoint("alice"), ticket))
    connection = accepting(nodes.bob)
    with pytest.raises(KeyShareError):
        connection.receive_data(with_mac(s1[:KEM_AT] + b"\xff" * 1184 + s1[DH_AT:], ticket))
    assert_dead_and_silent(connection)
    assert nodes.bob.find(ticket.name, 1.0) is None


def test_responder_without_the_secret_is_refused() -> None:
    """Somebody on the path has the ticket's name, and answers with key shares of his own."""
    nodes = resumable()
    ticket = ticket_of(nodes)
    mallory = Tickets()
    mallory._accept[ticket.name] = replace(ticket, secret=bytes(48))
    initiator = Connection.resume(endpoint("alice"), ticket)
    s1 = with_mac(taken(initiator), mallory._accept[ticket.name])
    responder = accepting(mallory)
    responder.receive_data(s1)
    with pytest.raises(ResumptionError):
        initiator.receive_data(taken(responder))
    assert_dead_and_silent(initiator)


# Forward secrecy


def expand(secret: bytes, label: str, context: bytes, size: int) -> bytes:
    info = size.to_bytes(2) + bytes([len(label)]) + label.encode()
    info += bytes([len(context)]) + context
    return hmac.digest(secret, info + b"\x01", "sha384")[:size]


@pytest.mark.parametrize("known", ["both", "kem", "x25519", "neither"])
def test_stolen_ticket_and_transcript_do_not_give_keys_without_both_fresh_secrets(
    known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both fresh secrets the thief has the session: so it is those that keep it."""
    nodes = resumable()
    ticket = ticket_of(nodes)
    ours, exchange = dh.keypair(bytes(range(32))), {}
    monkeypatch.setattr(dh, "keypair", lambda: ours)
    initiator = resumption.ResumeInitiator(endpoint("alice"), ticket)
    monkeypatch.undo()
    responder = accepting(nodes.bob)
    s1 = initiator.first()
    responder.receive_data(s1)
    s2 = taken(responder)
    exchange["kem"] = initiator._kem.decapsulate(s2[32:1120])
    exchange["x25519"] = ours.exchange(s2[1120:1152])
    outcome = initiator.receive(s2)
    assert outcome.opened is not None
    assert outcome.opened.session is not None

    fresh = b"".join(
        value if known in (name, "both") else bytes(32) for name, value in exchange.items()
    )
    parts = (bytes(range(32)), ALICE.node_id, BOB.node_id, s1, s2[:1152])
    joined = b"".join(len(part).to_bytes(8) + part for part in parts)
    th = hashlib.sha384(joined).digest()
    secret = hmac.digest(ticket.secret, fresh, "sha384")
    master = expand(secret, "resume master", th, 48)
    guess = expand(master, "session id", b"", 16)
    assert (guess == outcome.opened.session_id) == (known == "both")


def test_two_resumptions_share_no_secret_with_each_other_or_the_session_before() -> None:
    nodes = resumable()
    sessions = [nodes.session]
    for _ in range(2):
        pair = nodes.pair()
        pair.heard()
        assert pair.initiator.session is not None
        sessions.append(pair.initiator.session)
        nodes.keep(pair, "alice", "bob", now=1.0)
    assert len({s.session_id for s in sessions}) == 3
    assert len({s.exporter_secret for s in sessions}) == 3
    assert len({s.bulk.secret for s in sessions}) == 3


def test_secrets_of_the_resumption_end_with_it() -> None:
    nodes = resumable()
    pair = nodes.pair()
    pair.heard()
    assert (pair.initiator._step, pair.responder._step) == (None, None)
    assert nodes.alice.take(BOB.node_id, 1.0) is None
    assert nodes.bob.find(nodes.alice_dials.name, 1.0) is None


def test_failed_resumption_forgets_its_step() -> None:
    pair = resumable().pair()
    taken(pair.initiator)
    with pytest.raises(ResumptionError):
        pair.initiator.receive_data(b"\x09" * s2_size(suite(1)))
    assert pair.initiator._step is None


def test_passive_observer_sees_no_link_between_sessions() -> None:
    nodes = resumable()
    pair = nodes.pair()
    sent = taken(pair.initiator)
    pair.responder.receive_data(sent)
    sent += taken(pair.responder)
    for known in (
        ALICE.node_id[:16],
        BOB.node_id[:16],
        nodes.session.session_id,
        ALICE.public_key[:16],
    ):
        assert known not in sent
