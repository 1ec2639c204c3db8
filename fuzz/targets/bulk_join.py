"""Invariant: a bulk connection opens only with the three messages of one join, unchanged and in
order; of several joins of a session one succeeds at most; B1 without a right MAC gets no answer.

Input: a script of the joins.
"""

from __future__ import annotations

import hmac

from fuzz import joins
from fuzz.script import Script
from fuzz.world import WIRE_SUITE, endpoint
from qrfld.crypto import labels
from qrfld.protocol.bulk import B1_SIZE, B2_SIZE, B3_SIZE, MAC_SIZE
from qrfld.protocol.connection import BulkSecret, Connection
from qrfld.protocol.keys import derive

SHARE = 2
_ID = bytes(range(16))
_SECRET = bytes(48)


def check(data: bytes) -> None:
    """See the module."""
    waiting = {_ID: BulkSecret(_ID, WIRE_SUITE, False, _SECRET)}
    diallers = [Connection.dial_bulk(BulkSecret(_ID, WIRE_SUITE, True, _SECRET)) for _ in range(2)]
    listeners = [Connection.accept(endpoint("bob"), waiting, None) for _ in range(3)]
    joins.Join.of(diallers, listeners, (B1_SIZE, B2_SIZE, B3_SIZE), _with_mac).run(Script(data))


def _with_mac(b1: bytes) -> bytes:
    body = b1[:-MAC_SIZE]
    key = derive(WIRE_SUITE, _SECRET, labels.BULK_MAC_INITIATOR)
    return body + hmac.digest(key, body, "sha256")


def seeds() -> list[bytes]:
    """See `joins.scripts`."""
    return joins.scripts()
