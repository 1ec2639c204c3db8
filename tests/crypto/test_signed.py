from __future__ import annotations

import hashlib
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from qrfld.crypto import encoding, signed
from qrfld.crypto.encoding import U63, Key, Structure
from qrfld.crypto.errors import CryptoError, EncodingError, InvalidSignatureError
from qrfld.crypto.identity import Identity
from qrfld.crypto.labels import Kind


class Note(Structure, frozen=True, kw_only=True):
    number: Annotated[U63, Key(0)]
    text: Annotated[Annotated[bytes, Meta(max_length=100_000)], Key(2)] = b""


@pytest.fixture(scope="module")
def data(alice: Identity) -> bytes:
    return signed.seal(alice, Kind.UPDATE, Note(number=7))


def reseal(data: bytes, change: dict[int, object]) -> bytes:
    """The envelope with fields changed; None takes one away."""
    envelope = encoding.unpack(data, max_bytes=65536)
    assert isinstance(envelope, dict)
    changed = {key: value for key, value in (envelope | change).items() if value is not None}
    return encoding.pack(dict(sorted(changed.items())))


def open_note(data: bytes, signer: Identity, kind: Kind = Kind.UPDATE) -> Note:
    return signed.open_signed(Note, data, kind=kind, signer=signer.public)


def test_sealed_statement_opens(alice: Identity, data: bytes) -> None:
    assert open_note(data, alice) == Note(number=7)
    assert signed.Signed.parse(data).signer == alice.node_id
    assert signed.Signed.parse(memoryview(data)).kind == Kind.UPDATE


def test_statement_and_id_are_as_written(alice: Identity, data: bytes) -> None:
    body = Note(number=7).to_bytes()
    statement = bytes([17]) + alice.node_id + body
    envelope = signed.Signed.parse(data)
    alice.verify(statement, envelope.signature, b"qrfld-1 statement update")
    expected = hashlib.sha256(b"qrfld-1 statement" + statement).digest()
    assert signed.statement_id(data) == envelope.id == expected


def test_statement_id_does_not_depend_on_the_signature(alice: Identity, data: bytes) -> None:
    again = signed.seal(alice, Kind.UPDATE, Note(number=7))
    assert again != data
    assert signed.statement_id(again) == signed.statement_id(data)


def test_statement_of_another_signer_is_refused(
    alice: Identity, mallory: Identity, data: bytes
) -> None:
    with pytest.raises(InvalidSignatureError, match=f"not signed by {mallory.node_id.short}"):
        open_note(data, mallory)
    stolen = reseal(data, {3: bytes(mallory.node_id)})
    with pytest.raises(InvalidSignatureError, match="does not verify"):
        open_note(stolen, mallory)


def test_statement_of_another_kind_is_refused(alice: Identity, data: bytes) -> None:
    with pytest.raises(EncodingError, match="a signed update instead of: round record"):
        open_note(data, alice, Kind.ROUND_RECORD)
    with pytest.raises(InvalidSignatureError):
        open_note(reseal(data, {1: int(Kind.ROUND_RECORD)}), alice, Kind.ROUND_RECORD)


@pytest.mark.parametrize("kind", [0, 99, 255])
def test_statement_of_unknown_kind_is_refused(data: bytes, kind: int) -> None:
    with pytest.raises(EncodingError, match=f"kind {kind} are not known"):
        signed.statement_id(reseal(data, {1: kind}))


@pytest.mark.parametrize(
    "change",
    [
        {1: None},
        {2: None},
        {4: None},
        {1: -1},
        {1: 256},
        {1: "1"},
        {2: "text"},
        {2: bytes(60 * 1024 + 1)},
        {3: bytes(31)},
        {4: bytes(5001)},
        {5: b"rides along"},
        {6: b"must be understood"},
    ],
)
def test_envelope_of_another_shape_is_refused(
    alice: Identity, data: bytes, change: dict[int, object]
) -> None:
    with pytest.raises(EncodingError):
        open_note(reseal(data, change), alice)


@pytest.mark.parametrize("size", [0, 1, 3308, 3310])
def test_signature_of_another_length_is_refused(alice: Identity, data: bytes, size: int) -> None:
    with pytest.raises(InvalidSignatureError, match=f"not {size}"):
        open_note(reseal(data, {4: bytes(size)}), alice)


def test_changed_body_is_refused(alice: Identity, data: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        open_note(reseal(data, {2: Note(number=8).to_bytes()}), alice)


def test_signed_body_of_another_shape_is_refused(alice: Identity) -> None:
    class Other(Structure, frozen=True, kw_only=True):
        word: Annotated[str, Key(0)]

    data = signed.seal(alice, Kind.UPDATE, Other(word="seven"))
    with pytest.raises(EncodingError, match="number"):
        open_note(data, alice)


def test_body_beyond_60_kib_is_not_signed(alice: Identity) -> None:
    with pytest.raises(EncodingError):
        signed.seal(alice, Kind.UPDATE, Note(number=1, text=bytes(60 * 1024)))


def test_truncated_anywhere_is_refused(alice: Identity, data: bytes) -> None:
    for size in [*range(60), *range(60, len(data), 97), len(data) - 1]:
        with pytest.raises(EncodingError):
            open_note(data[:size], alice)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(junk: bytes) -> None:
    with pytest.raises(CryptoError):
        signed.statement_id(junk)
