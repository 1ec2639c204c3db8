"""The initiator's side of a handshake, step by step, every byte of it open to change.

It is written from sections 5.2 to 5.6 of spec/PROTOCOL.md over the primitives of `qrfld.crypto` and
shares no step with `qrfld.protocol.handshake`: a tester that used the code under test would share
its mistakes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from qrfld.conformance.verdict import DeviationError, expect
from qrfld.crypto import dh, labels
from qrfld.crypto.aead import Cipher
from qrfld.crypto.errors import CryptoError
from qrfld.crypto.identity import Identity, NodeId, PublicIdentity
from qrfld.crypto.providers import provider_for
from qrfld.crypto.schedule import Transcript, expand_label, extract, hash_size
from qrfld.crypto.suites import Suite, from_wire, suite

MAGIC = b"QRFL"
RETRY = b"\x00\x00"
COOKIE_SIZE = 40
TAG = 16


@dataclass(frozen=True)
class FirstMessage:
    """M1 field by field."""

    offers: tuple[int, ...]
    random: bytes
    kem_key: bytes
    dh_key: bytes
    flags: bytes = bytes(3)
    cookie: bytes = b""

    def core(self) -> bytes:
        """The bytes before the cookie's length."""
        offers = b"".join(offer.to_bytes(2) for offer in self.offers)
        head = MAGIC + b"\x01" + self.flags + len(self.offers).to_bytes(1)
        return head + offers + self.random + self.kem_key + self.dh_key

    def body(self) -> bytes:
        """The bytes before mac1."""
        return self.core() + len(self.cookie).to_bytes(2) + self.cookie


def mac1(federation: bytes, responder: NodeId, body: bytes) -> bytes:
    """What ends an M1 for this responder (section 5.2)."""
    key = hashlib.sha256(labels.MAC1 + federation + responder).digest()
    return hmac.digest(key, body, "sha256")[:16]


def sealed_size(chosen: Suite) -> int:
    """The length of a sealed payload, which is M3 and the end of M2."""
    sizes = chosen.signature_sizes
    return 1 + sizes.public_key + sizes.signature + 1 + TAG


def m2_size(chosen: Suite) -> int:
    """The length of M2."""
    return 2 + 32 + chosen.kem_sizes.ciphertext + 32 + sealed_size(chosen)


def other_suite(suite_id: int) -> int:
    """A suite that everybody knows and that is not this one."""
    return 2 if suite_id == 1 else 1


def payload(identity: PublicIdentity, signature: bytes) -> bytes:
    """What M2 and M3 seal."""
    return identity.suite_id.to_bytes(1) + identity.public_key + signature + b"\x80"


def presented(shown: bytes, chosen: Suite, signed: bytes, context: bytes) -> PublicIdentity:
    """Who a payload of M2 or M3 says it is from; DeviationError unless it proves that."""
    end = 1 + chosen.signature_sizes.public_key
    expect(shown[0] == chosen.id, f"its payload names suite {shown[0]}")
    expect(shown[-1:] == b"\x80", f"its payload has extensions 0x{shown[-1:].hex()}")
    peer = PublicIdentity(chosen.id, shown[1:end])
    try:
        peer.verify(signed + peer.node_id, shown[end:-1], context)
    except CryptoError as error:
        raise DeviationError(f"its signature does not verify: {error.message}") from error
    return peer


@dataclass(frozen=True)
class Secrets:
    """What follows from a finished handshake (section 5.6), for one wire suite."""

    wire_id: int
    master: bytes = field(repr=False)

    def derive(self, label: bytes, size: int | None = None) -> bytes:
        """Expand-Label of master; ``Hlen`` bytes unless ``size`` is given."""
        name = from_wire(self.wire_id)[0].hash
        return expand_label(name, self.master, label, b"", size or hash_size(name))

    @property
    def session_id(self) -> bytes:
        """The session's name, 16 bytes."""
        return self.derive(labels.SESSION_ID, 16)


def transcript(wire_id: int, *parts: bytes) -> bytes:
    """Transcript of section 3.2."""
    running = Transcript(from_wire(wire_id)[0].hash)
    for part in parts:
        running.add(part)
    return running.digest()


def seal(wire_id: int, chain: bytes, data: bytes, aad: bytes) -> bytes:
    """Seal a handshake payload under a handshake chain."""
    cipher, iv = _cipher(wire_id, chain)
    return cipher.seal(iv, data, aad)


