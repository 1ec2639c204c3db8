"""Every domain-separation label, in one place.

A key or signature made for one purpose must never be accepted for another. Each hash, key
derivation and ML-DSA signature in qrfld therefore begins with a label (for ML-DSA: its context
string, FIPS 204 section 5.2), and all labels stand in this file, so that one look shows that no two
are equal and none is a prefix of another where both prefix a hash (``tests/crypto/test_labels.py``
checks it). The leading ``qrfld-1`` is the version of the whole construction.
"""

from __future__ import annotations

from enum import IntEnum

# SHA-256 over label ‖ fields of fixed length.
NODE_ID = b"qrfld-1 node id"
STATEMENT_ID = b"qrfld-1 statement"
TOKEN_SECRET = b"qrfld-1 token secret"
TOKEN_CHECKSUM = b"qrfld-1 token checksum"
MAC1 = b"qrfld-1 mac1"

# HKDF labels of the handshake and the sessions (protocol/handshake.py composes them).
HANDSHAKE_INITIATOR = b"handshake initiator"
HANDSHAKE_RESPONDER = b"handshake responder"
TRAFFIC_INITIATOR = b"traffic initiator"
TRAFFIC_RESPONDER = b"traffic responder"
MASTER = b"master"
SESSION_ID = b"session id"
EXPORTER = b"exporter"
BULK = b"bulk"
BULK_MAC_INITIATOR = b"bulk mac initiator"
BULK_MAC_RESPONDER = b"bulk mac responder"
BULK_INITIATOR = b"bulk initiator"
BULK_RESPONDER = b"bulk responder"
TICKET_INITIATOR = b"ticket initiator"
TICKET_RESPONDER = b"ticket responder"
TICKET_SECRET_INITIATOR = b"ticket secret initiator"
TICKET_SECRET_RESPONDER = b"ticket secret responder"
RESUME_MAC = b"resume mac"
RESUME_CONFIRM = b"resume confirm"
RESUME_MASTER = b"resume master"
REKEY = b"rekey"
KEY = b"key"
IV = b"iv"

# HKDF label of the keystore.
KEYSTORE = b"qrfld-1 keystore"

# ML-DSA contexts of the handshake.
SIGN_INITIATOR = b"qrfld-1 initiator"
SIGN_RESPONDER = b"qrfld-1 responder"


class Kind(IntEnum):
    """What a signed statement is; the number travels in its envelope."""

    GENESIS = 1
    ADMISSION = 2
    ADDRESS_RECORD = 3
    RUN_CONFIG = 16
    UPDATE = 17
    ROUND_RECORD = 18

    @property
    def context(self) -> bytes:
        """The ML-DSA context under which statements of this kind are signed."""
        return b"qrfld-1 statement " + self.name.lower().replace("_", "-").encode()
