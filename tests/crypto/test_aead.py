from __future__ import annotations

from typing import Any

import pytest
import third_party
from hypothesis import given
from hypothesis import strategies as st

from qrfld.crypto.aead import Cipher, preferred_aead
from qrfld.crypto.errors import AuthenticationError, InvalidKeyError
from qrfld.crypto.suites import Aead

KEY, NONCE = b"\x42" * 32, b"\x07" * 12


@pytest.fixture(params=list(Aead))
def cipher(request: pytest.FixtureRequest) -> Cipher:
    return Cipher(request.param, KEY)


@given(data=st.binary(max_size=300), aad=st.binary(max_size=40), aead=st.sampled_from(Aead))
def test_sealed_opens_again(data: bytes, aad: bytes, aead: Aead) -> None:
    cipher = Cipher(aead, KEY)
    sealed = cipher.seal(NONCE, data, aad)
    assert len(sealed) == len(data) + 16
    assert cipher.open(NONCE, memoryview(sealed), bytearray(aad)) == data
    out, plain = bytearray(len(sealed)), bytearray(len(data))
    assert cipher.seal_into(NONCE, data, aad, out) == len(sealed)
    assert out == sealed
    assert cipher.open_into(NONCE, sealed, aad, plain) == len(data)
    assert plain == data


def test_anything_changed_is_refused(cipher: Cipher) -> None:
    sealed = cipher.seal(NONCE, b"data", b"aad")
    for nonce, data, aad in (
        (b"\x08" * 12, sealed, b"aad"),
        (NONCE, sealed, b"aae"),
        (NONCE, sealed, b""),
        (NONCE, sealed[:-1], b"aad"),
        (NONCE, sealed + b"\0", b"aad"),
        *(
            (NONCE, sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :], b"aad")
            for i in range(len(sealed))
        ),
    ):
        with pytest.raises(AuthenticationError):
            cipher.open(nonce, data, aad)
        out = bytearray(b"\xff" * (len(data) - 16))
        with pytest.raises(AuthenticationError):
            cipher.open_into(nonce, data, aad, out)
        assert not any(out), "unauthenticated text was left behind"


@pytest.mark.parametrize("size", [0, 1, 15])
def test_less_than_a_tag_is_refused(cipher: Cipher, size: int) -> None:
    with pytest.raises(AuthenticationError, match="too few"):
        cipher.open(NONCE, bytes(size), b"")
    with pytest.raises(AuthenticationError, match="too few"):
        cipher.open_into(NONCE, bytes(size), b"", bytearray())


@pytest.mark.parametrize("size", [0, 8, 11, 13, 16])
def test_wrong_nonce_length_refused(cipher: Cipher, size: int) -> None:
    with pytest.raises(InvalidKeyError, match="nonce has 12 bytes"):
        cipher.seal(bytes(size), b"", b"")
    with pytest.raises(InvalidKeyError, match="nonce has 12 bytes"):
        cipher.open(bytes(size), bytes(16), b"")


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33])
@pytest.mark.parametrize("aead", list(Aead))
def test_wrong_key_length_refused(aead: Aead, size: int) -> None:
    with pytest.raises(InvalidKeyError, match="key has"):
        Cipher(aead, bytes(size))


@pytest.mark.parametrize("change", [-1, 1])
def test_wrong_output_length_refused_and_untouched(cipher: Cipher, change: int) -> None:
    out = bytearray(20 + change)
    with pytest.raises(InvalidKeyError, match="output buffer"):
        cipher.seal_into(NONCE, b"data", b"", out)
    plain = bytearray(4 + change)
    with pytest.raises(InvalidKeyError, match="output buffer"):
        cipher.open_into(NONCE, cipher.seal(NONCE, b"data", b""), b"", plain)
    assert not any(out + plain)


def test_key_is_in_no_repr(cipher: Cipher) -> None:
    assert "42" not in repr(cipher).split(" at ")[0]


def test_preference_is_measured_once() -> None:
    assert preferred_aead() in Aead
    assert preferred_aead() is preferred_aead()


@pytest.mark.parametrize(
    ("aead", "name"),
    [(Aead.AES_256_GCM, "aes_gcm"), (Aead.CHACHA20_POLY1305, "chacha20_poly1305")],
)
def test_wycheproof(aead: Aead, name: str) -> None:
    # Keys of 128 and 192 bits and nonces of other lengths than 96 bits are no part of qrfld:
    # such vectors, valid ones too, must be refused by length.
    ran = {"valid": 0, "invalid": 0, "other lengths": 0}
    for group, test in third_party.wycheproof(name):
        if (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128):
            check(Cipher(aead, bytes.fromhex(test["key"])), test)
            ran[test["result"]] += 1
        else:
            with pytest.raises(InvalidKeyError):
                Cipher(aead, bytes.fromhex(test["key"])).seal(bytes.fromhex(test["iv"]), b"", b"")
            ran["other lengths"] += 1
    assert all(ran.values()), ran


def check(cipher: Cipher, test: dict[str, Any]) -> None:
    """Seal and open one vector of the lengths that qrfld uses."""
    nonce, data, aad = (bytes.fromhex(test[field]) for field in ("iv", "msg", "aad"))
    sealed = bytes.fromhex(test["ct"] + test["tag"])
    if test["result"] == "valid":
        assert cipher.seal(nonce, data, aad) == sealed, test["tcId"]
        assert cipher.open(nonce, sealed, aad) == data, test["tcId"]
    else:
        with pytest.raises(AuthenticationError):
            cipher.open(nonce, sealed, aad)
