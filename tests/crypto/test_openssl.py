from __future__ import annotations

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from qrfld.crypto.errors import InvalidKeyError, InvalidSignatureError, UnsupportedSuiteError
from qrfld.crypto.providers import openssl as module
from qrfld.crypto.providers.openssl import OpensslKem, OpensslProvider, OpensslSignature


class Tripwire:
    """Stands where the library stands; any use of it fails the test."""

    def __getattr__(self, name: str) -> object:
        pytest.fail(f"the library was called: {name}")


class Old:
    """A build of the library that lacks the algorithm."""

    @staticmethod
    def from_seed_bytes(data: bytes) -> None:
        raise UnsupportedAlgorithm("not in this build")


def test_wrong_lengths_never_reach_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = (Tripwire(), Tripwire())
    monkeypatch.setitem(module._KEMS, "ML-KEM-768", wires)  # type: ignore[arg-type]
    monkeypatch.setitem(module._SIGNATURES, "ML-DSA-65", wires)  # type: ignore[arg-type]
    kem = OpensslKem("ML-KEM-768", 1184, 1088)
    scheme = OpensslSignature("ML-DSA-65", 1952, 3309)
    for size in (0, 1, 1183, 1185, 65536):
        with pytest.raises(InvalidKeyError):
            kem.encapsulate(bytes(size))
        with pytest.raises(InvalidKeyError):
            kem.keypair(bytes(size))
        with pytest.raises(InvalidKeyError):
            scheme.keypair(bytes(size))
        with pytest.raises(InvalidKeyError):
            scheme.verify(bytes(size), b"message", bytes(3309), b"context")
        with pytest.raises(InvalidSignatureError):
            scheme.verify(bytes(1952), b"message", bytes(size), b"context")


def test_build_without_the_algorithm_provides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._KEMS, "ML-KEM-768", (Old, Old))  # type: ignore[arg-type]
    monkeypatch.setitem(module._SIGNATURES, "ML-DSA-65", (Old, Old))  # type: ignore[arg-type]
    module._kem.cache_clear()
    module._signature.cache_clear()
    provider = OpensslProvider()
    try:
        with pytest.raises(UnsupportedSuiteError, match="has no ML-KEM-768"):
            provider.kem("ML-KEM-768")
        with pytest.raises(UnsupportedSuiteError, match="has no ML-DSA-65"):
            provider.signature("ML-DSA-65")
        assert provider.kem("ML-KEM-1024")
        assert provider.signature("ML-DSA-87")
    finally:
        module._kem.cache_clear()
        module._signature.cache_clear()
