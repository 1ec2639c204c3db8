from __future__ import annotations

import hashlib
import hmac

import pytest
import third_party
from hypothesis import given
from hypothesis import strategies as st

from qrfld.crypto import schedule
from qrfld.crypto.schedule import Transcript
from qrfld.crypto.suites import HashName

HASHES: list[HashName] = ["sha384", "sha512"]


@given(
    st.sampled_from(HASHES),
    st.binary(max_size=200),
    st.binary(max_size=200),
    st.binary(max_size=80),
    st.integers(1, 300),
)
def test_hkdf_is_that_of_rfc_5869(
    name: HashName, salt: bytes, secret: bytes, info: bytes, length: int
) -> None:
    key = hmac.digest(salt or bytes(schedule.hash_size(name)), secret, name)
    assert schedule.extract(name, salt, secret) == key
    block, output = b"", b""
    for counter in range(1, 1 + -(-length // schedule.hash_size(name))):
        block = hmac.digest(key, block + info + bytes([counter]), name)
        output += block
    assert schedule.expand(name, key, info, length) == output[:length]


def test_wycheproof_hkdf_sha512() -> None:
    agreed = refused = 0
    for _, test in third_party.wycheproof("hkdf_sha512"):
        ikm, salt, info = (bytes.fromhex(test[field]) for field in ("ikm", "salt", "info"))
        key = schedule.extract("sha512", salt, ikm)
        if test["result"] == "valid":
            assert schedule.expand("sha512", key, info, test["size"]).hex() == test["okm"]
            agreed += 1
        else:
            with pytest.raises(ValueError):
                schedule.expand("sha512", key, info, test["size"])
            refused += 1
    assert agreed > 0
    assert refused > 0


@pytest.mark.parametrize("name", HASHES)
def test_expand_label_binds_label_context_and_length(name: HashName) -> None:
    secret = bytes(range(48))
    derived = [
        schedule.expand_label(name, secret, label, context, length)[:16]
        for label, context, length in (
            (b"key", b"", 32),
            (b"key", b"", 33),
            (b"ke", b"y", 32),
            (b"key", b"\0", 32),
            (b"keys", b"", 32),
            (b"", b"key", 32),
        )
    ]
    assert len(set(derived)) == len(derived)


def test_expand_label_info_is_as_written() -> None:
    secret = bytes(48)
    expected = schedule.expand("sha384", secret, b"\x00\x20\x02iv\x03abc", 32)
    assert schedule.expand_label("sha384", secret, b"iv", b"abc", 32) == expected


@pytest.mark.parametrize(("label", "context"), [(bytes(256), b""), (b"", bytes(256))])
def test_expand_label_too_long_is_refused(label: bytes, context: bytes) -> None:
    with pytest.raises(OverflowError):
        schedule.expand_label("sha384", bytes(48), label, context, 32)


@given(st.lists(st.binary(max_size=5), max_size=5), st.lists(st.binary(max_size=5), max_size=5))
def test_transcripts_of_different_parts_differ(one: list[bytes], other: list[bytes]) -> None:
    digests = []
    for parts in (one, other):
        transcript = Transcript("sha384")
        for part in parts:
            transcript.add(part)
        digests.append(transcript.digest())
    assert (digests[0] == digests[1]) == (one == other)


def test_transcript_is_as_written_and_goes_on_after_a_digest() -> None:
    transcript = Transcript("sha512")
    transcript.add(bytearray(b"ab"))
    first = transcript.digest()
    transcript.add(memoryview(b"c"))
    assert first == hashlib.sha512(bytes(7) + b"\x02ab").digest()
    assert (
        transcript.digest() == hashlib.sha512(bytes(7) + b"\x02ab" + bytes(7) + b"\x01c").digest()
    )
