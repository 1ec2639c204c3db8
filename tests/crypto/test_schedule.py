from __future__ import annotations

import hashlib
import hmac

import pytest
import third_party
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from qrfld.crypto import schedule
from qrfld.crypto.schedule import Source, Transcript
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
    theirs = HKDFExpand(getattr(hashes, name.upper())(), length, info)
    assert Source(name, key).expand(info, length) == theirs.derive(key)


def test_wycheproof_hkdf_sha512() -> None:
    agreed = refused = 0
    for _, test in third_party.wycheproof("hkdf_sha512"):
        ikm, salt, info = (bytes.fromhex(test[field]) for field in ("ikm", "salt", "info"))
        key = schedule.extract("sha512", salt, ikm)
        if test["result"] == "valid":
            assert Source("sha512", key).expand(info, test["size"]).hex() == test["okm"]
            agreed += 1
        else:
            with pytest.raises(ValueError):
                Source("sha512", key).expand(info, test["size"])
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


def test_one_source_gives_what_each_label_gives_alone() -> None:
    source = Source("sha512", bytes(64))
    for label, context in ((b"key", b""), (b"iv", b"x"), (b"key", b"")):
        alone = schedule.expand_label("sha512", bytes(64), label, context, 64)
        assert source.label(label, context) == alone


def test_expand_label_info_is_as_written() -> None:
    secret = bytes(48)
    expected = Source("sha384", secret).expand(b"\x00\x20\x02iv\x03abc", 32)
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
