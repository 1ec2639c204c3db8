"""spec/vectors/resumption-*.json: the stored ones and fresh ones, against text and code."""

from __future__ import annotations

import hmac
import json
import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from resumption_vector import KEMS, MESSAGE, PING, ROLES, Formulas, as_text, fresh, path

from qrfld.crypto import dh
from qrfld.crypto.identity import Identity
from qrfld.crypto.providers import KemKeyPair, provider_for
from qrfld.crypto.suites import from_wire
from qrfld.protocol import resumption
from qrfld.protocol.connection import Connection
from qrfld.protocol.keys import kem_of
from qrfld.protocol.resumption import ResumeInitiator, ResumeResponder
from qrfld.protocol.session import Endpoint
from qrfld.protocol.tickets import LIFETIME, Ticket, TicketGate, Tickets


class Vector:
    """Values by dotted path."""

    def __init__(self, text: str) -> None:
        self.values: dict[str, Any] = json.loads(text)
        self.wire_suite: int = self.values["wire_suite"]
        self.formulas = Formulas(self.wire_suite)
        self.suite = self.formulas.suite
        self.dials: str = self.values["before"]["side_that_dials"]

    def __getitem__(self, path: str) -> bytes:
        value: Any = self.values
        for part in path.split("."):
            value = value[part]
        return bytes.fromhex(value)

    def chain(self, name: str) -> dict[str, bytes]:
        return {part: self[f"{name}.{part}"] for part in ("chain", "key", "iv")}

    def identity(self, role: str) -> Identity:
        return Identity.from_seed(self.suite, self[f"{role}.identity_seed"])

    def endpoint(self, role: str) -> Endpoint:
        return Endpoint(self.identity(role), self["federation"], (self.suite,))

    def ticket(self, peer: str) -> Ticket:
        name, secret = (self[f"before.{w}_{self.dials}"] for w in ("ticket", "ticket_secret"))
        return Ticket(self.identity(peer).public, self.wire_suite, name, secret, LIFETIME)


@pytest.fixture(params=[1, 2, "fresh 1", "fresh 2"], ids=str)
def vector(request: pytest.FixtureRequest) -> Vector:
    if isinstance(request.param, int):
        return Vector(path(request.param).read_text(encoding="ascii"))
    return Vector(as_text(fresh(int(request.param[-1]))))


def test_tickets_follow_from_the_session_before(vector: Vector) -> None:
    for role in ROLES:
        master = vector["before.master"]
        name = vector.formulas.expand(master, f"ticket {role}", size=16)
        secret = vector.formulas.expand(master, f"ticket secret {role}")
        assert vector[f"before.ticket_{role}"] == name
        assert vector[f"before.ticket_secret_{role}"] == secret


def test_s1_is_what_the_text_says(vector: Vector) -> None:
    s1 = vector["s1"]
    pair = provider_for(vector.suite).kem(KEMS[vector.suite]).keypair(vector["initiator.kem_seed"])
    ours = X25519PrivateKey.from_private_bytes(vector["initiator.x25519_private"])
    assert s1[:21] == b"QRFS\x01" + vector[f"before.ticket_{vector.dials}"]
    assert s1[53:-64] == pair.public
    assert s1[-64:-32] == ours.public_key().public_bytes_raw()
    secret = vector[f"before.ticket_secret_{vector.dials}"]
    assert vector["mac_key"] == vector.formulas.expand(secret, "resume mac")
    assert s1[-32:] == hmac.digest(vector["mac_key"], s1[:-32], "sha256")


def test_secrets_are_what_the_text_says(vector: Vector) -> None:
    s1, s2, f = vector["s1"], vector["s2"], vector.formulas
    pair = provider_for(vector.suite).kem(KEMS[vector.suite]).keypair(vector["initiator.kem_seed"])
    ours = X25519PrivateKey.from_private_bytes(vector["initiator.x25519_private"])
    assert vector["ss_mlkem"] == pair.decapsulate(s2[32:-64])
    theirs = X25519PublicKey.from_public_bytes(s2[-64:-32])
    assert vector["ss_x25519"] == ours.exchange(theirs)
    nodes = vector["initiator.node_id"], vector["responder.node_id"]
    assert vector["th"] == f.transcript(vector["federation"], *nodes, s1, s2[:-32])
    salt, both = vector[f"before.ticket_secret_{vector.dials}"], ("ss_mlkem", "ss_x25519")
    assert vector["secret"] == hmac.digest(salt, b"".join(vector[n] for n in both), f.name)
    confirmation = f.expand(vector["secret"], "resume confirm", vector["th"], 32)
    assert vector["confirmation"] == s2[-32:] == confirmation
    assert vector["master"] == f.expand(vector["secret"], "resume master", vector["th"])


