from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.crypto import suites
from qrfld.crypto.errors import UnsupportedSuiteError
from qrfld.crypto.suites import Aead


def test_suites_are_those_of_the_design() -> None:
    assert {s.id: (s.kem, s.signature, s.hash) for s in suites.SUITES.values()} == {
        1: ("ML-KEM-768", "ML-DSA-65", "sha384"),
        2: ("ML-KEM-1024", "ML-DSA-87", "sha512"),
        3: ("ML-KEM-512", "ML-DSA-44", "sha384"),
        4: ("FrodoKEM-640-AES", "ML-DSA-65", "sha384"),
    }


def test_every_suite_has_a_post_quantum_half() -> None:
    for suite in suites.SUITES.values():
        assert suite.kem.startswith(("ML-KEM-", "FrodoKEM-"))
        assert suite.signature.startswith("ML-DSA-")
        assert 1 <= suite.category <= 5


def test_sizes_are_those_of_the_standards() -> None:
    assert (suites.suite(1).kem_sizes.public_key, suites.suite(1).kem_sizes.ciphertext) == (
        1184,
        1088,
    )
    assert suites.suite(2).signature_sizes.signature == 4627
    frodo = suites.suite(4).kem_sizes
    assert (frodo.public_key, frodo.ciphertext, frodo.shared) == (9616, 9752, 16)


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (0x0101, "X25519+ML-KEM-768 / ML-DSA-65 / AES-256-GCM"),
        (0x0201, "X25519+ML-KEM-768 / ML-DSA-65 / ChaCha20-Poly1305"),
        (0x0104, "X25519+FrodoKEM-640-AES / ML-DSA-65 / AES-256-GCM"),
        (0x0202, "X25519+ML-KEM-1024 / ML-DSA-87 / ChaCha20-Poly1305"),
    ],
)
def test_wire_id_names_suite_and_aead(wire: int, words: str) -> None:
    suite, aead = suites.from_wire(wire)
    assert suite.wire_id(aead) == wire
    assert suites.suite_name(wire) == words


@given(st.integers(min_value=0, max_value=0xFFFF))
def test_wire_id_is_known_or_refused(wire: int) -> None:
    known = {s.wire_id(aead) for s in suites.SUITES.values() for aead in Aead}
    if wire in known:
        suites.from_wire(wire)
        assert suites.known(wire & 0xFF)
    else:
        with pytest.raises(UnsupportedSuiteError):
            suites.from_wire(wire)


@pytest.mark.parametrize("suite_id", [0, 5, 63, -1, 255, 256])
def test_suite_given_unknown_number_refuses(suite_id: int) -> None:
    with pytest.raises(UnsupportedSuiteError, match=f"suite {suite_id}"):
        suites.suite(suite_id)


def test_suite_of_algorithms_that_nobody_knows_refuses() -> None:
    with pytest.raises(UnsupportedSuiteError, match="unknown KEM 'X25519'"):
        suites.Suite.of(64, "X25519", "ML-DSA-44", "sha384", category=1)
    with pytest.raises(UnsupportedSuiteError, match="unknown signature scheme 'Ed25519'"):
        suites.Suite.of(64, "ML-KEM-768", "Ed25519", "sha384", category=1)
