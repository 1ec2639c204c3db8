"""The handshake between honest nodes, and every attack on it that PROTOCOL.md claims to withstand.

Where an attack is said to come from an insider, the attacker knows federation and node ID, so that
mac1 is no obstacle.
"""

from __future__ import annotations

import pytest
from protocol_pair import (
    FEDERATION,
    OTHER_FEDERATION,
    endpoint,
    flipped,
    fresh_pair,
    identity,
    open_pair,
    taken,
    with_mac1,
)

from qrfld.crypto.identity import Identity
from qrfld.crypto.parameters import Buffer
from qrfld.crypto.suites import suite
from qrfld.protocol import wire
from qrfld.protocol.connection import Connection, Endpoint, State
from qrfld.protocol.errors import (
    HandshakeError,
    KeyShareError,
    LocalProtocolError,
    PeerIdentityError,
    PeerSignatureError,
    ReflectionError,
    RemoteProtocolError,
    SilentRejectError,
    SuiteError,
    TamperedError,
    TruncatedError,
)
from qrfld.protocol.events import SessionEstablished
from qrfld.protocol.handshake import Initiator, Responder

ALICE, BOB, MALLORY = identity("alice"), identity("bob"), identity("mallory")
M1_FIELDS = {
    "flags": 5,
    "offers": 9,
    "random": 13,
    "kem key": 45,
    "kem key, end": 1228,
    "x25519": 1229,
    "x25519, end": 1259,
}
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def steps() -> tuple[Initiator, Responder]:
    return Initiator(endpoint("alice"), BOB.node_id), Responder(endpoint("bob"), None)


def accepting(name: str = "bob") -> Connection:
    return Connection.accept(endpoint(name), {}, None)


def assert_dead_and_silent(connection: Connection) -> None:
    assert connection.state is State.CLOSED
    assert taken(connection) == b""
    assert connection.events_received() == []
    assert connection.session is None


# Honest nodes


@pytest.mark.parametrize(("suite_id", "sizes"), [(1, (1279, 6433, 5279)), (2, (1663, 8871, 7237))])
def test_handshake_messages_have_the_sizes_of_the_spec(
    suite_id: int, sizes: tuple[int, int, int]
) -> None:
    pair = fresh_pair(suite_id=suite_id)
    m1 = taken(pair.initiator)
    pair.responder.receive_data(m1)
    m2 = taken(pair.responder)
    pair.initiator.receive_data(m2)
    m3 = taken(pair.initiator)
    assert (len(m1), len(m2), len(m3)) == sizes
    chosen = suite(suite_id)
    assert (wire.m2_size(chosen), wire.sealed_size(chosen)) == sizes[1:]


@pytest.mark.parametrize("suite_id", [1, 2])
def test_handshake_completes_and_both_sides_agree(suite_id: int) -> None:
    pair = fresh_pair(suite_id=suite_id)
    (established,), (answered,) = pair.heard()
    assert isinstance(established, SessionEstablished)
    assert isinstance(answered, SessionEstablished)
    ours, theirs = established.session, answered.session
    assert ours.node_id == identity("bob", suite_id).node_id
    assert theirs.node_id == identity("alice", suite_id).node_id
    assert (ours.initiator, theirs.initiator) == (True, False)
    assert ours.session_id == theirs.session_id
    assert ours.suite == theirs.suite == 0x0100 | suite_id
    assert ours.bulk.secret == theirs.bulk.secret
    assert ours.exporter(b"test", 40) == theirs.exporter(b"test", 40)
    assert ours.exporter(b"test", 40) != ours.exporter(b"tess", 40)
    assert pair.initiator.session is ours


@pytest.mark.parametrize(
    ("initiator", "responder", "expected"),
    [(False, False, 0x0101), (True, False, 0x0201), (False, True, 0x0201), (True, True, 0x0201)],
)
def test_chacha_is_chosen_when_either_side_prefers_it(
    *, initiator: bool, responder: bool, expected: int
) -> None:
    pair = fresh_pair(chacha=initiator, responder_chacha=responder)
    pair.heard()
    assert pair.initiator.session is not None
    assert pair.initiator.session.suite == expected


