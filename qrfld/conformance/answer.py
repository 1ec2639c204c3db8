"""The responder's side of a handshake, step by step, every byte of it open to change.

The counterpart of `initiation`, written from the same sections: M1 is judged as a responder would,
and the M2 that is sent may be any.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from qrfld.conformance.initiation import (
    MAGIC,
    Secrets,
    mac1,
    payload,
    presented,
    seal,
    sealed_size,
    transcript,
    unseal,
)
from qrfld.conformance.verdict import DeviationError, expect
from qrfld.conformance.wire import Wire
from qrfld.crypto import dh, labels
from qrfld.crypto.errors import CryptoError, InvalidKeyError
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.providers import provider_for
from qrfld.crypto.schedule import expand_label, extract, hash_size
from qrfld.crypto.suites import Suite, suite

_START = MAGIC + b"\x01"


@dataclass(frozen=True)
class Heard:
    """An M1 as it came: ``core`` is all before the cookie's length."""

    whole: bytes
    core: bytes
    cookie: bytes
    offers: tuple[int, ...]
    random: bytes
    kem_key: bytes
    dh_key: bytes


async def hear_m1(wire: Wire, chosen: Suite) -> Heard:
    """Read an M1; DeviationError unless it is one of this version and suite (section 5.2)."""
    head = await wire.take(9, "M1")
    expect(head[:5] == _START, f"its M1 begins with {head[:5].hex()}")
    expect(head[5:8] == bytes(3), f"its M1 has flags {head[5:8].hex()}")
    expect(1 <= head[8] <= 8, f"its M1 has {head[8]} offers")
    offered = await wire.take(2 * head[8], "the offers of M1")
    offers = tuple(int.from_bytes(offered[at : at + 2]) for at in range(0, len(offered), 2))
    strange = [f"0x{offer:04x}" for offer in offers if offer & 0xFF != chosen.id]
    expect(not strange, f"it offers {', '.join(strange)} to a node of suite {chosen.id}")
    shares = await wire.take(32 + chosen.kem_sizes.public_key + 32, "the key shares of M1")
    size = await wire.take(2, "the cookie's length")
    expect(int.from_bytes(size) in (0, 40), f"its cookie has {int.from_bytes(size)} bytes")
    cookie = await wire.take(int.from_bytes(size), "the cookie")
    core = head + offered + shares
    whole = core + size + cookie + await wire.take(16, "mac1")
    return Heard(whole, core, cookie, offers, shares[:32], shares[32:-32], shares[-32:])


@dataclass(frozen=True)
class Answer:
    """The key agreement with the caller, and what may be made of it."""

    suite: Suite
    wire_id: int
    header: bytes = field(repr=False)
    parts: tuple[bytes, ...] = field(repr=False)
    secret: bytes = field(repr=False)
    th1: bytes

    def chain(self, label: bytes) -> bytes:
        """A handshake chain."""
        name = self.suite.hash
        return expand_label(name, self.secret, label, self.th1, hash_size(name))

    def honest(self, identity: Identity) -> bytes:
        """The payload of R that belongs into M2."""
        signature = identity.sign(self.th1 + identity.node_id, labels.SIGN_RESPONDER)
        return payload(identity, signature)

    def m2(self, shown: bytes) -> bytes:
        """M2 around a payload."""
        chain = self.chain(labels.HANDSHAKE_RESPONDER)
        return self.header + seal(self.wire_id, chain, shown, self.th1)

    def finish(self, shown: bytes, m3: bytes) -> tuple[PublicIdentity, Secrets]:
        """Who called, and the session's secrets; DeviationError unless M3 is right."""
        th2 = transcript(self.wire_id, *self.parts, shown)
        try:
            theirs = unseal(self.wire_id, self.chain(labels.HANDSHAKE_INITIATOR), m3, th2)
        except CryptoError as error:
            raise DeviationError(f"M3 does not open: {error.message}") from error
        peer = presented(theirs, self.suite, th2, labels.SIGN_INITIATOR)
        th3 = transcript(self.wire_id, *self.parts, shown, theirs)
        name = self.suite.hash
        master = expand_label(name, self.secret, labels.MASTER, th3, hash_size(name))
        return peer, Secrets(self.wire_id, master)

    @property
    def m3_size(self) -> int:
        """The length of M3."""
        return sealed_size(self.suite)


def answer(
    identity: Identity,
    federation: bytes,
    m1: Heard,
    *,
    wire_id: int | None = None,
    dh_key: bytes | None = None,
) -> Answer:
    """Judge the rest of M1 and agree on keys; DeviationError if it breaks a rule.

    ``dh_key`` replaces our X25519 public key by one of small order: the secret is then made with
    zeros, as a caller computes it that does not refuse them.
    """
    chosen = suite(identity.suite_id)
    right = mac1(federation, identity.node_id, m1.whole[:-16])
    expect(hmac.compare_digest(right, m1.whole[-16:]), "its mac1 is wrong")
    wire_id = m1.offers[0] if wire_id is None else wire_id
    ours, name = dh.keypair(), chosen.hash
    try:
        ciphertext, shared = provider_for(chosen.id).kem(chosen.kem).encapsulate(m1.kem_key)
        exchanged = ours.exchange(m1.dh_key)
    except InvalidKeyError as error:
        raise DeviationError(f"a key in its M1 is not one: {error.message}") from error
    if dh_key is not None:
        exchanged = bytes(32)
    public = dh_key or ours.public
    header = wire_id.to_bytes(2) + secrets.token_bytes(32) + ciphertext + public
    parts = (federation, m1.whole, header)
    secret = extract(name, bytes(hash_size(name)), shared + exchanged)
    return Answer(chosen, wire_id, header, parts, secret, transcript(wire_id, *parts))
