"""Invariant: an initiator shows itself, and opens a session, only to the node that it dialled and
that signed what both sent; it holds no more than one message, and answers RETRY once.

Input: a script of messages from a responder that changes anything, or is another one.
"""

from __future__ import annotations

from fuzz.feeding import feed, require_dead
from fuzz.invariants import require
from fuzz.rogues import RogueResponder
from fuzz.script import Script
from fuzz.world import endpoint, identity, taken
from qrfld.protocol.connection import Connection, State
from qrfld.protocol.cookies import COOKIE_SIZE

SHARE = 4
MAX_LEN = 8192
#: M2 in suite 2.
LARGEST = 8871


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    suite_id = 1 + script.below(2)
    dialled = identity("bob", suite_id)
    connection = Connection.dial(endpoint("alice", suite_id), dialled.node_id)
    rogue = RogueResponder(identity("mallory", suite_id) if script.number() & 1 else dialled)
    m1 = taken(connection)
    m1_size, retries, genuine = len(m1), 0, False
    while script.more and connection.state is State.HANDSHAKE:
        honest, message = _message(script, rogue, m1)
        for piece in script.cut(message):
            refused = feed(connection, piece)
            said = taken(connection)
            require(not (refused and said), "a handshake that fails says nothing")
            if said and len(said) == m1_size + COOKIE_SIZE and connection.state is State.HANDSHAKE:
                retries += 1
                m1 = said
            elif said:
                genuine = honest and rogue.author is dialled
                require(genuine, "only the node that was dialled learns who dials")
            require(len(connection._got) <= LARGEST, "one message is held")
    require(retries <= 1, "RETRY is answered once")
    if connection.state is State.OPEN:
        require(genuine, "a session has a signature of the node that was dialled")
    elif connection.state is State.CLOSED:
        require_dead(connection)


def _message(script: Script, rogue: RogueResponder, m1: bytes) -> tuple[bool, bytes]:
    """Whether the payload is what its author signed, and the message."""
    match script.below(4):
        case 0:
            return False, script.piece()
        case 1:
            return False, rogue.retry(script)
        case _:
            presented = rogue.m2(script, m1)
            return presented.honest, presented.message


def seeds() -> list[bytes]:
    """Honest answers, with a cookie, of another node, changed in each part, and other bytes."""
    m2, cuts, retry = b"\x02\0\0\0\0", b"\0", b"\x01\0"
    return [
        b"\0\0" + m2 + cuts,
        b"\x01\0" + b"\x02\x01\0\0\0" + b"\x01\x00\x00\x09",
        b"\0\x01" + m2 + cuts,
        b"\0\0" + retry + cuts + m2 + cuts,
        b"\0\0" + retry + cuts + retry + cuts,
        b"\0\0" + b"\x02\0" + b"\x01\x00\x40\x00\x01" + b"\0\0" + cuts,
        b"\0\0" + b"\x02\0\0" + b"\x01\x00\x00\x00\x03" + b"\0" + cuts,
        b"\0\0" + b"\x02\0\0" + b"\x01\x08\x00\x00\x01" + b"\0" + cuts,
        b"\0\0" + b"\x02\0\0\0" + b"\x01\x08\x00\x00\x01" + cuts,
        b"\0\0" + b"\0\0\x02\x02\x02" + cuts,
        b"\0\0" + b"\0\0\x04\x01\x01ab" + cuts,
        b"\0\0" + b"\x01\x01\x00\x03\x00\x01" + cuts,
    ]