def test_session_keys_are_what_the_text_says(vector: Vector) -> None:
    master, f = vector["master"], vector.formulas
    for role in ROLES:
        chain = f.chain(f.expand(master, f"traffic {role}"))
        assert vector.chain(f"traffic_{role}") == chain
        assert vector[f"ticket_{role}"] == f.expand(master, f"ticket {role}", size=16)
        assert vector[f"ticket_secret_{role}"] == f.expand(master, f"ticket secret {role}")
    assert vector["session_id"] == f.expand(master, "session id", size=16)
    assert vector["bulk"] == f.expand(master, "bulk")
    assert vector["exporter"] == f.expand(master, "exporter")
    sent, back = vector.chain("traffic_initiator"), vector.chain("traffic_responder")
    assert vector["s3"] == f.record(sent, 0, b"\x08")
    assert vector["records.initiator_message"] == f.record(sent, 1, MESSAGE)
    assert vector["records.responder_ping"] == f.record(back, 0, PING)


def check_session(connection: Connection, vector: Vector, *, initiator: bool) -> None:
    session = connection.session
    assert session is not None
    assert session.session_id == vector["session_id"]
    assert session.bulk.secret == vector["bulk"]
    assert session.exporter_secret == vector["exporter"]
    dial, accept = session.tickets.take()
    for ticket, role in zip((dial, accept), ROLES if initiator else ROLES[::-1], strict=True):
        assert ticket.name == vector[f"ticket_{role}"]
        assert ticket.secret == vector[f"ticket_secret_{role}"]


class Seeded:
    """A KEM whose next key pair is known."""

    pair: KemKeyPair

    @classmethod
    def keypair(cls) -> KemKeyPair:
        return cls.pair


def test_initiator_says_and_opens_what_the_vector_has(
    vector: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = vector.ticket("responder")
    suite = from_wire(ticket.suite)[0]
    pair = kem_of(suite).keypair(vector["initiator.kem_seed"])
    ours = dh.keypair(vector["initiator.x25519_private"])
    monkeypatch.setattr(Seeded, "pair", pair, raising=False)
    monkeypatch.setattr(resumption, "kem_of", lambda _: Seeded)
    monkeypatch.setattr(dh, "keypair", lambda: ours)
    monkeypatch.setattr(secrets, "token_bytes", lambda size: vector["s1"][21 : 21 + size])
    step = ResumeInitiator(vector.endpoint("initiator"), ticket)
    assert step.first() == vector["s1"]
    connection = Connection(step)
    connection.receive_data(vector["s2"])
    assert b"".join(connection.data_to_send()) == vector["s3"]
    check_session(connection, vector, initiator=True)
    connection.receive_data(vector["records.responder_ping"])
    assert len(connection.data_to_send()) == 1


def test_responder_says_and_opens_what_the_vector_has(
    vector: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ticket, s2 = Tickets(), vector.ticket("initiator"), vector["s2"]
    store._accept[ticket.name] = ticket
    ours = dh.keypair(vector["responder.x25519_private"])
    monkeypatch.setattr(dh, "keypair", lambda: ours)
    monkeypatch.setattr(secrets, "token_bytes", lambda size: s2[:size])
    monkeypatch.setattr(resumption, "encapsulate", lambda *_: (s2[32:-64], vector["ss_mlkem"]))
    connection = Connection(ResumeResponder(vector.endpoint("responder"), TicketGate(store, 0.0)))
    connection.receive_data(vector["s1"])
    assert b"".join(connection.data_to_send()) == s2
    connection.receive_data(vector["s3"] + vector["records.initiator_message"])
    assert len(connection.events_received()) == 2
    check_session(connection, vector, initiator=False)
