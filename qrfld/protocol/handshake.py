"""The handshake: SIGMA-I over X25519 and ML-KEM, signed with ML-DSA, in three messages.

    I                                                    R
    M1  offers, random, KEM key, X25519, mac1      →         silence unless mac1 is right
                                                   ←     M2  suite, random, ciphertext, X25519,
                                                             sealed{R's key, signature}
    is this the node I dialled? does it sign?
    M3  sealed{I's key, signature}                 →         does it sign?

Why it holds. Each signature covers a hash over every byte sent so far, beginning with the
federation, and the signer's node ID, under an ML-DSA context of the signer's role: nothing can be
changed, taken from another session, sent back to its author or lowered to another suite. The
initiator knows whom it dialled and checks that before it shows who it is. The keys need both key
exchanges and the transcript, in which the KEM's key and ciphertext stand. PROTOCOL.md has the
argument in full, claim by claim.

`Initiator` and `Responder` are steps of a connection: ``needed(got)`` says how long the next
message is, ``receive(message)`` answers it. Each is used once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from qrfld.crypto import dh, labels
from qrfld.crypto.errors import (
    AuthenticationError,
    InvalidKeyError,
    InvalidSignatureError,
)
from qrfld.crypto.identity import Identity, NodeId, PublicIdentity
from qrfld.crypto.parameters import Buffer
from qrfld.crypto.schedule import Transcript
from qrfld.crypto.suites import Aead, Suite, suite
from qrfld.protocol import wire
from qrfld.protocol.cookies import COOKIE_SIZE, CookieGate
from qrfld.protocol.errors import (
    HandshakeError,
    LocalProtocolError,
    PeerIdentityError,
    PeerSignatureError,
    ReflectionError,
    RetryError,
    SuiteError,
    TamperedError,
)
from qrfld.protocol.frames import Kind
from qrfld.protocol.keys import (
    Chain,
    ChainPair,
    derive,
    encapsulate,
    exchange,
    handshake_chains,
    hybrid_secret,
    kem_of,
)
from qrfld.protocol.session import Endpoint, Opened, Outcome, open_session


class _Transcript:
    """th1, th2, th3: the hash over federation, M1, M2's header and the two payloads."""

    def __init__(self, chosen: Suite, parts: Iterable[bytes]) -> None:
        self._hash = Transcript(chosen.hash)
        for part in parts:
            self._hash.add(part)
        self.now = self._hash.digest()

    def add(self, part: bytes) -> None:
        self._hash.add(part)
        self.now = self._hash.digest()