def unseal(wire_id: int, chain: bytes, data: bytes, aad: bytes) -> bytes:
    """Open one; raises AuthenticationError."""
    cipher, iv = _cipher(wire_id, chain)
    return cipher.open(iv, data, aad)


def _cipher(wire_id: int, chain: bytes) -> tuple[Cipher, bytes]:
    chosen, aead = from_wire(wire_id)
    key = expand_label(chosen.hash, chain, labels.KEY, b"", 32)
    return Cipher(aead, key), expand_label(chosen.hash, chain, labels.IV, b"", 12)


@dataclass(frozen=True)
class Agreed:
    """What the initiator holds between M2 and M3: everything, to say the truth or lies with."""

    wire_id: int
    secret: bytes = field(repr=False)
    parts: tuple[bytes, ...] = field(repr=False)
    th1: bytes
    th2: bytes
    responder: PublicIdentity
    responder_payload: bytes = field(repr=False)

    def chain(self, label: bytes) -> bytes:
        """A handshake chain."""
        name = from_wire(self.wire_id)[0].hash
        return expand_label(name, self.secret, label, self.th1, hash_size(name))

    def honest(self, identity: Identity) -> bytes:
        """The payload of I that belongs into M3."""
        signature = identity.sign(self.th2 + identity.node_id, labels.SIGN_INITIATOR)
        return payload(identity, signature)

    def m3(self, shown: bytes) -> bytes:
        """M3 around a payload."""
        return seal(self.wire_id, self.chain(labels.HANDSHAKE_INITIATOR), shown, self.th2)

    def secrets(self, shown: bytes) -> Secrets:
        """The session's secrets once the responder has accepted that payload."""
        th3 = transcript(self.wire_id, *self.parts, self.responder_payload, shown)
        name = from_wire(self.wire_id)[0].hash
        master = expand_label(name, self.secret, labels.MASTER, th3, hash_size(name))
        return Secrets(self.wire_id, master)


class Initiation:
    """One handshake with a responder: key shares made, nothing sent."""

    def __init__(self, federation: bytes, responder: NodeId, suite_id: int) -> None:
        self.suite = suite(suite_id)
        self.federation = federation
        self.responder = responder
        self._kem = provider_for(suite_id).kem(self.suite.kem).keypair()
        self._dh = dh.keypair()
        offers = (0x0100 | suite_id, 0x0200 | suite_id)
        self.m1 = FirstMessage(offers, secrets.token_bytes(32), self._kem.public, self._dh.public)

    def first(self, m1: FirstMessage | None = None) -> bytes:
        """An M1 with its mac1: ours, or a changed one."""
        body = (m1 or self.m1).body()
        return body + mac1(self.federation, self.responder, body)

    def agree(self, m1: bytes, m2: bytes) -> Agreed:
        """Judge M2 as section 5.5 tells the initiator; DeviationError if it breaks a rule."""
        wire_id, ct = int.from_bytes(m2[:2]), 34 + self.suite.kem_sizes.ciphertext
        header, sealed = m2[: ct + 32], m2[ct + 32 :]
        expect(wire_id in self._offered(m1), f"M2 chose 0x{wire_id:04x}, which was not offered")
        name = self.suite.hash
        shared = self._kem.decapsulate(m2[34:ct]) + self._dh.exchange(m2[ct : ct + 32])
        secret = extract(name, bytes(hash_size(name)), shared)
        parts = (self.federation, m1, header)
        th1 = transcript(wire_id, *parts)
        chain = expand_label(name, secret, labels.HANDSHAKE_RESPONDER, th1, hash_size(name))
        try:
            shown = unseal(wire_id, chain, sealed, th1)
        except CryptoError as error:
            raise DeviationError(f"the payload of M2 does not open: {error.message}") from error
        responder = presented(shown, self.suite, th1, labels.SIGN_RESPONDER)
        node = responder.node_id
        expect(node == self.responder, f"node {node.short} answers instead of the one dialled")
        th2 = transcript(wire_id, *parts, shown)
        return Agreed(wire_id, secret, parts, th1, th2, responder, shown)

    @staticmethod
    def _offered(m1: bytes) -> list[int]:
        return [int.from_bytes(m1[at : at + 2]) for at in range(9, 9 + 2 * m1[8], 2)]
