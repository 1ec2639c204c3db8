"""Vectors of the areas ``handshake`` and ``handshake-steps``: our code with its randomness given.

ML-DSA signs here as in the vectors (32 zero bytes as rnd) and ML-KEM encapsulates with the vector's
m, by the generator's pure Python packages; all that verifies, decapsulates and refuses is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from making import keys
from vector_files import unhex

from qrfld.crypto import dh
from qrfld.crypto.identity import Identity, NodeId
from qrfld.crypto.providers import provider_for
from qrfld.crypto.suites import suite
from qrfld.protocol import bulk, handshake, resumption
from qrfld.protocol import keys as derivation
from qrfld.protocol.connection import Connection
from qrfld.protocol.cookies import CookieGate
from qrfld.protocol.errors import RemoteProtocolError, SilentRejectError
from qrfld.protocol.session import BulkSecret, Endpoint, Session, open_session
from qrfld.protocol.tickets import TicketGate, Tickets


@dataclass(frozen=True)
class _SigningKey:
    """Signs as the vectors do."""

    suite_id: int
    seed: bytes
    public: bytes

    def sign(self, message: bytes, context: bytes) -> bytes:
        who = keys.Identity(keys.SUITES[self.suite_id], self.seed)
        return keys._signature(who, bytes(message), context)


@dataclass(frozen=True)
class _Kem:
    """Our provider with a given seed and m."""

    suite_id: int
    seed: bytes | None
    m: bytes | None

    def keypair(self) -> Any:
        return self._ours.keypair(self.seed)

    def encapsulate(self, key: bytes) -> tuple[bytes, bytes]:
        self._ours.encapsulate(key)  # refuses what it refuses
        assert self.m is not None
        return keys.encapsulate(keys.SUITES[self.suite_id], bytes(key), self.m)

    @property
    def _ours(self) -> Any:
        return provider_for(self.suite_id).kem(suite(self.suite_id).kem)


def _identity(suite_id: int, seed: bytes) -> Identity:
    public = Identity.from_seed(suite_id, seed).public_key
    return Identity(suite_id, public, _SigningKey(suite_id, seed, public))


@contextmanager
def _given(suite_id: int, side: dict[str, Any]) -> Iterator[None]:
    """Inside, our side takes its random values from the vector."""

    def token_bytes(size: int) -> bytes:
        return unhex(side["random"])

    values = {key: unhex(side[key]) for key in ("kem_seed", "kem_m") if key in side}
    kem = _Kem(suite_id, values.get("kem_seed"), values.get("kem_m"))
    fresh = dh.keypair
    with ExitStack() as stack:
        stack.enter_context(patch.object(bulk, "secrets", SimpleNamespace(token_bytes=token_bytes)))
        if "x25519_private" in side:
            ours = unhex(side["x25519_private"])
            randoms = SimpleNamespace(token_bytes=token_bytes)
            stack.enter_context(patch.object(handshake, "secrets", randoms))
            stack.enter_context(patch.object(handshake.dh, "keypair", lambda: fresh(ours)))
            stack.enter_context(patch.object(resumption, "secrets", randoms))
            for module in (handshake, resumption, derivation):
                stack.enter_context(patch.object(module, "kem_of", lambda chosen: kem))
        yield


def _taken(connection: Connection) -> bytes:
    return b"".join(connection.data_to_send())


class _Side:
    """One side of a vector's connection."""

    def __init__(self, vector: dict[str, Any], role: str) -> None:
        self.role, self.side = role, vector.get(role, vector)
        self.suite_id = 1
        if "session" in vector:
            self.suite_id = vector["session"]["wire_suite"] & 0xFF
        elif "before" in vector:
            self.suite_id = vector["wire_suite"] & 0xFF
        elif "offers" in vector.get("initiator", {}):
            self.suite_id = vector["initiator"]["offers"][0] & 0xFF
        with self.given():
            self.connection = self._make(vector)

    def given(self) -> Any:
        return _given(self.suite_id, self.side)

    def _make(self, vector: dict[str, Any]) -> Connection:
        sessions = _sessions(vector)
        initiating = self.role == "initiator"
        if "before" in vector:
            return _resuming(vector, self.role, self.suite_id)
        if initiating and sessions:
            return Connection.dial_bulk(*sessions.values())
        seed = unhex(self.side.get("identity_seed", "00" * 32))
        identity = _identity(self.suite_id, seed)
        wish = vector.get("prefers_chacha", False)
        if initiating:
            wish = self.side["offers"][0] >> 8 == keys.CHACHA
        federation = unhex(vector.get("federation", "00" * 32))
        endpoint = Endpoint(identity, federation, (self.suite_id,), prefers_chacha=wish)
        if initiating:
            peer = vector["peer"] if "peer" in vector else vector["responder"]["node_id"]
            return Connection.dial(endpoint, NodeId(unhex(peer)))
        return Connection.accept(endpoint, sessions, _gate(vector))

    def receive(self, message: bytes) -> None:
        with self.given():
            self.connection.receive_data(message)


