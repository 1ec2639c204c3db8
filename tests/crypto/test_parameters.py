from __future__ import annotations

import pytest

from qrfld.crypto import parameters
from qrfld.crypto.errors import InvalidKeyError, UnsupportedSuiteError


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_exactly_given_any_buffer_returns_bytes(kind: type) -> None:
    assert type(parameters.exactly("key", kind(b"abc"), 3)) is bytes


@pytest.mark.parametrize("value", [b"", b"ab", b"abcd", bytearray(2)])
def test_exactly_given_wrong_length_names_both(value: bytes) -> None:
    with pytest.raises(InvalidKeyError, match=rf"key has {len(value)} bytes instead of 3"):
        parameters.exactly("key", value, 3)


@pytest.mark.parametrize("value", [None, 3, "abc", [1, 2, 3]])
def test_exactly_given_other_type_refuses(value: object) -> None:
    with pytest.raises(InvalidKeyError, match="must be bytes"):
        parameters.exactly("key", value, 3)  # type: ignore[arg-type]


def test_exactly_given_wide_memoryview_counts_bytes() -> None:
    assert len(parameters.exactly("key", memoryview(bytes(32)).cast("I"), 32)) == 32


def test_check_context_given_256_bytes_refuses() -> None:
    assert len(parameters.check_context(bytes(255))) == 255
    with pytest.raises(InvalidKeyError, match="256"):
        parameters.check_context(bytes(256))


@pytest.mark.parametrize("name", ["", "X25519", "Kyber512", "RSA", "none"])
def test_sizes_of_unknown_algorithm_refused(name: str) -> None:
    with pytest.raises(UnsupportedSuiteError, match="unknown KEM"):
        parameters.kem_sizes(name)
    with pytest.raises(UnsupportedSuiteError, match="unknown signature"):
        parameters.signature_sizes(name)