class Initiator:
    """The side that dials ``peer``."""

    kind: Kind = "control"

    def __init__(self, endpoint: Endpoint, peer: NodeId) -> None:
        if peer == endpoint.identity.node_id:
            raise LocalProtocolError("a node does not dial itself")
        self._endpoint = endpoint
        self._peer = peer
        self._suite = suite(endpoint.identity.suite_id)
        self._kem = kem_of(self._suite).keypair()
        self._dh = dh.keypair()
        self._offers = _offers(self._suite, chacha_first=endpoint.prefers_chacha)
        random = secrets.token_bytes(wire.RANDOM_SIZE)
        self._core = wire.build_m1_core(self._offers, random, self._kem.public, self._dh.public)
        self._retried = False
        self._m1 = self._build_m1(b"")

    def _build_m1(self, cookie: bytes) -> bytes:
        return wire.finish_m1(self._core, cookie, self._endpoint.federation, self._peer)

    def first(self) -> bytes:
        """M1."""
        return self._m1

    def needed(self, got: Buffer) -> int:
        """Length of M2 or RETRY; SuiteError, RetryError as soon as it can be neither."""
        if len(got) < 2:
            return 2
        head = bytes(got[:2])
        if head != wire.RETRY:
            if int.from_bytes(head) not in self._offers:
                raise SuiteError(f"the responder chose suite 0x{head.hex()}, which was not offered")
            return wire.m2_size(self._suite)
        if self._retried:
            raise RetryError("the responder asks for a cookie twice")
        if len(got) < 4:
            return 4
        if int.from_bytes(got[2:4]) != COOKIE_SIZE:
            raise RetryError(f"a cookie of {int.from_bytes(got[2:4])} bytes, not {COOKIE_SIZE}")
        return 4 + COOKIE_SIZE

    def receive(self, message: bytes) -> Outcome:
        """Answer RETRY with a new M1, M2 with M3."""
        if message[:2] == wire.RETRY:
            self._retried = True
            self._m1 = self._build_m1(message[4:])
            return Outcome(send=self._m1)
        return self._finish(int.from_bytes(message[:2]), wire.parse_m2(message, self._suite))

    def _finish(self, wire_id: int, m2: wire.Hello2) -> Outcome:
        parts = (self._endpoint.federation, self._m1, m2.header)
        transcript = _Transcript(self._suite, parts)
        kem_shared = self._kem.decapsulate(m2.kem_ciphertext)
        secret = hybrid_secret(self._suite.hash, kem_shared, exchange(self._dh, m2.dh_key))
        chains = handshake_chains(wire_id, secret, transcript.now)

        payload = _open(chains.responder, m2.sealed, transcript.now)
        peer, signature = _presented(payload, self._suite, self._endpoint.identity)
        if peer.node_id != self._peer:
            raise PeerIdentityError(
                f"the responder is {peer.node_id}, dialled was {self._peer}",
                hint="the address belongs to another node now, or somebody answers in its place",
            )
        _verify(peer, transcript.now, signature, labels.SIGN_RESPONDER)
        transcript.add(payload)

        own = _sign(self._endpoint.identity, transcript.now, labels.SIGN_INITIATOR)
        m3 = _seal(chains.initiator, own, transcript.now)
        transcript.add(own)
        return Outcome(m3, _open_session(wire_id, secret, transcript.now, peer, initiator=True))


class Responder:
    """The side that was dialled. ``gate`` demands a cookie before anything is computed."""

    kind: Kind = "control"

    def __init__(self, endpoint: Endpoint, gate: CookieGate | None) -> None:
        self._endpoint = endpoint
        self._suite = suite(endpoint.identity.suite_id)
        self._gate = gate
        self._asked = False
        self._pending: _AwaitingM3 | None = None

    def needed(self, got: Buffer) -> int:
        """Length of M1 or M3; SilentRejectError as soon as it cannot be our M1."""
        if self._pending is not None:
            return wire.sealed_size(self._suite)
        return wire.m1_size(got, self._suite)

    def receive(self, message: bytes) -> Outcome:
        """Answer M1 with RETRY or M2; M3 ends the handshake."""
        if self._pending is not None:
            return self._finish(self._pending, message)
        identity = self._endpoint.identity
        m1 = wire.parse_m1(message, self._suite, self._endpoint.federation, identity.node_id)
        if m1.flags != wire.FLAGS:
            raise HandshakeError(f"M1 has flags 0x{m1.flags.hex()}, this version knows none")
        wire_id = _choose(m1, self._suite, chacha_first=self._endpoint.prefers_chacha)
        if self._gate is not None and not self._gate.accepts(m1.cookie, m1.core):
            return self._retry(self._gate, m1)
        return self._answer(message, m1, wire_id)

    def _retry(self, gate: CookieGate, m1: wire.Hello1) -> Outcome:
        if self._asked:
            raise RetryError("the caller came back with a wrong or expired cookie")
        self._asked = True
        cookie = gate.issue(m1.core)
        return Outcome(send=wire.RETRY + len(cookie).to_bytes(2) + cookie)

    def _answer(self, message: bytes, m1: wire.Hello1, wire_id: int) -> Outcome:
        ours = dh.keypair()
        dh_shared = exchange(ours, m1.dh_key)
        ciphertext, kem_shared = encapsulate(self._suite, m1.kem_key)
        random = secrets.token_bytes(wire.RANDOM_SIZE)
        header = wire_id.to_bytes(2) + random + ciphertext + ours.public

        transcript = _Transcript(self._suite, (self._endpoint.federation, message, header))
        secret = hybrid_secret(self._suite.hash, kem_shared, dh_shared)
        chains = handshake_chains(wire_id, secret, transcript.now)
        payload = _sign(self._endpoint.identity, transcript.now, labels.SIGN_RESPONDER)
        sealed = _seal(chains.responder, payload, transcript.now)
        transcript.add(payload)
        self._pending = _AwaitingM3(wire_id, secret, chains, transcript)
        return Outcome(send=header + sealed)

    def _finish(self, pending: _AwaitingM3, message: bytes) -> Outcome:
        transcript = pending.transcript
        payload = _open(pending.chains.initiator, message, transcript.now)
        peer, signature = _presented(payload, self._suite, self._endpoint.identity)
        _verify(peer, transcript.now, signature, labels.SIGN_INITIATOR)
        transcript.add(payload)
        opened = _open_session(
            pending.wire_id, pending.secret, transcript.now, peer, initiator=False
        )
        return Outcome(opened=opened)