def _resuming(vector: dict[str, Any], role: str, suite_id: int) -> Connection:
    """Our side of a resumption, with the tickets of the session before."""
    seeds = {one: unhex(vector[one]["identity_seed"]) for one in ("initiator", "responder")}
    ours, theirs = seeds[role], seeds["responder" if role == "initiator" else "initiator"]
    federation = unhex(vector["federation"])
    endpoint = Endpoint(_identity(suite_id, ours), federation, (suite_id,), prefers_chacha=False)
    before, dials = vector["before"], vector["before"]["side_that_dials"]
    was_initiator = (dials == "initiator") == (role == "initiator")
    opened = open_session(
        vector["wire_suite"],
        unhex(before["master"]),
        _identity(suite_id, theirs).public,
        initiator=was_initiator,
    )
    assert opened.session is not None
    tickets = Tickets()
    tickets.keep(opened.session, 0.0)
    if role == "initiator":
        ticket = tickets.take(opened.session.node_id, 1.0)
        assert ticket is not None
        return Connection.resume(endpoint, ticket)
    gate = TicketGate(tickets, 1.0)
    if vector.get("used"):
        ticket = gate.find(unhex(before[f"ticket_{dials}"]))
        assert ticket is not None
        gate.use(ticket)
    return Connection.accept(endpoint, {}, None, gate)


def _sessions(vector: dict[str, Any]) -> dict[bytes, BulkSecret]:
    if "session" not in vector:
        return {}
    session = vector["session"]
    name = unhex(session["id"])
    secret = None if session["joined"] else unhex(session["bulk"])
    return {name: BulkSecret(name, session["wire_suite"], session["initiator"], secret)}


def _gate(vector: dict[str, Any]) -> CookieGate | None:
    load = vector.get("under_load") or vector.get("retry")
    if not load:
        return None
    return CookieGate((unhex(load["secret"]),), unhex(load["address"]), load["now"])


def run_step(vector: dict[str, Any]) -> str:
    side = _Side(vector, vector["role"])
    sent = [unhex(message) for message in vector["sent"]]
    if vector["role"] == "initiator":
        assert _taken(side.connection) == sent.pop(0)
    *before, last = map(unhex, vector["received"])
    for message in before:
        side.receive(message)
        assert _taken(side.connection) == sent.pop(0)
    try:
        side.receive(last)
        if vector.get("end"):
            side.connection.receive_eof()
    except SilentRejectError:
        assert not vector["sent"]
        assert not _taken(side.connection)
        return "silent-reject"
    except RemoteProtocolError as error:
        assert not _taken(side.connection)
        return error.code.name.lower().replace("_", "-")
    assert _taken(side.connection) == b"".join(sent)
    return "ok"


