from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.crypto import encoding, tokens
from qrfld.crypto.errors import TokenError
from qrfld.crypto.identity import NodeId
from qrfld.crypto.tokens import Token

ADDRESSES = ("10.0.0.1:7483", "[::1]:7483")


def make(**change: object) -> Token:
    fields: dict[str, object] = {
        "federation": b"f" * 32,
        "suite_id": 1,
        "issuer": NodeId(b"i" * 32),
        "expires_at": 1000,
        "addresses": ADDRESSES,
    }
    return Token.create(**(fields | change))  # type: ignore[arg-type]


def armour(payload: bytes) -> str:
    """A token's text around any map, as whoever reads the code could make it."""
    framed = len(payload).to_bytes(2) + payload
    checksum = hashlib.sha256(b"qrfld-1 token checksum" + framed).digest()[:4]
    return "qrfl1-" + base64.b32encode(framed + checksum).decode().rstrip("=").lower()


@given(
    st.integers(0, (1 << 63) - 1),
    st.lists(st.sampled_from(["a:1", "[::1]:2", "x" * 90 + ":65535"]), max_size=4),
    st.sampled_from([1, 2]),
)
def test_token_reads_back(expires_at: int, addresses: list[str], suite_id: int) -> None:
    token = make(expires_at=expires_at, addresses=addresses, suite_id=suite_id)
    text = token.text()
    assert len(text) <= 1024
    assert text.startswith("qrfl1-")
    assert text == text.lower()
    assert Token.parse(text) == token
    assert Token.parse(text).issuer_id == NodeId(b"i" * 32)


def test_token_text_is_as_written() -> None:
    token = make()
    assert token.text() == armour(token.to_bytes())


def test_token_broken_by_a_terminal_reads_back() -> None:
    text = make().text()
    wrapped = "\n  ".join(text[i : i + 70] for i in range(0, len(text), 70))
    assert Token.parse(f"\t{wrapped.upper()}\r\n").text() == text


def test_two_tokens_share_no_secret() -> None:
    one, other = make(), make()
    assert one.secret != other.secret
    assert one.token_id != other.token_id
    assert one.secret_hash() == tokens.secret_hash(one.secret) != other.secret_hash()


def test_expiry_is_the_callers_clock() -> None:
    token = make(expires_at=1000)
    assert not token.expired(999.9)
    assert token.expired(1000)


def test_truncated_anywhere_is_refused() -> None:
    text = make().text()
    for size in range(len(text)):
        with pytest.raises(TokenError) as caught:
            Token.parse(text[:size])
        assert ("truncated" in str(caught.value)) == (size >= len("qrfl1-"))


def test_any_character_changed_is_refused() -> None:
    text = make().text()
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    for position in range(len("qrfl1-"), len(text)):
        for by in (1, 7, 16):
            wrong = alphabet[(alphabet.index(text[position]) + by) % 32]
            with pytest.raises(TokenError):
                Token.parse(text[:position] + wrong + text[position + 1 :])


@pytest.mark.parametrize("tail", ["a", "aa", "aaaaaaaa", "7"])
def test_text_after_the_token_is_refused(tail: str) -> None:
    with pytest.raises(TokenError, match="mistyped"):
        Token.parse(make().text() + tail)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin"),
        ("hello", "does not begin"),
        ("qrfl2-aaaa", "does not begin"),
        ("qrfl1-", "truncated"),
        ("qrfl1-a", "truncated"),
        ("qrfl1-aaaaaaaaaa", "mistyped"),
        ("qrfl1-0189", "not base32"),
        ("qrfl1-a=a=a=a=", "not base32"),
        ("qrfl1-\u00e4\u00e4\u00e4\u00e4", "not base32"),
        ("qrfl1-" + "a" * 1100, "longer than 1024"),
        ("qrfl1-" + "a" * 10**6, "longer than 1024"),
    ],
)
def test_other_text_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(TokenError, match=why):
        Token.parse(text)


@given(st.text(max_size=100))
def test_random_text_is_refused(text: str) -> None:
    for given_text in (text, "qrfl1-" + text):
        with pytest.raises(TokenError):
            Token.parse(given_text)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({0: 2}, "version 2"),
        ({4: 9}, "suite 9"),
        ({4: 0}, "suite 0"),
        ({2: bytes(31)}, "federation"),
        ({10: bytes(33)}, "secret"),
        ({12: -1}, "expires_at"),
        ({12: 1.5}, "expires_at"),
        ({14: ["nowhere"]}, "wrong address"),
        ({14: ["a:1"] * 5}, "addresses"),
        ({16: 1}, "unknown even field"),
        ({"all": 1}, "does not hold"),
    ],
)
def test_well_formed_text_around_another_map_is_refused(
    change: dict[int, object], why: str
) -> None:
    payload = encoding.pack([1]) if "all" in change else encoding.pack(make().to_map() | change)
    with pytest.raises(TokenError, match=why):
        Token.parse(armour(payload))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"suite_id": 5}, "suite 5"),
        ({"addresses": ["x" * 200 + ":1"] * 4}, "longer than 1024"),
        ({"addresses": ["a:1"] * 5}, "cannot be made"),
        ({"addresses": ["a"]}, "wrong address"),
        ({"federation": b""}, "cannot be made"),
        ({"expires_at": -1}, "cannot be made"),
    ],
)
def test_token_out_of_bounds_is_not_made(change: dict[str, object], why: str) -> None:
    with pytest.raises(TokenError, match=why):
        make(**change)


def test_secret_is_in_no_repr_and_no_error() -> None:
    token = make()
    shown = [repr(token), str(token), f"{token}", repr([token]), repr(token.__rich_repr__())]
    text = token.text()
    for broken in (text[:-5], text[:-1] + ("a" if text[-1] != "a" else "b")):
        with pytest.raises(TokenError) as caught:
            Token.parse(broken)
        shown += [str(caught.value), repr(caught.value)]
    for part in shown:
        assert text[20:60] not in part
        assert repr(token.secret)[2:20] not in part
        assert token.secret.hex() not in part