def test_two_sessions_share_no_secret() -> None:
    first, second = open_pair().initiator.session, open_pair().initiator.session
    assert first is not None
    assert second is not None
    assert first.session_id != second.session_id
    assert first.bulk.secret != second.bulk.secret
    assert first.exporter_secret != second.exporter_secret


def test_secrets_stay_out_of_repr() -> None:
    session = open_pair().initiator.session
    assert session is not None
    for secret in (session.exporter_secret, session.bulk.secret):
        assert secret.hex() not in repr(session)
        assert repr(secret)[2:20] not in repr(session)


def test_dialling_oneself_is_refused_locally() -> None:
    with pytest.raises(LocalProtocolError):
        Connection.dial(endpoint("alice"), ALICE.node_id)


def test_endpoint_with_a_suite_that_the_federation_does_not_allow_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="suite 1"):
        Endpoint(ALICE, FEDERATION, (2,))


def test_endpoint_with_a_short_federation_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="31"):
        Endpoint(ALICE, FEDERATION[1:], (1,))


# Silence to strangers


@pytest.mark.parametrize(
    "greeting",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"QRFX",
        b"QRFL\x02",
        b"QRFL\x00",
        b"QRFL\x01\x00\x00\x00\x00",
        b"QRFL\x01\x00\x00\x00\x09",
        b"QRFL\x01\x00\x00\x00\x01\x01\x07",
        b"QRFL\x01\x00\x00\x00\x02\x01\x01\x01\x02",
    ],
)
def test_stranger_with_another_protocol_hears_nothing(greeting: bytes) -> None:
    connection = accepting()
    with pytest.raises(SilentRejectError):
        connection.receive_data(greeting)
    assert_dead_and_silent(connection)


def test_stranger_is_refused_at_the_first_wrong_byte() -> None:
    for length in range(5):
        connection = accepting()
        connection.receive_data(b"QRFL\x01"[:length])
        with pytest.raises(SilentRejectError):
            connection.receive_data(b"\xff")
        assert_dead_and_silent(connection)


def test_caller_of_another_federation_hears_nothing() -> None:
    caller = Connection.dial(endpoint("alice", federation=OTHER_FEDERATION), BOB.node_id)
    connection = accepting()
    with pytest.raises(SilentRejectError):
        connection.receive_data(taken(caller))
    assert_dead_and_silent(connection)


def test_caller_of_another_node_hears_nothing() -> None:
    connection = accepting("mallory")
    with pytest.raises(SilentRejectError):
        connection.receive_data(taken(fresh_pair().initiator))
    assert_dead_and_silent(connection)


def test_flipping_any_byte_of_m1_gets_silence() -> None:
    m1 = taken(fresh_pair().initiator)
    for at in range(len(m1)):
        connection = accepting()
        try:
            connection.receive_data(flipped(m1, at))
        except SilentRejectError:
            assert_dead_and_silent(connection)
        else:
            # Only the number of offers or the cookie's length makes M1 longer: it is never whole.
            assert at == 8 or 1261 <= at < 1263
            assert connection.state is State.HANDSHAKE
            assert taken(connection) == b""


def test_truncating_m1_anywhere_gets_silence() -> None:
    m1 = taken(fresh_pair().initiator)
    for length in range(len(m1)):
        connection = accepting()
        connection.receive_data(m1[:length])
        assert taken(connection) == b""
        with pytest.raises(TruncatedError):
            connection.receive_eof()
        assert_dead_and_silent(connection)


@pytest.mark.parametrize("cookie_size", [1, 39, 41, 64, 0xFFFF])
def test_oversized_cookie_is_refused_before_it_is_taken(cookie_size: int) -> None:
    connection = accepting()
    m1 = taken(fresh_pair().initiator)
    with pytest.raises(SilentRejectError, match=str(cookie_size)):
        connection.receive_data(m1[:1261] + cookie_size.to_bytes(2))
    assert_dead_and_silent(connection)


# Agreement: an insider on the path changes what passes


@pytest.mark.parametrize("name", M1_FIELDS)
def test_changing_a_field_of_m1_is_noticed(name: str) -> None:
    """Mallory repairs mac1. Either Bob refuses, or Alice does when she sees his answer."""
    pair = fresh_pair()
    m1 = with_mac1(flipped(taken(pair.initiator), M1_FIELDS[name]), BOB.node_id)

    def carry_on() -> None:
        pair.responder.receive_data(m1)
        pair.initiator.receive_data(taken(pair.responder))

    with pytest.raises((HandshakeError, SilentRejectError)):
        carry_on()
    assert State.CLOSED in (pair.initiator.state, pair.responder.state)
    assert pair.initiator.session is None
    assert pair.responder.session is None


