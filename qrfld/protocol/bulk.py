"""The bulk connection: a second connection of a session, so that no ping waits behind a model.

It is joined by proof of the session's bulk secret, without signatures. Only the session's initiator
dials it.

    B1  I→R, 85 bytes   "QRFB" ‖ version u8 ‖ session id 16 ‖ random 32 ‖ mac 32
    B2  R→I, 64 bytes   random 32 ‖ mac 32
    B3  I→R, 21 bytes   the initiator's first record: a BULK_CONFIRM frame

A copied B1 is worth nothing: R counts the connection as joined only after B3, which needs the bulk
secret and R's own random, so nobody can take a session's one place by sending B1 again.
Both sides forget the bulk secret when the connection joins: a session has one in its life.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Final

from qrfld.crypto import labels
from qrfld.crypto.parameters import Buffer
from qrfld.crypto.schedule import Transcript
from qrfld.crypto.suites import from_wire
from qrfld.protocol.errors import BulkJoinError, LocalProtocolError, SilentRejectError
from qrfld.protocol.frames import BULK_CONFIRM, Kind
from qrfld.protocol.keys import bulk_chains, derive
from qrfld.protocol.records import HEADER_SIZE, MIN_SEALED
from qrfld.protocol.session import SESSION_ID_SIZE, BulkSecret, Opened, Outcome

__all__ = ["B1_SIZE", "B2_SIZE", "B3_SIZE", "MAGIC", "BulkInitiator", "BulkResponder", "BulkSecret"]

MAGIC: Final = b"QRFB"
VERSION: Final = 1
RANDOM_SIZE: Final = 32
MAC_SIZE: Final = 32
_START: Final = MAGIC + VERSION.to_bytes(1)
_RANDOM_AT: Final = len(_START) + SESSION_ID_SIZE
_MAC_AT: Final = _RANDOM_AT + RANDOM_SIZE
B1_SIZE: Final = _MAC_AT + MAC_SIZE
B2_SIZE: Final = RANDOM_SIZE + MAC_SIZE
B3_SIZE: Final = HEADER_SIZE + MIN_SEALED


class BulkInitiator:
    """The session's initiator, joining a bulk connection to it."""

    kind: Kind = "bulk"

    def __init__(self, bulk: BulkSecret) -> None:
        if not bulk.initiator:
            raise LocalProtocolError("the session's initiator opens its bulk connection")
        if bulk.secret is None:
            raise LocalProtocolError("the session has had its bulk connection")
        self._bulk = bulk
        body = _START + bulk.session_id + secrets.token_bytes(RANDOM_SIZE)
        self._b1 = body + _mac(bulk, labels.BULK_MAC_INITIATOR, body)

    def first(self) -> bytes:
        """B1."""
        return self._b1

    def needed(self, got: Buffer) -> int:
        """Length of B2."""
        return B2_SIZE

    def receive(self, message: bytes) -> Outcome:
        """Answer B2 with B3; BulkJoinError if the responder does not know the secret."""
        random, mac = message[:RANDOM_SIZE], message[RANDOM_SIZE:]
        if not hmac.compare_digest(mac, _answer_mac(self._bulk, self._b1, random)):
            raise BulkJoinError("the answer to B1 was not made with the session's secret")
        opened = _open(self._bulk, self._b1, message)
        self._bulk.forget()
        return Outcome(bytes(opened.sealer.seal(BULK_CONFIRM)), opened)


class BulkResponder:
    """The other side; ``sessions`` holds those that wait for their bulk connection, by id."""

    kind: Kind = "bulk"

    def __init__(self, sessions: Mapping[bytes, BulkSecret]) -> None:
        self._sessions = sessions
        self._joining: tuple[BulkSecret, Opened] | None = None

    def needed(self, got: Buffer) -> int:
        """Length of B1 or B3; SilentRejectError as soon as it cannot be B1."""
        if self._joining is not None:
            return B3_SIZE
        if bytes(got[: len(_START)]) != _START[: len(got)]:
            raise SilentRejectError(f"not our protocol: it begins with {bytes(got[:5]).hex()}")
        return B1_SIZE

    def receive(self, message: bytes) -> Outcome:
        """Answer B1 with B2; B3 joins the connection."""
        if self._joining is not None:
            return self._confirm(*self._joining, message)
        bulk = self._waiting(message[len(_START) : _RANDOM_AT])
        body, mac = message[:_MAC_AT], message[_MAC_AT:]
        if not hmac.compare_digest(mac, _mac(bulk, labels.BULK_MAC_INITIATOR, body)):
            raise SilentRejectError("the mac of B1 is wrong")
        random = secrets.token_bytes(RANDOM_SIZE)
        answer = random + _answer_mac(bulk, message, random)
        self._joining = bulk, _open(bulk, message, answer)
        return Outcome(send=answer)

    def _waiting(self, session_id: bytes) -> BulkSecret:
        bulk = self._sessions.get(session_id)
        if bulk is None or bulk.initiator or bulk.secret is None:
            raise SilentRejectError(f"no session {session_id.hex()} waits for a bulk connection")
        return bulk

    def _confirm(self, bulk: BulkSecret, opened: Opened, message: bytes) -> Outcome:
        opened.confirm(message, BULK_CONFIRM, BulkJoinError)
        if bulk.secret is None or opened.session_id not in self._sessions:
            # Another connection joined since B1, or the session has ended.
            raise BulkJoinError(f"session {opened.session_id.hex()} waits no longer")
        bulk.forget()
        return Outcome(opened=opened)


def _mac(bulk: BulkSecret, label: bytes, body: bytes) -> bytes:
    return hmac.digest(derive(bulk.suite, _secret(bulk), label), body, "sha256")


def _answer_mac(bulk: BulkSecret, b1: bytes, random: bytes) -> bytes:
    return _mac(bulk, labels.BULK_MAC_RESPONDER, b1 + random)


def _open(bulk: BulkSecret, b1: bytes, b2: bytes) -> Opened:
    transcript = Transcript(from_wire(bulk.suite)[0].hash)
    transcript.add(b1)
    transcript.add(b2)
    chains = bulk_chains(bulk.suite, _secret(bulk), transcript.digest())
    return Opened.with_chains(chains, bulk)


def _secret(bulk: BulkSecret) -> bytes:
    if bulk.secret is None:
        raise BulkJoinError(f"session {bulk.session_id.hex()} has had its bulk connection")
    return bulk.secret
