"""What every provider must do, each provider in turn."""

from __future__ import annotations

import threading

import pytest

from qrfld.crypto.errors import (
    CryptoError,
    InvalidKeyError,
    InvalidSignatureError,
    UnsupportedSuiteError,
)
from qrfld.crypto.providers import Provider
from qrfld.crypto.suites import SUITES

KEMS = ["ML-KEM-768", "ML-KEM-1024"]
SIGNATURES = ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]
CONTEXT = b"qrfld-1 test"


@pytest.mark.parametrize("name", KEMS)
def test_kem_encapsulates_and_decapsulates(provider: Provider, name: str) -> None:
    kem = provider.kem(name)
    pair = kem.keypair()
    ciphertext, shared = kem.encapsulate(pair.public)
    assert (len(pair.public), len(ciphertext)) == (kem.public_key_size, kem.ciphertext_size)
    assert len(shared) == kem.shared_size == 32
    assert pair.decapsulate(ciphertext) == shared


@pytest.mark.parametrize("name", KEMS)
def test_kem_keypair_from_seed_is_the_same_each_time(provider: Provider, name: str) -> None:
    kem = provider.kem(name)
    one, other = kem.keypair(bytes(kem.seed_size)), kem.keypair(bytearray(kem.seed_size))
    assert one.public == other.public != kem.keypair().public
    ciphertext, shared = kem.encapsulate(one.public)
    assert other.decapsulate(memoryview(ciphertext)) == shared


def test_kem_given_forged_ciphertext_yields_an_unrelated_secret(provider: Provider) -> None:
    kem = provider.kem("ML-KEM-768")
    pair = kem.keypair()
    ciphertext, shared = kem.encapsulate(pair.public)
    forged = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    assert pair.decapsulate(forged) not in (shared, bytes(32))
    assert pair.decapsulate(forged) == pair.decapsulate(forged)


def test_kem_encapsulates_differently_each_time(provider: Provider) -> None:
    kem = provider.kem("ML-KEM-768")
    public = kem.keypair().public
    assert len({kem.encapsulate(public)[0] for _ in range(8)}) == 8


@pytest.mark.parametrize("name", KEMS)
@pytest.mark.parametrize("change", [-1, 1, -(10**6)])
def test_kem_given_wrong_length_refuses(provider: Provider, name: str, change: int) -> None:
    kem = provider.kem(name)
    with pytest.raises(InvalidKeyError, match="encapsulation key has"):
        kem.encapsulate(bytes(max(0, kem.public_key_size + change)))
    with pytest.raises(InvalidKeyError, match="ciphertext has"):
        kem.keypair().decapsulate(bytes(max(0, kem.ciphertext_size + change)))
    with pytest.raises(InvalidKeyError, match="seed has"):
        kem.keypair(bytes(max(0, kem.seed_size + change)))


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature_verifies(provider: Provider, name: str) -> None:
    scheme = provider.signature(name)
    key = scheme.keypair()
    signature = key.sign(b"message", CONTEXT)
    assert (len(key.public), len(signature)) == (scheme.public_key_size, scheme.signature_size)
    scheme.verify(memoryview(key.public), bytearray(b"message"), memoryview(signature), CONTEXT)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signing_key_from_seed_is_the_same_each_time(provider: Provider, name: str) -> None:
    scheme = provider.signature(name)
    key = scheme.keypair(b"\x07" * 32)
    assert key.seed == b"\x07" * 32
    assert scheme.keypair(key.seed).public == key.public != scheme.keypair().public


def test_fresh_signing_key_is_the_key_of_its_seed(provider: Provider) -> None:
    scheme = provider.signature("ML-DSA-65")
    key = scheme.keypair()
    assert scheme.keypair(key.seed).public == key.public


def test_signature_is_hedged(provider: Provider) -> None:
    key = provider.signature("ML-DSA-65").keypair(bytes(32))
    assert key.sign(b"message", CONTEXT) != key.sign(b"message", CONTEXT)