def test_x25519_bit_that_the_curve_ignores_is_noticed() -> None:
    """RFC 7748 masks the top bit: the shared secret is the same, the transcript is not."""
    pair = fresh_pair()
    pair.responder.receive_data(with_mac1(flipped(taken(pair.initiator), 1260, 0x80), BOB.node_id))
    m2 = taken(pair.responder)
    with pytest.raises(TamperedError):
        pair.initiator.receive_data(m2)
    initiator, responder = steps()
    with pytest.raises(TamperedError):
        initiator.receive(flipped(responder.receive(initiator.first()).send, 1153, 0x80))


def test_adding_a_cookie_to_m1_is_noticed() -> None:
    pair = fresh_pair()
    m1 = taken(pair.initiator)
    longer = m1[:1261] + (40).to_bytes(2) + bytes(40) + bytes(16)
    pair.responder.receive_data(with_mac1(longer, BOB.node_id))
    with pytest.raises(TamperedError):
        pair.initiator.receive_data(taken(pair.responder))
    assert_dead_and_silent(pair.initiator)


def test_flipping_any_byte_of_m2_is_noticed_before_m3() -> None:
    initiator, responder = steps()
    m2 = responder.receive(initiator.first()).send

    def feed(message: bytes) -> None:
        initiator.needed(message)
        initiator.receive(message)

    for at in range(len(m2)):
        with pytest.raises(HandshakeError):
            feed(flipped(m2, at))
    assert initiator.receive(m2).opened is not None


def test_flipping_any_byte_of_m3_is_noticed() -> None:
    initiator, responder = steps()
    m3 = initiator.receive(responder.receive(initiator.first()).send).send
    for at in range(len(m3)):
        with pytest.raises(TamperedError):
            responder.receive(flipped(m3, at))
    assert responder.receive(m3).opened is not None


def test_changed_m3_closes_the_responder_without_a_word() -> None:
    pair = fresh_pair()
    pair.responder.receive_data(taken(pair.initiator))
    pair.initiator.receive_data(taken(pair.responder))
    with pytest.raises(TamperedError):
        pair.responder.receive_data(flipped(taken(pair.initiator), 77))
    assert_dead_and_silent(pair.responder)


def test_m2_byte_by_byte_answers_only_with_the_last() -> None:
    pair = fresh_pair()
    pair.responder.receive_data(taken(pair.initiator))
    m2 = taken(pair.responder)
    for at in range(len(m2) - 1):
        pair.initiator.receive_data(m2[at : at + 1])
        assert not pair.initiator.data_to_send()
    pair.initiator.receive_data(m2[-1:])
    assert len(taken(pair.initiator)) == 5279


@pytest.mark.parametrize("length", [0, 1, 2, 33, 34, 1121, 1122, 1154, 6432])
def test_truncated_m2_is_an_error_at_its_end(length: int) -> None:
    pair = fresh_pair()
    pair.responder.receive_data(taken(pair.initiator))
    pair.initiator.receive_data(taken(pair.responder)[:length])
    with pytest.raises(TruncatedError):
        pair.initiator.receive_eof()
    assert_dead_and_silent(pair.initiator)


@pytest.mark.parametrize("length", [0, 1, 2640, 5278])
def test_truncated_m3_is_an_error_at_its_end(length: int) -> None:
    pair = fresh_pair()
    pair.responder.receive_data(taken(pair.initiator))
    pair.initiator.receive_data(taken(pair.responder))
    pair.responder.receive_data(taken(pair.initiator)[:length])
    with pytest.raises(TruncatedError):
        pair.responder.receive_eof()
    assert_dead_and_silent(pair.responder)


# Downgrade


@pytest.mark.parametrize("kept", [0x0101, 0x0201])
def test_striking_an_offer_from_m1_is_noticed(kept: int) -> None:
    pair = fresh_pair()
    m1 = taken(pair.initiator)
    fewer = m1[:8] + b"\x01" + kept.to_bytes(2) + m1[13:]
    pair.responder.receive_data(with_mac1(fewer, BOB.node_id))
    with pytest.raises(TamperedError):
        pair.initiator.receive_data(taken(pair.responder))
    assert_dead_and_silent(pair.initiator)


