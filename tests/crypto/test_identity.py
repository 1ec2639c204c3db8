from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.crypto.errors import (
    InvalidKeyError,
    InvalidNodeIdError,
    InvalidSignatureError,
    UnsupportedSuiteError,
)
from qrfld.crypto.identity import Identity, NodeId, PublicIdentity

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
ids = st.binary(min_size=32, max_size=32).map(NodeId)


@given(ids)
def test_node_id_text_reads_back(node: NodeId) -> None:
    text = str(node)
    assert [len(group) for group in text.split("-")] == [7] * 8
    assert NodeId.parse(text) == node
    assert NodeId.parse(f" {text.lower().replace('-', ' ')} ") == node
    assert text.startswith(node.short)
    assert f"{node}" == text


@given(ids, st.integers(0, 55), st.integers(1, 31))
def test_node_id_with_one_wrong_character_is_refused(node: NodeId, where: int, by: int) -> None:
    plain = str(node).replace("-", "")
    wrong = ALPHABET[(ALPHABET.index(plain[where]) + by) % 32]
    with pytest.raises(InvalidNodeIdError, match=f"quarter {where // 14 + 1}"):
        NodeId.parse(plain[:where] + wrong + plain[where + 1 :])


def test_node_id_reads_lookalikes() -> None:
    node = next(
        node
        for node in (NodeId(hashlib.sha256(bytes([i])).digest()) for i in range(256))
        if {"O", "I", "B"} <= set(str(node))
    )
    looks = str(node).replace("O", "0").replace("I", "1").replace("B", "8")
    assert NodeId.parse(looks) == node


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: "", "0 characters"),
        (lambda text: text[:-1], "55 characters"),
        (lambda text: text + "A", "57 characters"),
        (lambda text: "9" + text[1:], "'9' is not a base32"),
        (lambda text: "\u00df" + text[1:], "57 characters"),
        (lambda text: "\x1b" + text[1:], "not a base32"),
        (lambda text: "A" * 10**6, "1000000 characters"),
    ],
)
def test_node_id_given_bad_text_names_the_flaw(change, why: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidNodeIdError, match=why) as caught:
        NodeId.parse(change(str(NodeId(bytes(32)))))
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_node_id_given_spare_bits_is_refused() -> None:
    from qrfld.crypto.identity import _check_character

    plain = str(NodeId(bytes(32))).replace("-", "")
    quarter = plain[42:54] + "B"
    with pytest.raises(InvalidNodeIdError, match="not canonical"):
        NodeId.parse(plain[:42] + quarter + _check_character(quarter))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_node_id_given_wrong_length_refuses(size: int) -> None:
    with pytest.raises(InvalidNodeIdError, match=f"not {size}"):
        NodeId(bytes(size))


def test_node_id_is_the_hash_of_label_suite_and_key(founder: Identity) -> None:
    digest = hashlib.sha256(b"qrfld-1 node id\x01" + founder.public_key).digest()
    assert founder.node_id == digest
    assert NodeId.of(2, founder.public_key) != founder.node_id


def test_known_identity_has_its_known_node_id(founder: Identity) -> None:
    expected = "GR6L44J-NYKTIYM-LCIG2TS-ZCSVA7M-DYRI46S-QAMEDL6-K7KBO43-S4XFOAP"
    assert str(founder) == expected


@pytest.mark.parametrize("suite_id", [1, 2])
def test_identity_signs_and_its_public_half_verifies(suite_id: int) -> None:
    identity = Identity.generate(suite_id)
    signature = identity.sign(b"message", b"context")
    identity.public.verify(b"message", signature, b"context")
    with pytest.raises(InvalidSignatureError):
        identity.public.verify(b"message", signature, b"other")


def test_identity_from_seed_is_the_same(founder: Identity) -> None:
    again = Identity.from_seed(1, founder.seed)
    assert again == founder
    assert again.public == founder.public
    assert hash(again) == hash(founder)


def test_identity_without_context_neither_signs_nor_verifies(founder: Identity) -> None:
    with pytest.raises(InvalidKeyError, match="context"):
        founder.sign(b"message", b"")
    with pytest.raises(InvalidKeyError, match="context"):
        founder.verify(b"message", founder.sign(b"message", b"c"), b"")


def test_public_half_holds_no_secret(founder: Identity) -> None:
    assert not hasattr(founder.public, "seed")
    assert not hasattr(founder.public, "sign")


def test_seed_is_in_no_repr() -> None:
    identity = Identity.from_seed(1, b"\x42SECRET" + bytes(25))
    for text in (repr(identity), str(identity), repr(identity.__dict__), f"{identity}"):
        assert "SECRET" not in text


@pytest.mark.parametrize("size", [0, 1951, 1953, 2592])
def test_public_identity_given_wrong_key_length_refuses(size: int) -> None:
    with pytest.raises(InvalidKeyError, match=f"{size} bytes instead of 1952"):
        PublicIdentity(1, bytes(size))


def test_public_identity_given_unknown_suite_refuses() -> None:
    with pytest.raises(UnsupportedSuiteError):
        PublicIdentity(9, bytes(1952))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_identity_given_wrong_seed_length_refuses(size: int) -> None:
    with pytest.raises(InvalidKeyError, match="seed has"):
        Identity.from_seed(1, bytes(size))
