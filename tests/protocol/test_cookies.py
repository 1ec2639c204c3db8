from __future__ import annotations

import pytest
from protocol_pair import FEDERATION, endpoint, fresh_pair, identity, taken, with_mac1

from qrfld.protocol.connection import Connection, State
from qrfld.protocol.cookies import COOKIE_SECONDS, COOKIE_SIZE, CookieGate
from qrfld.protocol.errors import LocalProtocolError, RetryError, TamperedError
from qrfld.protocol.events import SessionEstablished

SECRET, OLDER, OTHER = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
BOB = identity("bob")


def gate(now: float = 1000.0, address: bytes = b"192.0.2.7", *older: bytes) -> CookieGate:
    return CookieGate((SECRET, *older), address, now)


def test_cookie_is_accepted_from_its_caller() -> None:
    cookie = gate().issue(b"core")
    assert len(cookie) == COOKIE_SIZE
    assert gate(1010.5).accepts(cookie, b"core")


@pytest.mark.parametrize(
    ("later", "core"),
    [
        (gate(1000.0 + COOKIE_SECONDS + 1), b"core"),
        (gate(address=b"192.0.2.8"), b"core"),
        (gate(), b"another core"),
        (CookieGate((OTHER,), b"192.0.2.7", 1000.0), b"core"),
    ],
    ids=["expired", "address", "core", "secret"],
)
def test_cookie_is_refused_elsewhere(later: CookieGate, core: bytes) -> None:
    assert not later.accepts(gate().issue(b"core"), core)


def test_cookie_outlives_one_renewal_of_the_secret() -> None:
    old = CookieGate((OLDER,), b"a", 5.0).issue(b"core")
    assert CookieGate((SECRET, OLDER), b"a", 6.0).accepts(old, b"core")
    assert not CookieGate((OTHER, SECRET), b"a", 6.0).accepts(old, b"core")


def test_cookie_with_any_changed_byte_is_refused() -> None:
    cookie = gate().issue(b"core")
    for at in range(COOKIE_SIZE):
        changed = cookie[:at] + bytes([cookie[at] ^ 1]) + cookie[at + 1 :]
        assert not gate().accepts(changed, b"core")


@pytest.mark.parametrize("size", [0, 1, COOKIE_SIZE - 1, COOKIE_SIZE + 1])
def test_cookie_of_another_size_is_refused(size: int) -> None:
    assert not gate().accepts(bytes(size), b"core")


@pytest.mark.parametrize("secrets", [(), (b"short",), (SECRET, b"")])
def test_gate_without_good_secrets_is_refused(secrets: tuple[bytes, ...]) -> None:
    with pytest.raises(LocalProtocolError):
        CookieGate(secrets, b"a", 0)


def test_gate_with_a_long_address_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        CookieGate((SECRET,), bytes(256), 0)


def test_gate_hides_its_secrets() -> None:
    assert "\\x01" not in repr(gate())


# In the handshake


def test_caller_comes_back_with_the_cookie_and_gets_its_session() -> None:
    pair = fresh_pair(gate=gate())
    m1 = taken(pair.initiator)
    pair.responder.receive_data(m1)
    retry = taken(pair.responder)
    assert retry[:4] == b"\x00\x00\x00\x28"
    assert len(retry) == 4 + COOKIE_SIZE
    pair.initiator.receive_data(retry)
    second = taken(pair.initiator)
    assert len(second) == len(m1) + COOKIE_SIZE
    assert second[:1261] == m1[:1261]
    pair.responder.receive_data(second)
    (established,), (answered,) = pair.heard()
    assert isinstance(established, SessionEstablished)
    assert isinstance(answered, SessionEstablished)


def test_caller_with_a_wrong_cookie_is_refused_the_second_time() -> None:
    pair = fresh_pair(gate=gate())
    m1 = taken(pair.initiator)
    pair.responder.receive_data(m1)
    taken(pair.responder)
    with pytest.raises(RetryError):
        pair.responder.receive_data(m1)
    assert pair.responder.state is State.CLOSED
    assert taken(pair.responder) == b""


def test_stranger_gets_no_retry() -> None:
    connection = Connection.accept(endpoint("bob"), {}, gate())
    m1 = taken(fresh_pair().initiator)
    with pytest.raises(Exception, match="mac1"):
        connection.receive_data(m1[:-1] + bytes([m1[-1] ^ 1]))
    assert taken(connection) == b""


def test_initiator_goes_back_only_once() -> None:
    initiator = fresh_pair().initiator
    retry = b"\x00\x00" + COOKIE_SIZE.to_bytes(2) + bytes(COOKIE_SIZE)
    initiator.receive_data(retry)
    with pytest.raises(RetryError, match="twice"):
        initiator.receive_data(retry)


@pytest.mark.parametrize("size", [0, 39, 41, 0xFFFF])
def test_retry_of_another_size_is_refused_before_it_is_taken(size: int) -> None:
    initiator = fresh_pair().initiator
    with pytest.raises(RetryError, match=str(size)):
        initiator.receive_data(b"\x00\x00" + size.to_bytes(2))
    assert initiator.state is State.CLOSED


def test_invented_retry_does_no_more_than_cost_a_round_trip() -> None:
    """Somebody on the path injects a RETRY: a responder without a gate does not mind."""
    pair = fresh_pair()
    taken(pair.initiator)
    pair.initiator.receive_data(b"\x00\x00" + COOKIE_SIZE.to_bytes(2) + bytes(COOKIE_SIZE))
    assert isinstance(pair.heard()[0][0], SessionEstablished)


def test_changing_the_cookie_on_its_way_is_noticed() -> None:
    """The cookie is part of M1 and so of the transcript."""
    pair = fresh_pair()
    taken(pair.initiator)
    pair.initiator.receive_data(b"\x00\x00" + COOKIE_SIZE.to_bytes(2) + bytes(COOKIE_SIZE))
    m1 = taken(pair.initiator)
    changed = m1[:1270] + bytes([m1[1270] ^ 1]) + m1[1271:]
    pair.responder.receive_data(with_mac1(changed, BOB.node_id, FEDERATION))
    with pytest.raises(TamperedError):
        pair.initiator.receive_data(taken(pair.responder))
