"""Nodes that know everything a member knows and keep to nothing: both sides of the handshake.

They compute what the spec says, over whatever they really sent, and let a script change each part
before it is covered by a MAC, sealed or signed, and again after. Unchanged, they are honest.
"""

from __future__ import annotations

from dataclasses import dataclass

from fuzz.script import Script
from fuzz.world import FEDERATION
from qrfld.crypto import dh, labels
from qrfld.crypto.errors import AuthenticationError
from qrfld.crypto.identity import Identity, NodeId
from qrfld.crypto.providers import provider_for
from qrfld.crypto.schedule import Transcript
from qrfld.crypto.suites import Suite, suite
from qrfld.protocol import wire
from qrfld.protocol.keys import Chain, ChainPair, handshake_chains, hybrid_secret


@dataclass(frozen=True)
class Presented:
    """A message with a sealed payload; ``honest`` when the payload is what its author signed."""

    message: bytes
    honest: bool


class RogueInitiator:
    """Dials ``peer`` as ``author``."""

    def __init__(self, author: Identity, peer: NodeId) -> None:
        self.author = author
        self._suite = suite(author.suite_id)
        self._peer = peer
        self._kem = provider_for(self._suite.id).kem(self._suite.kem).keypair()
        self._dh = dh.keypair()
        offers = (0x0100 | self._suite.id, 0x0200 | self._suite.id)
        self._core = wire.build_m1_core(offers, bytes(32), self._kem.public, self._dh.public)

    def m1(self, script: Script, cookie: bytes) -> bytes:
        """M1, perhaps changed, with a mac1 that fits it or not."""
        honest = wire.finish_m1(self._core, cookie, FEDERATION, self._peer)
        changed = script.changed(honest)
        if script.number() & 1:
            body = changed[: -wire.MAC1_SIZE]
            return body + wire.mac1(FEDERATION, self._peer, body)
        return changed

    def m3(self, script: Script, m1: bytes, m2: bytes) -> Presented:
        """M3 in answer to M2, perhaps changed before and after it is sealed."""
        parsed = wire.parse_m2(m2, self._suite)
        secret = hybrid_secret(
            self._suite.hash,
            self._kem.decapsulate(parsed.kem_ciphertext),
            self._dh.exchange(parsed.dh_key),
        )
        th1 = _hash(self._suite, m1, parsed.header)
        chains = handshake_chains(int.from_bytes(m2[:2]), secret, th1)
        try:
            payload = chains.responder.cipher().open(chains.responder.iv(), parsed.sealed, th1)
        except AuthenticationError:  # M1 was changed so that the keys differ
            payload = b""
        th2 = _hash(self._suite, m1, parsed.header, payload)
        return _present(script, self.author, th2, labels.SIGN_INITIATOR, chains.initiator)


class RogueResponder:
    """Is dialled by somebody, and answers as ``author``."""

    def __init__(self, author: Identity) -> None:
        self.author = author
        self._suite = suite(author.suite_id)

    def retry(self, script: Script) -> bytes:
        """RETRY, perhaps changed."""
        return script.changed(wire.RETRY + (40).to_bytes(2) + bytes(40))

    def m2(self, script: Script, m1: bytes) -> Presented:
        """M2 in answer to an honest M1, perhaps changed before and after it is sealed."""
        ends = 9 + 2 * m1[8] + wire.RANDOM_SIZE
        kem_end = ends + self._suite.kem_sizes.public_key
        kem = provider_for(self._suite.id).kem(self._suite.kem)
        ciphertext, kem_shared = kem.encapsulate(m1[ends:kem_end])
        ours = dh.keypair()
        chosen = m1[9 + 2 * script.below(2) :][:2]
        header = script.changed(chosen + bytes(32) + ciphertext + ours.public)
        dh_shared = ours.exchange(m1[kem_end : kem_end + 32])
        th1 = _hash(self._suite, m1, header)
        secret = hybrid_secret(self._suite.hash, kem_shared, dh_shared)
        chains: ChainPair = handshake_chains(int.from_bytes(chosen), secret, th1)
        sealed = _present(script, self.author, th1, labels.SIGN_RESPONDER, chains.responder)
        return Presented(header + sealed.message, sealed.honest)


def _present(
    script: Script, author: Identity, transcript: bytes, context: bytes, chain: Chain
) -> Presented:
    signature = author.sign(transcript + author.node_id, context)
    payload = wire.build_payload(author.suite_id, author.public_key, signature)
    shown = script.changed(payload)
    sealed = chain.cipher().seal(chain.iv(), shown, transcript)
    sent = script.changed(sealed)
    # What follows a whole message belongs to the next one.
    return Presented(sent, shown == payload and sent.startswith(sealed))


def _hash(chosen: Suite, *parts: bytes) -> bytes:
    transcript = Transcript(chosen.hash)
    for part in (FEDERATION, *parts):
        transcript.add(part)
    return transcript.digest()
