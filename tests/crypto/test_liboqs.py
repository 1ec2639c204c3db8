"""The liboqs provider: byte-for-byte interoperation with OpenSSL, and the wrapper's habits."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from qrfld.crypto import parameters
from qrfld.crypto.errors import (
    InvalidKeyError,
    InvalidSignatureError,
    ProviderError,
    UnsupportedSuiteError,
)
from qrfld.crypto.identity import Identity
from qrfld.crypto.parameters import KemSizes
from qrfld.crypto.providers import Provider
from qrfld.crypto.providers import liboqs as module
from qrfld.crypto.providers.liboqs import LiboqsKem, LiboqsSignature
from qrfld.crypto.providers.native import bring_up

CONTEXT = b"qrfld-1 test"


class Tripwire:
    """Stands where the library stands; any use of it fails the test."""

    def __getattr__(self, name: str) -> object:
        pytest.fail(f"the library was called: {name}")


@pytest.mark.parametrize("name", ["ML-KEM-768", "ML-KEM-1024"])
def test_kem_interoperates_both_ways(openssl: Provider, liboqs: Provider, name: str) -> None:
    seed = bytes(range(64))
    for one, other in ((openssl, liboqs), (liboqs, openssl)):
        mine, theirs = one.kem(name), other.kem(name)
        pair = mine.keypair(seed)
        assert pair.public == theirs.keypair(seed).public
        ciphertext, shared = theirs.encapsulate(pair.public)
        assert pair.decapsulate(ciphertext) == shared
        # Implicit rejection is deterministic (FIPS 203): both must reject to the same secret.
        forged = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
        assert pair.decapsulate(forged) == theirs.keypair(seed).decapsulate(forged)


@pytest.mark.parametrize("name", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_signature_interoperates_both_ways(openssl: Provider, liboqs: Provider, name: str) -> None:
    for one, other in ((openssl, liboqs), (liboqs, openssl)):
        key = one.signature(name).keypair()
        assert other.signature(name).keypair(key.seed).public == key.public
        for message in (b"", b"message", bytes(100_000)):
            signature = key.sign(message, CONTEXT)
            other.signature(name).verify(key.public, message, signature, CONTEXT)
            with pytest.raises(InvalidSignatureError):
                other.signature(name).verify(key.public, message, signature, b"another")


def test_identity_moves_between_providers(
    openssl: Provider, liboqs: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QRFLD_CRYPTO_PROVIDER", "openssl")
    before = Identity.generate(1)
    signature = before.sign(b"message", CONTEXT)
    monkeypatch.setenv("QRFLD_CRYPTO_PROVIDER", "liboqs")
    after = Identity.from_seed(1, before.seed)
    assert after.node_id == before.node_id
    after.verify(b"message", signature, CONTEXT)


def test_wrong_lengths_never_reach_the_library() -> None:
    oqs: Any = Tripwire()
    kem = LiboqsKem(oqs, "ML-KEM-768", 1184, 1088)
    scheme = LiboqsSignature(oqs, "ML-DSA-65", 1952, 3309)
    for size in (0, 1, 1183, 1185, 65536):
        with pytest.raises(InvalidKeyError):
            kem.encapsulate(bytes(size))
        with pytest.raises(InvalidKeyError):
            kem.keypair(bytes(size))
        with pytest.raises(InvalidKeyError):
            scheme.keypair(bytes(size))
        with pytest.raises(InvalidKeyError):
            scheme.verify(bytes(size), b"message", bytes(3309), CONTEXT)
        with pytest.raises(InvalidSignatureError):
            scheme.verify(bytes(1952), b"message", bytes(size), CONTEXT)


def test_seed_import_never_feeds_the_seed_to_another_thread(liboqs: Provider) -> None:
    """Another thread asks for 32 random bytes just when the seed lies ready."""
    kem, scheme = liboqs.kem("ML-KEM-768"), liboqs.signature("ML-DSA-44")
    public, taken = kem.keypair().public, []

    class Interrupted:
        def __init__(self, signer: Any) -> None:
            self.generate = signer.generate_keypair

        def generate_keypair(self) -> bytes:
            thread = threading.Thread(target=lambda: taken.append(kem.encapsulate(public)))
            thread.start()
            thread.join()
            made: bytes = self.generate()
            return made

    for _ in range(2):
        with bring_up().Signature("ML-DSA-44") as signer:
            made = module._generate_from_seed(bring_up(), Interrupted(signer), bytes(32))
        assert made == scheme.keypair(bytes(32)).public
    assert taken[0] != taken[1]


def test_randomness_is_the_systems_again_after_a_seed_import(liboqs: Provider) -> None:
    scheme, kem = liboqs.signature("ML-DSA-65"), liboqs.kem("ML-KEM-768")
    scheme.keypair(bytes(32))
    assert kem.keypair().public != kem.keypair().public


def test_seed_that_expands_to_another_key_is_refused(
    liboqs: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a future liboqs would that asks for its randomness in another way.
    monkeypatch.setattr(
        module, "_generate_from_seed", lambda oqs, signer, seed: signer.generate_keypair()
    )
    with pytest.raises(ProviderError, match="another ML-DSA-65 key"):
        liboqs.signature("ML-DSA-65").keypair(bytes(32))


def test_build_without_the_algorithm_says_so(
    liboqs: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oqs.oqs._enabled_KEMs", ())
    monkeypatch.setattr("oqs.oqs._enabled_sigs", ())
    with pytest.raises(UnsupportedSuiteError, match="has no ML-KEM-768"):
        liboqs.kem("ML-KEM-768")
    with pytest.raises(UnsupportedSuiteError, match="has no ML-DSA-65"):
        liboqs.signature("ML-DSA-65")


def test_native_memory_is_freed_and_wiped_with_the_key(liboqs: Provider) -> None:
    pair: Any = liboqs.kem("ML-KEM-768").keypair()
    native = pair._kem
    assert any(bytes(native.secret_key))
    del pair
    gc.collect()
    assert not any(bytes(native.secret_key))


def test_kem_512_repeats_a_key_from_its_seed(liboqs: Provider) -> None:
    kem = liboqs.kem("ML-KEM-512")
    assert (kem.public_key_size, kem.ciphertext_size) == (800, 768)
    one, other = kem.keypair(bytes(64)), kem.keypair(bytes(64))
    ciphertext, shared = kem.encapsulate(one.public)
    assert other.decapsulate(ciphertext) == shared


def test_frodo_encapsulates_16_bytes_and_has_no_seeds(liboqs: Provider) -> None:
    kem = liboqs.kem("FrodoKEM-640-AES")
    assert (kem.public_key_size, kem.ciphertext_size, kem.shared_size) == (9616, 9752, 16)
    pair = kem.keypair()
    ciphertext, shared = kem.encapsulate(pair.public)
    assert (len(pair.public), len(ciphertext), len(shared)) == (9616, 9752, 16)
    assert pair.decapsulate(ciphertext) == shared
    assert pair.decapsulate(bytes([ciphertext[0] ^ 1]) + ciphertext[1:]) != shared
    for seed in (b"", bytes(64)):
        with pytest.raises(InvalidKeyError, match="FrodoKEM-640-AES keys have no seed"):
            kem.keypair(seed)
    with pytest.raises(InvalidKeyError, match="ciphertext has 9720 bytes"):
        pair.decapsulate(ciphertext[:9720])
    with pytest.raises(InvalidKeyError, match="key has 9615 bytes"):
        kem.encapsulate(pair.public[1:])


def test_library_that_means_another_algorithm_by_the_name_is_refused(
    liboqs: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 0.16 liboqs gave the name FrodoKEM to what it now calls eFrodoKEM."""
    kems = dict(parameters.KEMS, **{"FrodoKEM-640-AES": KemSizes(9616, 9720, shared=16, seed=0)})
    monkeypatch.setattr(parameters, "KEMS", kems)
    with pytest.raises(UnsupportedSuiteError, match=r"another FrodoKEM-640-AES: .*9752") as caught:
        liboqs.kem("FrodoKEM-640-AES")
    assert "0.16" in caught.value.hint
