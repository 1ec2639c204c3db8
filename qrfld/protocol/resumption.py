"""Resumption: a session that continues an earlier one, by its ticket instead of signatures.

    S1  I→R   "QRFS" ‖ version u8 ‖ ticket 16 ‖ random 32 ‖ KEM key ‖ X25519 32 ‖ mac 32
    S2  R→I   random 32 ‖ KEM ciphertext ‖ X25519 32 ‖ confirmation 32
    S3  I→R   the initiator's first record: a RESUME_CONFIRM frame

Why it holds. Only the two nodes of the earlier session know the ticket's secret. It is the salt
under which both fresh key exchanges become the session's secret, so whoever makes a right
confirmation is one of the two, and the transcript says which: both node IDs stand in it, and each
role has its own ticket. The fresh exchanges keep what was said safe from whoever finds the ticket
later. PROTOCOL.md section 5.7 has the argument in full.

A stranger costs R one look-up; a wrong mac under a known ticket two HMACs. The right mac uses the
ticket up before anything is computed with the key shares. A copied S1 opens nothing without S3.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from qrfld.crypto import dh, labels
from qrfld.crypto.parameters import X25519_SIZE, Buffer
from qrfld.crypto.schedule import Transcript, expand_label
from qrfld.crypto.suites import Suite, from_wire
from qrfld.protocol.errors import ResumptionError, SilentRejectError
from qrfld.protocol.frames import RESUME_CONFIRM, Kind
from qrfld.protocol.keys import derive, encapsulate, exchange, hybrid_secret, kem_of
from qrfld.protocol.records import HEADER_SIZE, MIN_SEALED
from qrfld.protocol.session import TICKET_SIZE, Endpoint, Opened, Outcome, open_session
from qrfld.protocol.tickets import Ticket, TicketGate

MAGIC: Final = b"QRFS"
VERSION: Final = 1
RANDOM_SIZE: Final = 32
MAC_SIZE: Final = 32
CONFIRMATION_SIZE: Final = 32
S3_SIZE: Final = HEADER_SIZE + MIN_SEALED
_START: Final = MAGIC + VERSION.to_bytes(1)
_RANDOM_AT: Final = len(_START) + TICKET_SIZE
_KEM_AT: Final = _RANDOM_AT + RANDOM_SIZE


def s1_size(suite: Suite) -> int:
    """The length of S1: 1,301 bytes in suite 1."""
    return _KEM_AT + suite.kem_sizes.public_key + X25519_SIZE + MAC_SIZE


def s2_size(suite: Suite) -> int:
    """The length of S2: 1,184 bytes in suite 1."""
    return RANDOM_SIZE + suite.kem_sizes.ciphertext + X25519_SIZE + CONFIRMATION_SIZE


class ResumeInitiator:
    """The side that dials the ticket's peer."""

    kind: Kind = "control"

    def __init__(self, endpoint: Endpoint, ticket: Ticket) -> None:
        self._endpoint = endpoint
        self._ticket = ticket
        self._suite = from_wire(ticket.suite)[0]
        self._kem = kem_of(self._suite).keypair()
        self._dh = dh.keypair()
        random = secrets.token_bytes(RANDOM_SIZE)
        body = _START + ticket.name + random + self._kem.public + self._dh.public
        self._s1 = body + _mac(ticket, body)

    def first(self) -> bytes:
        """S1."""
        return self._s1

    def needed(self, got: Buffer) -> int:
        """Length of S2."""
        return s2_size(self._suite)

    def receive(self, message: bytes) -> Outcome:
        """Answer S2 with S3.

        KeyShareError for an X25519 key of small order; ResumptionError if the responder does not
        hold the ticket, is not its peer, or saw another S1.
        """
        answer, confirmation = message[:-CONFIRMATION_SIZE], message[-CONFIRMATION_SIZE:]
        kem_shared = self._kem.decapsulate(answer[RANDOM_SIZE:-X25519_SIZE])
        dh_shared = exchange(self._dh, answer[-X25519_SIZE:])
        own, peer = self._endpoint.identity.node_id, self._ticket.peer.node_id
        parts = (self._endpoint.federation, own, peer, self._s1, answer)
        keys = _Keys(self._ticket, kem_shared, dh_shared, parts)
        if not hmac.compare_digest(confirmation, keys.confirmation()):
            raise ResumptionError("the answer to S1 was not made with the ticket's secret")
        opened = keys.open(initiator=True)
        return Outcome(bytes(opened.sealer.seal(RESUME_CONFIRM)), opened)


