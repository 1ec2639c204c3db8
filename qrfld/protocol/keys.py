"""How the keys of a session follow from its secrets; PROTOCOL.md section "Key schedule".

First the two key exchanges, with the peer's shares checked; then arithmetic over
`qrfld.crypto.schedule`. The labels are `qrfld.crypto.labels`.
``H`` is the suite's hash and ``Hlen`` its length.

    secret  = HKDF-Extract(salt = Hlen zeros or ticket secret, ss_kem ‖ ss_x25519)
    master  = Expand-Label(secret, "master", th3, Hlen)
              Expand-Label(secret, "resume master", th, Hlen) of a resumed session

A *chain* is one secret of Hlen bytes from which the key and nonce base of one direction follow.
Its next generation is made by a one-way step, so that an old key cannot be had from a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from qrfld.crypto import labels
from qrfld.crypto.aead import Cipher
from qrfld.crypto.dh import DhKeyPair
from qrfld.crypto.errors import InvalidKeyError
from qrfld.crypto.parameters import AEAD_KEY_SIZE, AEAD_NONCE_SIZE
from qrfld.crypto.providers import Kem, provider_for
from qrfld.crypto.schedule import Source, extract, hash_size
from qrfld.crypto.suites import HashName, Suite, from_wire
from qrfld.protocol.errors import KeyShareError


def source(wire_id: int, secret: bytes) -> Source:
    """A secret of which several keys are made, with the suite's hash."""
    return Source(from_wire(wire_id)[0].hash, secret)


def derive(wire_id: int, secret: bytes, label: bytes, context: bytes = b"") -> bytes:
    """Expand-Label with the suite's hash to the length of that hash."""
    return source(wire_id, secret).label(label, context)


def kem_of(suite: Suite) -> Kem:
    """The suite's KEM."""
    return provider_for(suite.id).kem(suite.kem)


def encapsulate(suite: Suite, key: bytes) -> tuple[bytes, bytes]:
    """A ciphertext for the peer's KEM key and the secret in it; KeyShareError if it is none."""
    try:
        return kem_of(suite).encapsulate(key)
    except InvalidKeyError as error:
        raise KeyShareError(error.message) from error


def exchange(ours: DhKeyPair, peer: bytes) -> bytes:
    """The X25519 secret shared with the peer; KeyShareError if it would be all zeros."""
    try:
        return ours.exchange(peer)
    except InvalidKeyError as error:
        raise KeyShareError(error.message) from error


def hybrid_secret(
    name: HashName, kem_shared: bytes, dh_shared: bytes, *, ticket_secret: bytes | None = None
) -> bytes:
    """The secret of both key exchanges: unknown while either one is.

    With the ``ticket_secret`` of a resumption, unknown too to whoever does not hold that.
    """
    salt = bytes(hash_size(name)) if ticket_secret is None else ticket_secret
    return extract(name, salt, kem_shared + dh_shared)


@dataclass(frozen=True)
class Chain:
    """The secret of one direction; ``wire_id`` gives hash and AEAD."""

    wire_id: int
    secret: bytes = field(repr=False)

    @cached_property
    def _source(self) -> Source:
        return source(self.wire_id, self.secret)

    def cipher(self) -> Cipher:
        """The AEAD under this generation's key."""
        aead = from_wire(self.wire_id)[1]
        return Cipher(aead, self._source.label(labels.KEY, length=AEAD_KEY_SIZE))

    def iv(self) -> bytes:
        """The 12-byte nonce base of this generation."""
        return self._source.label(labels.IV, length=AEAD_NONCE_SIZE)

    def next(self) -> Self:
        """The next generation."""
        return type(self)(self.wire_id, self._source.label(labels.REKEY))


@dataclass(frozen=True)
class ChainPair:
    """Both directions of one connection."""

    initiator: Chain
    responder: Chain

    def sending(self, *, initiator: bool) -> Chain:
        """The chain of our direction."""
        return self.initiator if initiator else self.responder

    def receiving(self, *, initiator: bool) -> Chain:
        """The chain of the peer's direction."""
        return self.responder if initiator else self.initiator

    @classmethod
    def derive(
        cls, wire_id: int, secret: bytes, initiator: bytes, responder: bytes, context: bytes = b""
    ) -> Self:
        """The two that the labels name."""
        keys = source(wire_id, secret)
        return cls(
            Chain(wire_id, keys.label(initiator, context)),
            Chain(wire_id, keys.label(responder, context)),
        )


def handshake_chains(wire_id: int, secret: bytes, th1: bytes) -> ChainPair:
    """The chains that seal the payloads of M2 (responder) and M3 (initiator)."""
    names = (labels.HANDSHAKE_INITIATOR, labels.HANDSHAKE_RESPONDER)
    return ChainPair.derive(wire_id, secret, *names, th1)


def traffic_chains(wire_id: int, master: bytes) -> ChainPair:
    """The chains of the control connection's records."""
    return ChainPair.derive(wire_id, master, labels.TRAFFIC_INITIATOR, labels.TRAFFIC_RESPONDER)


def bulk_chains(wire_id: int, bulk: bytes, transcript: bytes) -> ChainPair:
    """The chains of a bulk connection's records; ``transcript`` is H over B1 and B2."""
    names = (labels.BULK_INITIATOR, labels.BULK_RESPONDER)
    return ChainPair.derive(wire_id, bulk, *names, transcript)
