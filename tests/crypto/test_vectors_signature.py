"""ML-DSA against Wycheproof, each provider in turn.

What the interface cannot express, and what is checked instead:

- *Exact signatures*: both providers sign hedged (FIPS 204's default) and offer no deterministic
  mode. The published signature must verify under the seed's public key, and so must a fresh one.
- *External mu* (flag ``Internal``: the message is not given): qrfld signs messages, never a
  precomputed mu. The seed's public key is still compared.
"""

from __future__ import annotations

from typing import Any

import pytest
import third_party

from qrfld.crypto.errors import CryptoError, InvalidKeyError
from qrfld.crypto.providers import Provider, SignatureScheme


def context_of(test: dict[str, Any]) -> bytes:
    return bytes.fromhex(test.get("ctx", ""))


@pytest.mark.parametrize("name", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_wycheproof_verification(provider: Provider, name: str) -> None:
    scheme = provider.signature(name)
    valid = refused = 0
    for group, test in third_party.wycheproof(f"mldsa_{name[-2:]}_verify"):
        key, message = bytes.fromhex(group["publicKey"]), bytes.fromhex(test["msg"])
        signature = bytes.fromhex(test["sig"])
        if test["result"] == "valid":
            scheme.verify(key, message, signature, context_of(test))
            valid += 1
        else:
            with pytest.raises(CryptoError):
                scheme.verify(key, message, signature, context_of(test))
            refused += 1
    assert valid > 0
    assert refused > 0


def test_wycheproof_signing_from_seed(provider: Provider) -> None:
    scheme = provider.signature("ML-DSA-65")
    signed = external_mu = refused = 0
    for group, test in third_party.wycheproof("mldsa_65_sign_seed"):
        seed = bytes.fromhex(group["privateSeed"])
        if test["result"] != "valid":
            with pytest.raises(InvalidKeyError):
                scheme.keypair(seed).sign(bytes.fromhex(test["msg"]), context_of(test))
            refused += 1
            continue
        assert scheme.keypair(seed).public.hex() == group["publicKey"], test["tcId"]
        if "Internal" in test["flags"]:
            external_mu += 1
        else:
            check_both(scheme, seed, test)
            signed += 1
    assert signed > external_mu > 0
    assert refused > 0


def check_both(scheme: SignatureScheme, seed: bytes, test: dict[str, Any]) -> None:
    """The published signature verifies, and so does one of our own."""
    key, message = scheme.keypair(seed), bytes.fromhex(test["msg"])
    for signature in (bytes.fromhex(test["sig"]), key.sign(message, context_of(test))):
        scheme.verify(key.public, message, signature, context_of(test))
