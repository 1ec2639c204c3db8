"""The key schedule against a second implementation of its formulas, written from PROTOCOL.md."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from toy_suites import skip_unless_served

from qrfld.crypto import dh
from qrfld.crypto.suites import SUITES
from qrfld.protocol.errors import KeyShareError
from qrfld.protocol.keys import (
    Chain,
    bulk_chains,
    derive,
    encapsulate,
    exchange,
    handshake_chains,
    hybrid_secret,
    kem_of,
    traffic_chains,
)

SECRET, CONTEXT = bytes(range(48)), bytes(range(48, 96))
WIRE = {0x0101: "sha384", 0x0201: "sha384", 0x0102: "sha512", 0x0202: "sha512"}


def expand_label(name: str, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    info = size.to_bytes(2) + bytes([len(label)]) + label + bytes([len(context)]) + context
    out, block, count = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes([count]), name)
        out += block
        count += 1
    return out[:size]


@pytest.mark.parametrize("name", ["sha384", "sha512"])
def test_hybrid_secret_is_extract_over_both_with_zeros_as_salt(name: str) -> None:
    size = hashlib.new(name).digest_size
    expected = hmac.digest(bytes(size), b"\x01" * 32 + b"\x02" * 32, name)
    assert hybrid_secret(name, b"\x01" * 32, b"\x02" * 32) == expected  # type: ignore[arg-type]


def test_hybrid_secret_changes_with_either_half() -> None:
    secrets = {
        hybrid_secret("sha384", kem * 32, dh * 32) for kem in (b"a", b"b") for dh in (b"a", b"b")
    }
    assert len(secrets) == 4


def test_ticket_secret_takes_the_place_of_the_zeros() -> None:
    kem, other, ticket = b"\x01" * 32, b"\x02" * 32, b"\x03" * 48
    expected = hmac.digest(ticket, kem + other, "sha384")
    assert hybrid_secret("sha384", kem, other, ticket_secret=ticket) == expected
    unsalted = hybrid_secret("sha384", kem, other)
    assert hybrid_secret("sha384", kem, other, ticket_secret=bytes(48)) == unsalted


@pytest.mark.parametrize("suite_id", SUITES)
def test_encapsulated_secret_is_the_one_decapsulated(suite_id: int) -> None:
    skip_unless_served(suite_id)
    pair = kem_of(SUITES[suite_id]).keypair()
    ciphertext, secret = encapsulate(SUITES[suite_id], pair.public)
    assert pair.decapsulate(ciphertext) == secret


@pytest.mark.parametrize("suite_id", SUITES)
def test_what_is_no_kem_key_is_refused(suite_id: int) -> None:
    skip_unless_served(suite_id)
    size = SUITES[suite_id].kem_sizes.public_key
    # FrodoKEM has no coefficients out of range: every string of its length is a key.
    wrong = [] if suite_id == 4 else [b"\xff" * size]
    for key in (*wrong, bytes(size - 1), bytes(size + 1)):
        with pytest.raises(KeyShareError):
            encapsulate(SUITES[suite_id], key)


def test_exchange_with_a_point_of_small_order_is_refused() -> None:
    with pytest.raises(KeyShareError):
        exchange(dh.keypair(), bytes(32))


@pytest.mark.parametrize("wire_id", WIRE)
def test_chains_follow_the_labels_of_the_spec(wire_id: int) -> None:
    name = WIRE[wire_id]
    size = hashlib.new(name).digest_size

    def expected(label: bytes, context: bytes = b"") -> bytes:
        return expand_label(name, SECRET, label, context, size)

    handshake = handshake_chains(wire_id, SECRET, CONTEXT)
    assert handshake.initiator.secret == expected(b"handshake initiator", CONTEXT)
    assert handshake.responder.secret == expected(b"handshake responder", CONTEXT)
    traffic = traffic_chains(wire_id, SECRET)
    assert traffic.initiator.secret == expected(b"traffic initiator")
    assert traffic.responder.secret == expected(b"traffic responder")
    bulk = bulk_chains(wire_id, SECRET, CONTEXT)
    assert bulk.initiator.secret == expected(b"bulk initiator", CONTEXT)
    assert bulk.responder.secret == expected(b"bulk responder", CONTEXT)
    assert derive(wire_id, SECRET, b"master", CONTEXT) == expected(b"master", CONTEXT)


@pytest.mark.parametrize("wire_id", WIRE)
def test_chain_gives_key_iv_and_next_generation(wire_id: int) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    name = WIRE[wire_id]
    chain = Chain(wire_id, SECRET)
    key = expand_label(name, SECRET, b"key", b"", 32)
    theirs = AESGCM(key) if wire_id >> 8 == 1 else ChaCha20Poly1305(key)
    assert chain.cipher().seal(chain.iv(), b"text", b"aad") == theirs.encrypt(
        expand_label(name, SECRET, b"iv", b"", 12), b"text", b"aad"
    )
    size = hashlib.new(name).digest_size
    assert chain.next().secret == expand_label(name, SECRET, b"rekey", b"", size)


def test_directions_are_each_others_mirror() -> None:
    chains = traffic_chains(0x0101, SECRET)
    assert chains.sending(initiator=True) is chains.receiving(initiator=False) is chains.initiator
    assert chains.sending(initiator=False) is chains.receiving(initiator=True) is chains.responder


def test_chain_hides_its_secret() -> None:
    assert "x01" not in repr(Chain(0x0101, SECRET))
