"""spec/vectors/handshake-*.json against a second reading of PROTOCOL.md.

Nothing of `qrfld.protocol` computes here: offsets, hashes, HKDF and AEADs are written out again
from the text, over `hashlib`, `hmac` and `cryptography`. Only ML-KEM and ML-DSA come from the
crypto room.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.providers import provider_for

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"
#: suite: hash, KEM, its key's and ciphertext's length, public key's and signature's length.
SUITES = {
    1: ("sha384", "ML-KEM-768", 1184, 1088, 1952, 3309),
    2: ("sha512", "ML-KEM-1024", 1568, 1568, 2592, 4627),
}


class Reader:
    """One vector, and the formulas of the text under its suite."""

    def __init__(self, suite: int) -> None:
        path = VECTORS / f"handshake-{suite}.json"
        self.values: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        self.suite = suite
        self.name, self.kem, self.kem_key, self.ciphertext, self.public, self.signature = SUITES[
            suite
        ]
        self.hlen = hashlib.new(self.name).digest_size
        self.aead = AESGCM if self.values["wire_suite"] >> 8 == 1 else ChaCha20Poly1305

    def __getitem__(self, path: str) -> bytes:
        value: Any = self.values
        for part in path.split("."):
            value = value[part]
        return bytes.fromhex(value)

    def expand(self, secret: bytes, label: str, context: bytes, size: int) -> bytes:
        info = size.to_bytes(2) + bytes([len(label)]) + label.encode()
        info += bytes([len(context)]) + context
        first = hmac.digest(secret, info + b"\x01", self.name)
        return first[:size]

    def transcript(self, *parts: bytes) -> bytes:
        joined = b"".join(len(part).to_bytes(8) + part for part in parts)
        return hashlib.new(self.name, joined).digest()

    def check_chain(self, path: str, chain: bytes) -> None:
        assert self[f"{path}.chain"] == chain
        assert self[f"{path}.key"] == self.expand(chain, "key", b"", 32)
        assert self[f"{path}.iv"] == self.expand(chain, "iv", b"", 12)

    def open(self, path: str, counter: int, sealed: bytes, aad: bytes) -> bytes:
        nonce = int.from_bytes(self[f"{path}.iv"]) ^ counter
        return self.aead(self[f"{path}.key"]).decrypt(nonce.to_bytes(12), sealed, aad)

    def open_record(self, path: str, counter: int, record: bytes) -> bytes:
        assert int.from_bytes(record[:4]) == len(record) - 4
        return self.open(path, counter, record[4:], record[:4])


@pytest.fixture(params=[1, 2])
def vector(request: pytest.FixtureRequest) -> Reader:
    return Reader(request.param)


def test_m1_is_what_the_text_says(vector: Reader) -> None:
    m1 = vector["m1"]
    assert m1[:5] == b"QRFL\x01"
    assert m1[5:9] == b"\x00\x00\x00\x02"
    offers = {int.from_bytes(m1[9:11]), int.from_bytes(m1[11:13])}
    assert offers == {0x0100 | vector.suite, 0x0200 | vector.suite}
    pair = provider_for(vector.suite).kem(vector.kem).keypair(vector["initiator.kem_seed"])
    dh_at = 45 + vector.kem_key
    assert m1[45:dh_at] == pair.public
    ours = X25519PrivateKey.from_private_bytes(vector["initiator.x25519_private"])
    assert m1[dh_at : dh_at + 32] == ours.public_key().public_bytes_raw()
    assert m1[dh_at + 32 : dh_at + 34] == b"\x00\x00"
    key = hashlib.sha256(
        b"qrfld-1 mac1" + vector["federation"] + vector["responder.node_id"]
    ).digest()
    assert m1[dh_at + 34 :] == hmac.digest(key, m1[: dh_at + 34], "sha256")[:16]


def test_node_ids_are_what_the_text_says(vector: Reader) -> None:
    for role in ("initiator", "responder"):
        public = Identity.from_seed(vector.suite, vector[f"{role}.identity_seed"]).public_key
        named = b"qrfld-1 node id" + bytes([vector.suite]) + public
        assert vector[f"{role}.node_id"] == hashlib.sha256(named).digest()
        assert vector[f"payload_{role}"][1 : 1 + vector.public] == public


def test_shared_secrets_are_what_the_text_says(vector: Reader) -> None:
    m2, end = vector["m2"], 34 + vector.ciphertext
    pair = provider_for(vector.suite).kem(vector.kem).keypair(vector["initiator.kem_seed"])
    assert vector["ss_mlkem"] == pair.decapsulate(m2[34:end])
    ours = X25519PrivateKey.from_private_bytes(vector["initiator.x25519_private"])
    theirs = X25519PrivateKey.from_private_bytes(vector["responder.x25519_private"])
    assert m2[end : end + 32] == theirs.public_key().public_bytes_raw()
    assert vector["ss_x25519"] == ours.exchange(
        X25519PublicKey.from_public_bytes(m2[end : end + 32])
    )


def test_payloads_and_transcripts_are_what_the_text_says(vector: Reader) -> None:
    federation, m1, m2 = vector["federation"], vector["m1"], vector["m2"]
    header = m2[: 66 + vector.ciphertext]
    payloads = vector["payload_responder"], vector["payload_initiator"]
    assert vector["th1"] == vector.transcript(federation, m1, header)
    assert vector["th2"] == vector.transcript(federation, m1, header, payloads[0])
    assert vector["th3"] == vector.transcript(federation, m1, header, *payloads)

    both = vector["ss_mlkem"] + vector["ss_x25519"]
    assert vector["secret"] == hmac.digest(bytes(vector.hlen), both, vector.name)
    for role in ("initiator", "responder"):
        chain = vector.expand(vector["secret"], f"handshake {role}", vector["th1"], vector.hlen)
        vector.check_chain(f"handshake_{role}", chain)
    sealed = m2[len(header) :]
    assert vector.open("handshake_responder", 0, sealed, vector["th1"]) == payloads[0]
    assert vector.open("handshake_initiator", 0, vector["m3"], vector["th2"]) == payloads[1]


@pytest.mark.parametrize(("role", "transcript"), [("responder", "th1"), ("initiator", "th2")])
def test_signatures_are_what_the_text_says(vector: Reader, role: str, transcript: str) -> None:
    payload = vector[f"payload_{role}"]
    end = 1 + vector.public + vector.signature
    assert (payload[0], payload[end:]) == (vector.suite, b"\x80")
    who = PublicIdentity(vector.suite, payload[1 : 1 + vector.public])
    signed = vector[transcript] + vector[f"{role}.node_id"]
    who.verify(signed, payload[1 + vector.public : end], f"qrfld-1 {role}".encode())


def test_session_keys_are_what_the_text_says(vector: Reader) -> None:
    master = vector.expand(vector["secret"], "master", vector["th3"], vector.hlen)
    assert vector["master"] == master
    for role in ("initiator", "responder"):
        chain = vector.expand(master, f"traffic {role}", b"", vector.hlen)
        vector.check_chain(f"traffic_{role}", chain)
    assert vector["session_id"] == vector.expand(master, "session id", b"", 16)
    assert vector["bulk"] == vector.expand(master, "bulk", b"", vector.hlen)
    assert vector["exporter"] == vector.expand(master, "exporter", b"", vector.hlen)
    exported = vector.expand(vector["exporter"], "exporter", vector["export.label"], 32)
    assert vector["export.value"] == exported


def test_records_are_what_the_text_says(vector: Reader) -> None:
    message = vector.open_record("traffic_initiator", 0, vector["records.initiator_message"])
    assert message.hex() == "0100138200c410000102030405060708090a0b0c0d0e0f02cd012c"
    ping = vector.open_record("traffic_responder", 0, vector["records.responder_ping"])
    assert ping == b"\x02pingping"
    update = vector.open_record("traffic_initiator", 1, vector["records.initiator_key_update"])
    assert update == b"\x05"
    chain = vector.expand(vector["traffic_initiator.chain"], "rekey", b"", vector.hlen)
    record = vector["records.initiator_ping_after_key_update"]
    key, iv = vector.expand(chain, "key", b"", 32), vector.expand(chain, "iv", b"", 12)
    assert vector.aead(key).decrypt(iv, record[4:], record[:4]) == b"\x02gnipgnip"


def test_bulk_join_is_what_the_text_says(vector: Reader) -> None:
    b1, b2 = vector["bulk_join.b1"], vector["bulk_join.b2"]
    assert b1[:5] == b"QRFB\x01"
    assert b1[5:21] == vector["session_id"]
    macs = [
        vector.expand(vector["bulk"], f"bulk mac {role}", b"", vector.hlen)
        for role in ("initiator", "responder")
    ]
    assert b1[53:] == hmac.digest(macs[0], b1[:53], "sha256")
    assert b2[32:] == hmac.digest(macs[1], b1 + b2[:32], "sha256")
    assert vector["bulk_join.bth"] == vector.transcript(b1, b2)
    for role in ("initiator", "responder"):
        chain = vector.expand(vector["bulk"], f"bulk {role}", vector["bulk_join.bth"], vector.hlen)
        vector.check_chain(f"bulk_join.{role}", chain)
    assert vector.open_record("bulk_join.initiator", 0, vector["bulk_join.b3"]) == b"\x07"
    get = vector.open_record("bulk_join.initiator", 1, vector["bulk_join.get"])
    assert get == b"\x10" + bytes([0, 0, 0, 1]) + b"\xab" * 32 + bytes(8) + (1 << 20).to_bytes(8)