class ResumeResponder:
    """The side that was dialled; ``tickets`` holds what callers may come with."""

    kind: Kind = "control"

    def __init__(self, endpoint: Endpoint, tickets: TicketGate) -> None:
        self._endpoint = endpoint
        self._tickets = tickets
        self._opened: Opened | None = None

    def needed(self, got: Buffer) -> int:
        """Length of S1 or S3; SilentRejectError as soon as it is not S1 with a ticket we hold."""
        if self._opened is not None:
            return S3_SIZE
        if bytes(got[: len(_START)]) != _START[: len(got)]:
            raise SilentRejectError(f"not our protocol: it begins with {bytes(got[:5]).hex()}")
        if len(got) < _RANDOM_AT:
            return _RANDOM_AT
        return s1_size(from_wire(self._find(got).suite)[0])

    def receive(self, message: bytes) -> Outcome:
        """Answer S1 with S2; S3 opens the session."""
        if self._opened is not None:
            self._opened.confirm(message, RESUME_CONFIRM, ResumptionError)
            return Outcome(opened=self._opened)
        ticket, body = self._find(message), message[:-MAC_SIZE]
        if not hmac.compare_digest(message[-MAC_SIZE:], _mac(ticket, body)):
            raise SilentRejectError("the mac of S1 is wrong")
        self._tickets.use(ticket)
        return self._answer(ticket, message)

    def _find(self, got: Buffer) -> Ticket:
        name = bytes(got[len(_START) : _RANDOM_AT])
        ticket = self._tickets.find(name)
        if ticket is None:
            raise SilentRejectError(f"no ticket {name.hex()}")
        return ticket

    def _answer(self, ticket: Ticket, s1: bytes) -> Outcome:
        dh_at = len(s1) - MAC_SIZE - X25519_SIZE
        ours = dh.keypair()
        dh_shared = exchange(ours, s1[dh_at:-MAC_SIZE])
        ciphertext, kem_shared = encapsulate(from_wire(ticket.suite)[0], s1[_KEM_AT:dh_at])
        answer = secrets.token_bytes(RANDOM_SIZE) + ciphertext + ours.public
        own, peer = self._endpoint.identity.node_id, ticket.peer.node_id
        parts = (self._endpoint.federation, peer, own, s1, answer)
        keys = _Keys(ticket, kem_shared, dh_shared, parts)
        self._opened = keys.open(initiator=False)
        return Outcome(send=answer + keys.confirmation())


class _Keys:
    """What follows from the ticket, both exchanges and the transcript (5.7)."""

    def __init__(
        self, ticket: Ticket, kem_shared: bytes, dh_shared: bytes, parts: tuple[bytes, ...]
    ) -> None:
        self._ticket = ticket
        self._hash = from_wire(ticket.suite)[0].hash
        transcript = Transcript(self._hash)
        for part in parts:
            transcript.add(part)
        self._th = transcript.digest()
        self._secret = hybrid_secret(self._hash, kem_shared, dh_shared, ticket_secret=ticket.secret)

    def confirmation(self) -> bytes:
        """What R shows, and nobody else can."""
        label = labels.RESUME_CONFIRM
        return expand_label(self._hash, self._secret, label, self._th, CONFIRMATION_SIZE)

    def open(self, *, initiator: bool) -> Opened:
        """The session."""
        ticket = self._ticket
        master = derive(ticket.suite, self._secret, labels.RESUME_MASTER, self._th)
        return open_session(
            ticket.suite, master, ticket.peer, initiator=initiator, resumed_until=ticket.ends
        )


def _mac(ticket: Ticket, body: bytes) -> bytes:
    key = derive(ticket.suite, ticket.secret, labels.RESUME_MAC)
    return hmac.digest(key, body, "sha256")