def test_exchanging_the_offers_of_m1_is_noticed() -> None:
    pair = fresh_pair()
    m1 = taken(pair.initiator)
    swapped = m1[:9] + m1[11:13] + m1[9:11] + m1[13:]
    pair.responder.receive_data(with_mac1(swapped, BOB.node_id))
    with pytest.raises(TamperedError):
        pair.initiator.receive_data(taken(pair.responder))


def test_changing_the_chosen_suite_in_m2_is_noticed() -> None:
    pair = fresh_pair()
    pair.responder.receive_data(taken(pair.initiator))
    m2 = taken(pair.responder)
    with pytest.raises(TamperedError):
        pair.initiator.receive_data(b"\x02\x01" + m2[2:])


@pytest.mark.parametrize("chosen", ["0102", "0301", "0001", "0100", "ffff"])
def test_suite_that_was_not_offered_is_refused_at_once(chosen: str) -> None:
    connection = fresh_pair().initiator
    taken(connection)
    with pytest.raises(SuiteError, match=chosen):
        connection.receive_data(bytes.fromhex(chosen))
    assert_dead_and_silent(connection)


@pytest.mark.parametrize("suites", [(2, 2), (4, 4), (64, 64), (255, 1), (1, 2), (0, 0)])
def test_offer_of_a_suite_that_is_not_ours_is_refused_at_the_offers(
    suites: tuple[int, int],
) -> None:
    """However long a KEM key the stranger's suite may have, and whether we know it or not."""
    m1 = taken(fresh_pair().initiator)
    connection = accepting()
    connection.receive_data(m1[:9])
    with pytest.raises(SilentRejectError, match="we speak 1"):
        connection.receive_data(bytes([1, suites[0], 2, suites[1]]))
    assert_dead_and_silent(connection)


def test_offer_of_unknown_aeads_only_is_refused() -> None:
    m1 = taken(fresh_pair().initiator)
    connection = accepting()
    with pytest.raises(SuiteError, match="AEAD"):
        connection.receive_data(with_mac1(m1[:9] + b"\x07\x01\x08\x01" + m1[13:], BOB.node_id))
    assert_dead_and_silent(connection)


def test_flags_of_a_later_version_are_refused() -> None:
    m1 = taken(fresh_pair().initiator)
    connection = accepting()
    with pytest.raises(HandshakeError, match="flags"):
        connection.receive_data(with_mac1(flipped(m1, 7), BOB.node_id))
    assert_dead_and_silent(connection)


# Who it is


def impostor(shown: Identity, own: Identity) -> Identity:
    """Shows one node's public key and signs with another's."""
    return Identity(shown.suite_id, shown.public_key, own._key)


class OtherRole(Identity):
    """Signs under the context of the other role."""

    def sign(self, message: Buffer, context: bytes) -> bytes:
        swapped = {
            b"qrfld-1 initiator": b"qrfld-1 responder",
            b"qrfld-1 responder": b"qrfld-1 initiator",
        }
        return super().sign(message, swapped[context])


class OtherName(Identity):
    """Signs for another node ID than its own."""

    def sign(self, message: Buffer, context: bytes) -> bytes:
        return super().sign(bytes(message)[:-32] + MALLORY.node_id, context)


def wrong_identities(name: str) -> list[Identity]:
    own = identity(name)
    return [
        impostor(own, MALLORY),
        OtherRole(own.suite_id, own.public_key, own._key),
        OtherName(own.suite_id, own.public_key, own._key),
    ]


@pytest.mark.parametrize("who", wrong_identities("bob"), ids=["key", "role", "name"])
def test_responder_that_cannot_sign_gets_no_m3(who: Identity) -> None:
    initiator = Connection.dial(endpoint("alice"), BOB.node_id)
    responder = Connection.accept(Endpoint(who, FEDERATION, (1,)), {}, None)
    responder.receive_data(taken(initiator))
    with pytest.raises(PeerSignatureError):
        initiator.receive_data(taken(responder))
    assert_dead_and_silent(initiator)