def test_signature_over_other_message_context_or_key_refused(provider: Provider) -> None:
    scheme = provider.signature("ML-DSA-65")
    key, other = scheme.keypair(), scheme.keypair()
    signature = key.sign(b"message", CONTEXT)
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    for public, message, sealed, context in (
        (other.public, b"message", signature, CONTEXT),
        (key.public, b"messagf", signature, CONTEXT),
        (key.public, b"", signature, CONTEXT),
        (key.public, b"message", flipped, CONTEXT),
        (key.public, b"message", signature, b"qrfld-1 other"),
        (key.public, b"message", signature, b""),
    ):
        with pytest.raises(InvalidSignatureError):
            scheme.verify(public, message, sealed, context)


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("change", [-1, 1, -(10**6)])
def test_signature_given_wrong_length_refuses(provider: Provider, name: str, change: int) -> None:
    scheme = provider.signature(name)
    key = scheme.keypair(bytes(32))
    signature = key.sign(b"message", CONTEXT)
    with pytest.raises(InvalidKeyError, match="public key has"):
        scheme.verify(bytes(max(0, len(key.public) + change)), b"message", signature, CONTEXT)
    with pytest.raises(InvalidSignatureError, match="signature has"):
        scheme.verify(key.public, b"message", bytes(max(0, len(signature) + change)), CONTEXT)
    with pytest.raises(InvalidKeyError, match="seed has"):
        scheme.keypair(bytes(max(0, 32 + change)))


def test_context_of_256_bytes_refused(provider: Provider) -> None:
    scheme = provider.signature("ML-DSA-65")
    key = scheme.keypair(bytes(32))
    with pytest.raises(InvalidKeyError):
        key.sign(b"message", bytes(256))
    with pytest.raises(InvalidKeyError):
        scheme.verify(key.public, b"message", bytes(scheme.signature_size), bytes(256))


@pytest.mark.parametrize("name", ["X25519", "ECDSA", "Ed25519", "none", "", "Kyber768"])
def test_provider_given_other_algorithm_refuses(provider: Provider, name: str) -> None:
    with pytest.raises(UnsupportedSuiteError):
        provider.kem(name)
    with pytest.raises(UnsupportedSuiteError):
        provider.signature(name)


def test_provider_provides_the_mandatory_suites(provider: Provider) -> None:
    for number in (1, 2):
        chosen = SUITES[number]
        sizes, kem = chosen.kem_sizes, provider.kem(chosen.kem)
        assert (kem.public_key_size, kem.ciphertext_size) == (sizes.public_key, sizes.ciphertext)
        assert provider.signature(chosen.signature).name == chosen.signature


def test_secrets_are_in_no_repr_and_no_error(provider: Provider) -> None:
    seed = bytes(range(100, 132))
    key = provider.signature("ML-DSA-65").keypair(seed)
    pair = provider.kem("ML-KEM-768").keypair(seed + seed)
    shown = [repr(key), str(key), repr(pair), str(pair)]
    for length in (31, 33):
        with pytest.raises(CryptoError) as caught:
            provider.signature("ML-DSA-65").keypair((seed + seed)[:length])
        shown += [repr(caught.value), str(caught.value)]
    for text in shown:
        assert seed[:4].hex() not in text
        assert repr(seed[:4])[2:-1] not in text


def test_one_key_used_by_many_threads_always_signs_and_decapsulates(provider: Provider) -> None:
    scheme, kem = provider.signature("ML-DSA-44"), provider.kem("ML-KEM-768")
    key, pair = scheme.keypair(), kem.keypair()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(8):
                message = f"{number}.{turn}".encode()
                scheme.verify(key.public, message, key.sign(message, CONTEXT), CONTEXT)
                ciphertext, shared = kem.encapsulate(pair.public)
                assert pair.decapsulate(ciphertext) == shared
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
