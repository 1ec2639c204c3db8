from __future__ import annotations

import pytest
import third_party

from qrfld.crypto import dh
from qrfld.crypto.errors import InvalidKeyError


def test_both_sides_share_one_secret() -> None:
    one, other = dh.keypair(), dh.keypair()
    assert one.public != other.public
    assert one.exchange(other.public) == other.exchange(memoryview(one.public))


def test_keypair_from_private_key_is_the_same_each_time() -> None:
    assert dh.keypair(bytes(32)).public == dh.keypair(bytearray(32)).public


@pytest.mark.parametrize("size", [0, 31, 33, 1184])
def test_wrong_length_refused(size: int) -> None:
    with pytest.raises(InvalidKeyError, match=f"has {size} bytes"):
        dh.keypair().exchange(bytes(size))
    with pytest.raises(InvalidKeyError, match=f"has {size} bytes"):
        dh.keypair(bytes(size))


@pytest.mark.parametrize("public", [bytes(32), b"\x01" + bytes(31)])
def test_small_order_key_refused(public: bytes) -> None:
    with pytest.raises(InvalidKeyError, match="small order"):
        dh.keypair().exchange(public)


def test_private_key_is_in_no_repr() -> None:
    assert "\\x42" not in repr(dh.keypair(b"\x42" * 32))


def test_wycheproof() -> None:
    # "acceptable" covers twist points and non-canonical keys, which RFC 7748 accepts, and keys of
    # small order, which qrfld refuses.
    agreed = refused = 0
    for _, test in third_party.wycheproof("x25519"):
        pair, public = dh.keypair(bytes.fromhex(test["private"])), bytes.fromhex(test["public"])
        if "ZeroSharedSecret" in test["flags"]:
            with pytest.raises(InvalidKeyError):
                pair.exchange(public)
            refused += 1
        else:
            assert pair.exchange(public).hex() == test["shared"], test["tcId"]
            agreed += 1
    assert agreed > 0
    assert refused > 0
