"""Invariant: a responder says nothing before a whole M1 with a right mac1, holds no more than one
message, and opens a session only with the node that signed what both sent.

Input: a script of messages from an initiator that knows federation and node, and changes anything.
"""

from __future__ import annotations

from fuzz.feeding import feed, require_dead
from fuzz.invariants import require
from fuzz.rogues import RogueInitiator
from fuzz.script import Script
from fuzz.world import FEDERATION, endpoint, identity, taken
from qrfld.crypto.identity import NodeId
from qrfld.crypto.suites import suite
from qrfld.protocol import wire
from qrfld.protocol.connection import Connection, State
from qrfld.protocol.cookies import CookieGate

SHARE = 4
MAX_LEN = 8192
#: M3 in suite 2.
LARGEST = 7237


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    suite_id = 1 + script.below(2)
    gate = CookieGate((bytes(32),), b"peer", 100.0) if script.number() & 1 else None
    _Dialogue(script, suite_id, gate).run()


class _Dialogue:
    def __init__(self, script: Script, suite_id: int, gate: CookieGate | None) -> None:
        ours = endpoint("bob", suite_id)
        self.script = script
        self.suite = suite(suite_id)
        self.node_id: NodeId = ours.identity.node_id
        self.connection = Connection.accept(ours, {}, gate)
        self.rogue = RogueInitiator(identity("mallory", suite_id), self.node_id)
        self.unanswered = b""  # what was sent since the responder last said something
        self.m1 = self.m2 = self.cookie = b""
        self.honest = False

    def run(self) -> None:
        while self.script.more and self.connection.state is State.HANDSHAKE:
            for piece in self.script.cut(self._message()):
                self.unanswered += piece
                refused = feed(self.connection, piece)
                answer = taken(self.connection)
                if answer:
                    self._answered(answer)
                require(not (refused and answer), "a handshake that fails says nothing")
                require(len(self.connection._got) <= LARGEST, "one message is held")
        if self.connection.state is State.OPEN:
            session = self.connection.session
            require(session is not None, "an open control connection has a session")
            require(self.honest, "a session has a signature over what was sent")
            require(
                session is not None and session.node_id == self.rogue.author.node_id,
                "a session is with the signer",
            )
        elif self.connection.state is State.CLOSED:
            require_dead(self.connection)

    def _message(self) -> bytes:
        match self.script.below(4):
            case 0:
                return self.script.piece()
            case 1 if self.m2:
                presented = self.rogue.m3(self.script, self.m1, self.m2)
                # Bytes that wait from before would come before M3.
                self.honest = presented.honest
                return presented.message
            case _:
                return self.rogue.m1(self.script, self.cookie)

    def _answered(self, answer: bytes) -> None:
        size = wire.m1_size(self.unanswered, self.suite)
        m1 = self.unanswered[:size]
        body, tag = m1[: -wire.MAC1_SIZE], m1[-wire.MAC1_SIZE :]
        require(
            len(m1) == size and tag == wire.mac1(FEDERATION, self.node_id, body),
            "an answer has a whole M1 with a right mac1 before it",
        )
        self.unanswered = self.unanswered[size:]
        if answer[:2] == wire.RETRY:
            self.cookie = answer[4:]
        else:
            self.m1, self.m2 = m1, answer


def seeds() -> list[bytes]:
    """Honest handshakes of both suites, with a cookie, changed at each message, and other bytes."""
    m1, cuts, m3 = b"\x02\0\0", b"\0", b"\x01\0\0"
    honest = m1 + cuts + m3 + cuts
    return [
        b"\0\0" + honest,
        b"\x01\0" + honest,
        b"\0\x01" + m1 + cuts + honest,
        b"\0\0" + b"\x02\0\0" + b"\x02\x00\x00\x10\x00\x05\x00" + m3 + b"\x03\0\0\1\0\0\2\0\0\3",
        b"\0\0" + b"\x02\x01\x00\x20\x00\x01" + b"\x01" + cuts + m3 + cuts,
        b"\0\0" + b"\x02\x01\x00\x20\x00\x01" + b"\0" + cuts,
        b"\0\0" + m1 + cuts + b"\x01\x01\x08\x00\x00\x01" + b"\0" + cuts,
        b"\0\0" + b"\x02\x01\x00\x0a\x00\x01" + b"\x01" + cuts,
        b"\0\0" + m1 + cuts + b"\x01\x01\x00\x00\x00\x03" + b"\0" + cuts,
        b"\0\0" + m1 + cuts + b"\x01\0" + b"\x01\x01\x00\x00\x01" + cuts,
        b"\0\0" + b"\0\0\x09QRFL\x01\0\0\0\x02" + cuts,
        b"\0\0" + b"\0\0\x05QRFB\x01" + cuts,
        b"\0\0" + b"\0\0\x04HTTP" + cuts,
    ]