@dataclass(frozen=True)
class _AwaitingM3:
    """What the responder keeps between M2 and M3."""

    wire_id: int
    secret: bytes = field(repr=False)
    chains: ChainPair
    transcript: _Transcript


def _offers(chosen: Suite, *, chacha_first: bool) -> tuple[int, ...]:
    aes, chacha = chosen.wire_id(Aead.AES_256_GCM), chosen.wire_id(Aead.CHACHA20_POLY1305)
    return (chacha, aes) if chacha_first else (aes, chacha)


def _choose(m1: wire.Hello1, ours: Suite, *, chacha_first: bool) -> int:
    """The wire suite: ChaCha20 if either side would rather have it, else AES."""
    aes, chacha = _offers(ours, chacha_first=False)
    wants_chacha = chacha_first or m1.offers[0] == chacha
    for candidate in (chacha, aes) if wants_chacha else (aes, chacha):
        if candidate in m1.offers:
            return candidate
    raise SuiteError(f"no known AEAD among {', '.join(f'{o:#06x}' for o in m1.offers)}")


def _sign(identity: Identity, transcript: bytes, context: bytes) -> bytes:
    """The payload that shows who we are."""
    signature = identity.sign(transcript + identity.node_id, context)
    return wire.build_payload(identity.suite_id, identity.public_key, signature)


def _presented(payload: bytes, chosen: Suite, own: Identity) -> tuple[PublicIdentity, bytes]:
    """Who the payload says the peer is, and its signature, not yet verified."""
    public_key, signature = wire.parse_payload(payload, chosen)
    peer = PublicIdentity(chosen.id, public_key)
    if peer.node_id == own.node_id:
        raise ReflectionError("the peer presents our own identity")
    return peer, signature


def _verify(peer: PublicIdentity, transcript: bytes, signature: bytes, context: bytes) -> None:
    try:
        peer.verify(transcript + peer.node_id, signature, context)
    except (InvalidSignatureError, InvalidKeyError) as error:
        raise PeerSignatureError(f"the signature of {peer.node_id} does not verify") from error


def _seal(chain: Chain, payload: bytes, transcript: bytes) -> bytes:
    """Seal a payload; each handshake chain seals exactly one."""
    return chain.cipher().seal(chain.iv(), payload, transcript)


def _open(chain: Chain, sealed: bytes, transcript: bytes) -> bytes:
    try:
        return chain.cipher().open(chain.iv(), sealed, transcript)
    except AuthenticationError:
        raise TamperedError(
            "the peer's handshake payload does not authenticate",
            hint="the bytes were changed on the way, or the peer speaks another version",
        ) from None


def _open_session(
    wire_id: int, secret: bytes, th3: bytes, peer: PublicIdentity, *, initiator: bool
) -> Opened:
    master = derive(wire_id, secret, labels.MASTER, th3)
    return open_session(wire_id, master, peer, initiator=initiator)