@pytest.mark.parametrize("who", wrong_identities("alice"), ids=["key", "role", "name"])
def test_initiator_that_cannot_sign_is_refused(who: Identity) -> None:
    initiator = Connection.dial(Endpoint(who, FEDERATION, (1,)), BOB.node_id)
    responder = accepting()
    responder.receive_data(taken(initiator))
    initiator.receive_data(taken(responder))
    with pytest.raises(PeerSignatureError):
        responder.receive_data(taken(initiator))
    assert_dead_and_silent(responder)


def test_another_node_that_answers_learns_nothing_of_the_initiator() -> None:
    """Mallory knows whom Alice dials and answers in Bob's place, under her own name."""
    initiator = Connection.dial(endpoint("alice"), BOB.node_id)
    m1 = taken(initiator)
    mallory = accepting("mallory")
    mallory.receive_data(with_mac1(m1, MALLORY.node_id))
    with pytest.raises((PeerIdentityError, TamperedError)):
        initiator.receive_data(taken(mallory))
    assert_dead_and_silent(initiator)
    for piece in (ALICE.public_key[:16], ALICE.node_id[:16]):
        assert piece not in m1


def posing(real: Identity, name: Identity) -> Identity:
    """Believes its node ID to be another's; its public key tells the truth."""
    liar = Identity(real.suite_id, real.public_key, real._key)
    liar.__dict__["node_id"] = name.node_id  # where the cached property keeps it
    return liar


def test_wrong_responder_identity_is_refused_by_name() -> None:
    initiator = Connection.dial(endpoint("alice"), BOB.node_id)
    mallory = Connection.accept(Endpoint(posing(MALLORY, BOB), FEDERATION, (1,)), {}, None)
    mallory.receive_data(taken(initiator))
    with pytest.raises(PeerIdentityError, match=MALLORY.node_id.short):
        initiator.receive_data(taken(mallory))
    assert_dead_and_silent(initiator)


def test_unknown_key_share_is_impossible() -> None:
    """Alice dials Mallory, who passes her messages on to Bob and his back as her own."""
    initiator = Connection.dial(endpoint("alice"), MALLORY.node_id)
    bob = accepting()
    bob.receive_data(with_mac1(taken(initiator), BOB.node_id))
    with pytest.raises((PeerIdentityError, TamperedError)):
        initiator.receive_data(taken(bob))
    assert_dead_and_silent(initiator)
    assert bob.session is None


def test_responder_of_another_suite_is_refused_by_its_payload() -> None:
    with pytest.raises(SuiteError, match="suite 2"):
        wire.parse_payload(b"\x02" + bytes(5262), suite(1))


def test_extensions_are_refused_in_this_version() -> None:
    payload = wire.build_payload(1, BOB.public_key, bytes(3309))
    with pytest.raises(HandshakeError, match="extensions 81"):
        wire.parse_payload(payload[:-1] + b"\x81", suite(1))


# Reflection, replay, mixing


def test_own_m1_coming_back_gets_silence() -> None:
    pair = fresh_pair()
    own_listener = accepting("alice")
    with pytest.raises(SilentRejectError):
        own_listener.receive_data(taken(pair.initiator))
    assert_dead_and_silent(own_listener)


def test_own_m1_sent_back_as_an_answer_is_refused() -> None:
    connection = fresh_pair().initiator
    with pytest.raises(SuiteError):
        connection.receive_data(taken(connection))
    assert_dead_and_silent(connection)


def test_own_identity_in_m2_is_refused() -> None:
    initiator = Connection.dial(endpoint("alice"), BOB.node_id)
    mirror = Connection.accept(Endpoint(posing(ALICE, BOB), FEDERATION, (1,)), {}, None)
    mirror.receive_data(taken(initiator))
    with pytest.raises(ReflectionError):
        initiator.receive_data(taken(mirror))
    assert_dead_and_silent(initiator)


def test_own_identity_in_m3_is_refused() -> None:
    mirror = Connection.dial(Endpoint(posing(BOB, MALLORY), FEDERATION, (1,)), BOB.node_id)
    responder = accepting()
    responder.receive_data(taken(mirror))
    mirror.receive_data(taken(responder))
    with pytest.raises(ReflectionError):
        responder.receive_data(taken(mirror))
    assert_dead_and_silent(responder)


