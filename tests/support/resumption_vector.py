"""spec/vectors/resumption-*.json, made from section 5.7 of PROTOCOL.md written out again.

``python tests/support/resumption_vector.py`` writes both anew; another ciphertext each time, since
encapsulation is randomised. Only ML-KEM and node IDs come from the crypto room.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from qrfld.crypto.identity import Identity
from qrfld.crypto.providers import provider_for

DIRECTORY: Final = Path(__file__).parents[2] / "spec" / "vectors"
KEMS: Final = {1: "ML-KEM-768", 2: "ML-KEM-1024"}
HASHES: Final = {1: "sha384", 2: "sha512"}
ROLES: Final = ("initiator", "responder")
MESSAGE: Final = bytes.fromhex("0100138200c410000102030405060708090a0b0c0d0e0f02cd012c")
PING: Final = b"\x02pingping"


def path(suite: int) -> Path:
    return DIRECTORY / f"resumption-{suite}.json"


class Formulas:
    """3.2 and 6.2 under one wire suite."""

    def __init__(self, wire_suite: int) -> None:
        self.suite = wire_suite & 0xFF
        self.name = HASHES[self.suite]
        self.hlen = hashlib.new(self.name).digest_size
        self.aead = AESGCM if wire_suite >> 8 == 1 else ChaCha20Poly1305

    def expand(self, secret: bytes, label: str, context: bytes = b"", size: int = 0) -> bytes:
        """Expand-Label; Hlen bytes unless ``size`` says otherwise."""
        size = size or self.hlen
        info = size.to_bytes(2) + bytes([len(label)]) + label.encode()
        info += bytes([len(context)]) + context
        return hmac.digest(secret, info + b"\x01", self.name)[:size]

    def transcript(self, *parts: bytes) -> bytes:
        joined = b"".join(len(part).to_bytes(8) + part for part in parts)
        return hashlib.new(self.name, joined).digest()

    def chain(self, secret: bytes) -> dict[str, bytes]:
        iv = self.expand(secret, "iv", size=12)
        return {"chain": secret, "key": self.expand(secret, "key", size=32), "iv": iv}

    def record(self, chain: dict[str, bytes], counter: int, frame: bytes) -> bytes:
        nonce = (int.from_bytes(chain["iv"]) ^ counter).to_bytes(12)
        length = (len(frame) + 16).to_bytes(4)
        return length + self.aead(chain["key"]).encrypt(nonce, frame, length)

    def tickets(self, master: bytes) -> dict[str, bytes]:
        names = {f"ticket_{r}": self.expand(master, f"ticket {r}", size=16) for r in ROLES}
        proofs = {f"ticket_secret_{r}": self.expand(master, f"ticket secret {r}") for r in ROLES}
        return names | proofs


def span(start: int, size: int) -> bytes:
    """Bytes that one recognises in a dump."""
    return bytes((start + i) % 256 for i in range(size))


def resumption_vector(wire_suite: int, dials: str) -> dict[str, Any]:
    """One resumption by the side ``dials`` of the session before; all values are bytes."""
    f = Formulas(wire_suite)
    nodes = [Identity.from_seed(f.suite, span(at, 32)) for at in (0x00, 0x20)]
    ours, theirs = (X25519PrivateKey.from_private_bytes(span(at, 32)) for at in (0xA0, 0xC0))
    kem_seed, federation = span(0x60, 64), span(0x40, 32)
    kem = provider_for(f.suite).kem(KEMS[f.suite])
    pair = kem.keypair(kem_seed)
    before = {"master": span(0xE0, f.hlen)}
    before |= f.tickets(before["master"])
    ticket, secret = before[f"ticket_{dials}"], before[f"ticket_secret_{dials}"]

    mac_key = f.expand(secret, "resume mac")
    body = b"QRFS\x01" + ticket + span(0x11, 32) + pair.public
    body += ours.public_key().public_bytes_raw()
    s1 = body + hmac.digest(mac_key, body, "sha256")

    ciphertext, ss_mlkem = kem.encapsulate(pair.public)
    ss_x25519 = theirs.exchange(X25519PublicKey.from_public_bytes(s1[-64:-32]))
    answer = span(0x33, 32) + ciphertext + theirs.public_key().public_bytes_raw()
    th = f.transcript(federation, nodes[0].node_id, nodes[1].node_id, s1, answer)
    both = hmac.digest(secret, ss_mlkem + ss_x25519, f.name)
    confirmation = f.expand(both, "resume confirm", th, 32)
    master = f.expand(both, "resume master", th)
    chains = {role: f.chain(f.expand(master, f"traffic {role}")) for role in ROLES}
    return {
        "wire_suite": wire_suite,
        "federation": federation,
        "before": {"side_that_dials": dials, **before},
        "initiator": {
            "identity_seed": span(0x00, 32),
            "node_id": bytes(nodes[0].node_id),
            "kem_seed": kem_seed,
            "x25519_private": span(0xA0, 32),
        },
        "responder": {
            "identity_seed": span(0x20, 32),
            "node_id": bytes(nodes[1].node_id),
            "x25519_private": span(0xC0, 32),
        },
        "mac_key": mac_key,
        "s1": s1,
        "s2": answer + confirmation,
        "s3": f.record(chains["initiator"], 0, b"\x08"),
        "ss_mlkem": ss_mlkem,
        "ss_x25519": ss_x25519,
        "th": th,
        "secret": both,
        "confirmation": confirmation,
        "master": master,
        "traffic_initiator": chains["initiator"],
        "traffic_responder": chains["responder"],
        "session_id": f.expand(master, "session id", size=16),
        "bulk": f.expand(master, "bulk"),
        "exporter": f.expand(master, "exporter"),
        **f.tickets(master),
        "records": {
            "initiator_message": f.record(chains["initiator"], 1, MESSAGE),
            "responder_ping": f.record(chains["responder"], 0, PING),
        },
    }


def as_text(vector: dict[str, Any]) -> str:
    """The file's text: bytes in hex."""
    comment = "One resumption and first records. PROTOCOL.md section 20. All values in hex."
    whole = {"comment": comment, **vector}
    return json.dumps(whole, default=bytes.hex, indent=1) + "\n"


def fresh(suite: int) -> dict[str, Any]:
    """The vector of a suite: in the second, the one that was dialled before dials."""
    return resumption_vector(*{1: (0x0101, "initiator"), 2: (0x0202, "responder")}[suite])


if __name__ == "__main__":
    for each in KEMS:
        path(each).write_text(as_text(fresh(each)), encoding="ascii")