def run_handshake(vector: dict[str, Any]) -> str:
    initiator, responder = _Side(vector, "initiator"), _Side(vector, "responder")
    if "retry" in vector:
        first, retry = unhex(vector["retry"]["first_m1"]), unhex(vector["retry"]["retry"])
        assert _taken(initiator.connection) == first
        responder.receive(first)
        assert _taken(responder.connection) == retry
        initiator.receive(retry)
    m1, m2, m3 = (unhex(vector[name]) for name in ("m1", "m2", "m3"))
    assert _taken(initiator.connection) == m1
    responder.receive(m1)
    assert _taken(responder.connection) == m2
    initiator.receive(m2)
    assert _taken(initiator.connection) == m3
    responder.receive(m3)
    for side, peer in ((initiator, "responder"), (responder, "initiator")):
        session = side.connection.session
        assert session is not None
        assert session.node_id.hex() == vector[peer]["node_id"]
        assert session.suite == vector["wire_suite"]
        assert session.session_id.hex() == vector["session_id"]
        assert session.bulk.secret == unhex(vector["bulk"])
        exported = session.exporter(unhex(vector["export"]["label"]), 32)
        assert exported.hex() == vector["export"]["value"]
        _check_tickets(session, side.role, vector)
    _check_records(initiator.connection, responder.connection, vector["records"])
    _check_bulk_join(initiator.connection, responder.connection, vector["bulk_join"])
    return "ok"


def run_resumption(vector: dict[str, Any]) -> str:
    if "role" in vector:
        return run_step(vector)
    initiator, responder = _Side(vector, "initiator"), _Side(vector, "responder")
    s1, s2, s3 = (unhex(vector[name]) for name in ("s1", "s2", "s3"))
    assert _taken(initiator.connection) == s1
    responder.receive(s1)
    assert _taken(responder.connection) == s2
    initiator.receive(s2)
    assert _taken(initiator.connection) == s3
    responder.receive(s3)
    for side in (initiator, responder):
        session = side.connection.session
        assert session is not None
        assert session.session_id.hex() == vector["session_id"]
        assert session.bulk.secret == unhex(vector["bulk"])
        assert session.exporter_secret == unhex(vector["exporter"])
        _check_tickets(session, side.role, vector)
    responder.connection.receive_data(unhex(vector["records"]["initiator_message"]))
    responder.connection.send_ping(b"pingping")
    assert _taken(responder.connection).hex() == vector["records"]["responder_ping"]
    return "ok"


def _check_tickets(session: Session, role: str, vector: dict[str, Any]) -> None:
    dial, accept = session.tickets.take()
    other = "responder" if role == "initiator" else "initiator"
    for dialler, ticket in ((role, dial), (other, accept)):
        assert ticket.name.hex() == vector[f"ticket_{dialler}"]
        assert ticket.secret.hex() == vector[f"ticket_secret_{dialler}"]


def _check_records(ours: Connection, theirs: Connection, records: dict[str, str]) -> None:
    """Both sides seal what the vector says, and open each other's."""
    theirs.send_ping(b"pingping")
    assert _taken(theirs).hex() == records["responder_ping"]
    theirs.receive_data(bytes.fromhex(records["initiator_message"]))
    theirs.receive_data(bytes.fromhex(records["initiator_key_update"]))
    theirs.receive_data(bytes.fromhex(records["initiator_ping_after_key_update"]))
    (message,) = (event.message for event in theirs.events_received() if hasattr(event, "message"))
    ours.send_message(message)
    assert _taken(ours).hex() == records["initiator_message"]
    ours.rekey()
    assert _taken(ours).hex() == records["initiator_key_update"]
    ours.send_ping(b"gnipgnip")
    assert _taken(ours).hex() == records["initiator_ping_after_key_update"]


def _check_bulk_join(control: Connection, other: Connection, join: dict[str, Any]) -> None:
    assert control.session is not None
    assert other.session is not None
    with _given(1, join["initiator"]):
        ours = Connection.dial_bulk(control.session.bulk)
    waiting = {other.session.session_id: other.session.bulk}
    endpoint = Endpoint(_identity(1, bytes(32)), bytes(32), (1,), prefers_chacha=False)
    theirs = Connection.accept(endpoint, waiting, None)
    assert _taken(ours).hex() == join["b1"]
    with _given(1, join["responder"]):
        theirs.receive_data(unhex(join["b1"]))
    assert _taken(theirs).hex() == join["b2"]
    ours.receive_data(unhex(join["b2"]))
    assert _taken(ours).hex() == join["b3"]
    theirs.receive_data(unhex(join["b3"]))
    ours.send_get(1, b"\xab" * 32, 0, 1 << 20)
    assert _taken(ours).hex() == join["get"]
    theirs.receive_data(unhex(join["get"]))