def test_replayed_m1_is_answered_with_fresh_keys_that_help_nobody() -> None:
    pair = fresh_pair()
    m1 = taken(pair.initiator)
    pair.responder.receive_data(m1)
    m2 = taken(pair.responder)
    again = accepting()
    again.receive_data(m1)
    assert taken(again) != m2
    pair.initiator.receive_data(m2)
    with pytest.raises(TamperedError):
        again.receive_data(taken(pair.initiator))
    assert_dead_and_silent(again)


def test_m2_of_another_session_is_refused() -> None:
    first, second = fresh_pair(), fresh_pair()
    taken(first.initiator)
    second.responder.receive_data(taken(second.initiator))
    with pytest.raises(TamperedError):
        first.initiator.receive_data(taken(second.responder))
    assert_dead_and_silent(first.initiator)


@pytest.mark.parametrize("cut", [18, 34, 1122, 1154])
def test_m2_mixed_from_two_answers_to_one_m1_is_refused(cut: int) -> None:
    initiator = fresh_pair().initiator
    m1 = taken(initiator)
    first, second = accepting(), accepting()
    first.receive_data(m1)
    second.receive_data(m1)
    with pytest.raises(TamperedError):
        initiator.receive_data(taken(first)[:cut] + taken(second)[cut:])


def test_m3_of_another_session_is_refused() -> None:
    first, second = fresh_pair(), fresh_pair()
    for pair in (first, second):
        pair.responder.receive_data(taken(pair.initiator))
        pair.initiator.receive_data(taken(pair.responder))
    with pytest.raises(TamperedError):
        first.responder.receive_data(taken(second.initiator))


def test_m3_as_m2_and_m2_as_m3_are_refused() -> None:
    initiator, responder = steps()
    m2 = responder.receive(initiator.first()).send
    with pytest.raises(TamperedError):
        responder.receive(m2[1154:])
    m3 = initiator.receive(m2).send
    other = Initiator(endpoint("alice"), BOB.node_id)
    with pytest.raises(HandshakeError):
        other.receive(m2[:1154] + m3)


# Bad key shares


@pytest.mark.parametrize("point", LOW_ORDER)
def test_x25519_key_of_small_order_is_refused_in_m1(point: str) -> None:
    m1 = taken(fresh_pair().initiator)
    connection = accepting()
    with pytest.raises(KeyShareError):
        connection.receive_data(
            with_mac1(m1[:1229] + bytes.fromhex(point) + m1[1261:], BOB.node_id)
        )
    assert_dead_and_silent(connection)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_x25519_key_of_small_order_is_refused_in_m2(point: str) -> None:
    pair = fresh_pair()
    pair.responder.receive_data(taken(pair.initiator))
    m2 = taken(pair.responder)
    with pytest.raises(KeyShareError):
        pair.initiator.receive_data(m2[:1122] + bytes.fromhex(point) + m2[1154:])
    assert_dead_and_silent(pair.initiator)


def test_kem_key_with_unreduced_coefficients_is_refused() -> None:
    m1 = taken(fresh_pair().initiator)
    connection = accepting()
    with pytest.raises(KeyShareError):
        connection.receive_data(with_mac1(m1[:45] + b"\xff" * 1184 + m1[1229:], BOB.node_id))
    assert_dead_and_silent(connection)


def test_kem_ciphertext_of_zeros_is_refused() -> None:
    pair = fresh_pair()
    pair.responder.receive_data(taken(pair.initiator))
    m2 = taken(pair.responder)
    with pytest.raises(TamperedError):
        pair.initiator.receive_data(m2[:34] + bytes(1088) + m2[1122:])


def test_initiator_does_not_show_itself_on_the_wire() -> None:
    pair = fresh_pair()
    m1 = taken(pair.initiator)
    pair.responder.receive_data(m1)
    m2 = taken(pair.responder)
    pair.initiator.receive_data(m2)
    sent = m1 + m2 + taken(pair.initiator)
    for hidden in (
        ALICE.public_key[:16],
        ALICE.node_id[:16],
        BOB.public_key[:16],
        BOB.node_id[:16],
    ):
        assert hidden not in sent


def test_every_handshake_failure_is_a_remote_protocol_error() -> None:
    assert issubclass(HandshakeError, RemoteProtocolError)
    assert issubclass(SilentRejectError, RemoteProtocolError)
