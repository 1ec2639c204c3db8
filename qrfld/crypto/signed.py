"""The envelope of every signed statement: genesis, certificates, configs, updates, records.

    envelope  = {1: kind u8, 2: body bin ≤ 60 KiB, 3: signer's node ID, 4: ML-DSA signature}
    signature = ML-DSA.Sign(kind u8 ‖ signer ‖ body, context = "qrfld-1 statement <kind>")
    statement ID = SHA-256("qrfld-1 statement" ‖ kind u8 ‖ signer ‖ body)

The body is the canonical encoding of a Structure; signature and ID run over the bytes received,
never over a re-encoding. The ID leaves the signature out: ML-DSA signing is randomised, so one
statement has many valid signatures, and it must have one name. For the same reason nothing may ride
along in the envelope: a field beside the four is refused, odd or even.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Self, TypeVar

from msgspec import Meta

from qrfld.crypto import labels
from qrfld.crypto.encoding import U8, Hash, Key, Structure
from qrfld.crypto.errors import EncodingError, InvalidSignatureError
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.labels import Kind
from qrfld.crypto.parameters import SIGNATURE_MAX_SIZE

BODY_MAX_BYTES: Final = 60 * 1024
SIGNED_MAX_BYTES: Final = 65536

_Body = TypeVar("_Body", bound=Structure)


class Signed(Structure, frozen=True, kw_only=True):
    """An envelope as received: nothing in it is verified yet."""

    kind: Annotated[U8, Key(1)]
    body: Annotated[bytes, Meta(max_length=BODY_MAX_BYTES), Key(2)]
    signer: Annotated[Hash, Key(3)]
    signature: Annotated[bytes, Meta(max_length=SIGNATURE_MAX_SIZE), Key(4)]

    @classmethod
    def parse(cls, data: bytes | memoryview, kind: Kind | None = None) -> Self:
        """Read an envelope, of this kind if one is given. Verifies nothing.

        EncodingError if it is not an envelope, or of another or an unknown kind.
        """
        envelope = cls.from_bytes(data, max_bytes=SIGNED_MAX_BYTES)
        if envelope.kind not in list(Kind):
            raise EncodingError(f"statements of kind {envelope.kind} are not known")
        if kind is not None and envelope.kind != kind:
            raise EncodingError(f"a signed {_words(envelope.kind)} instead of: {_words(kind)}")
        if envelope.to_bytes() != bytes(data):
            raise EncodingError("a signed envelope has unsigned fields beside its own")
        return envelope

    @property
    def statement(self) -> bytes:
        """The bytes that are signed."""
        return _statement(self.kind, self.signer, self.body)

    @property
    def id(self) -> bytes:
        """The 32-byte statement ID."""
        return hashlib.sha256(labels.STATEMENT_ID + self.statement).digest()

    def verify(self, signer: PublicIdentity) -> None:
        """Return if `signer` made this statement; InvalidSignatureError otherwise."""
        if self.signer != signer.node_id:
            raise InvalidSignatureError(
                f"the {_words(self.kind)} is not signed by {signer.node_id.short}"
            )
        signer.verify(self.statement, self.signature, Kind(self.kind).context)


def seal(identity: Identity, kind: Kind, body: Structure) -> bytes:
    """Sign `body` as a statement of this kind; EncodingError if it breaks its bounds."""
    data = body.to_bytes()
    signer = bytes(identity.node_id)
    signature = identity.sign(_statement(kind, signer, data), kind.context)
    return Signed(kind=int(kind), body=data, signer=signer, signature=signature).to_bytes()


def open_signed(
    cls: type[_Body], data: bytes | memoryview, *, kind: Kind, signer: PublicIdentity
) -> _Body:
    """The body of a statement of this kind by `signer`.

    EncodingError if the bytes are not a statement of this kind and shape, InvalidSignatureError if
    another signed it or the signature does not verify.
    """
    envelope = Signed.parse(data, kind)
    envelope.verify(signer)
    return cls.from_bytes(envelope.body, max_bytes=BODY_MAX_BYTES)


def statement_id(data: bytes | memoryview) -> bytes:
    """The 32-byte ID of a signed statement; EncodingError if the envelope cannot be read."""
    return Signed.parse(data).id


def _statement(kind: int, signer: bytes, body: bytes) -> bytes:
    return bytes([kind]) + signer + body


def _words(kind: int) -> str:
    return Kind(kind).name.lower().replace("_", " ")
