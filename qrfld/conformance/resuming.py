"""The initiator's side of a resumption (section 5.7), every byte of it open to change."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from qrfld.conformance.initiation import Secrets, transcript
from qrfld.conformance.verdict import expect
from qrfld.crypto import dh, labels
from qrfld.crypto.identity import NodeId
from qrfld.crypto.providers import provider_for
from qrfld.crypto.schedule import expand_label, extract, hash_size
from qrfld.crypto.suites import from_wire

START = b"QRFS\x01"
CONFIRM = b"\x08"


@dataclass(frozen=True)
class Ticket:
    """What a session leaves to one side of it; ``wire_id`` is that session's wire suite."""

    wire_id: int
    name: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, session: Secrets, *, initiator: bool = True) -> Ticket:
        """The ticket with which the session's initiator, or its responder, may dial."""
        name = labels.TICKET_INITIATOR if initiator else labels.TICKET_RESPONDER
        secret = labels.TICKET_SECRET_INITIATOR if initiator else labels.TICKET_SECRET_RESPONDER
        return cls(session.wire_id, session.derive(name, 16), session.derive(secret))


class Resumption:
    """One use of a ticket: key shares made, nothing sent."""

    def __init__(self, ticket: Ticket, federation: bytes, ours: NodeId, theirs: NodeId) -> None:
        self.ticket = ticket
        self.suite = from_wire(ticket.wire_id)[0]
        self._parts = (federation, bytes(ours), bytes(theirs))
        self._kem = provider_for(self.suite.id).kem(self.suite.kem).keypair()
        self._dh = dh.keypair()
        self._random = secrets.token_bytes(32)

    def s1(self, *, kem_key: bytes | None = None, dh_key: bytes | None = None) -> bytes:
        """S1, with other key shares if they are given."""
        shares = (kem_key or self._kem.public) + (dh_key or self._dh.public)
        body = START + self.ticket.name + self._random + shares
        key = self._expand(self.ticket.secret, labels.RESUME_MAC, b"")
        return body + hmac.digest(key, body, "sha256")

    @property
    def s2_size(self) -> int:
        """The length of S2."""
        return 32 + self.suite.kem_sizes.ciphertext + 32 + 32

    def agree(self, s1: bytes, s2: bytes) -> Secrets:
        """The session's secrets; DeviationError if the confirmation is wrong."""
        ct, end = 32 + self.suite.kem_sizes.ciphertext, self.s2_size - 32
        shared = self._kem.decapsulate(s2[32:ct]) + self._dh.exchange(s2[ct:end])
        secret = extract(self.suite.hash, self.ticket.secret, shared)
        th = transcript(self.ticket.wire_id, *self._parts, s1, s2[:end])
        right = expand_label(self.suite.hash, secret, labels.RESUME_CONFIRM, th, 32)
        expect(s2[end:] == right, "the confirmation in S2 is wrong")
        return Secrets(self.ticket.wire_id, self._expand(secret, labels.RESUME_MASTER, th))

    def _expand(self, secret: bytes, label: bytes, context: bytes) -> bytes:
        name = self.suite.hash
        return expand_label(name, secret, label, context, hash_size(name))
