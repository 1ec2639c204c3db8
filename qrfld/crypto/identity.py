"""Identities: an ML-DSA key pair, and the node ID that names it.

    node ID = SHA-256("qrfld-1 node id" ‖ suite id u8 ‖ ML-DSA public key)

A node ID is what people compare and what an initiator must know before it dials. As text it is
base32 in eight groups of seven; after every thirteen characters stands a check character
(Luhn mod 32), so that a mistyped character is noticed where it stands:

    GR6L44J-NYKTIYM-LCIG2TS-ZCSVA7M-DYRI46S-QAMEDL6-K7KBO43-S4XFOAP

An identity's secret is its 32-byte seed. It is shown by no ``repr`` and no error.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Self

from qrfld.crypto import labels
from qrfld.crypto.errors import InvalidKeyError, InvalidNodeIdError
from qrfld.crypto.parameters import Buffer, exactly
from qrfld.crypto.providers import SigningKey, provider_for
from qrfld.crypto.suites import suite

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_LOOKALIKES: Final = str.maketrans({"0": "O", "1": "I", "8": "B", "-": None, " ": None})
_CHECKED: Final = 13
_GROUP: Final = 7
_TEXT_SIZE: Final = 56
NODE_ID_SIZE: Final = 32


class NodeId(bytes):
    """The 32 bytes that name a node; `str()` gives the form for people."""

    def __new__(cls, value: Buffer) -> Self:
        """A node ID of 32 bytes; InvalidNodeIdError otherwise."""
        if len(value) != NODE_ID_SIZE:
            raise InvalidNodeIdError(f"a node ID has {NODE_ID_SIZE} bytes, not {len(value)}")
        return super().__new__(cls, value)

    @classmethod
    def of(cls, suite_id: int, public_key: Buffer) -> Self:
        """The node ID of an ML-DSA public key."""
        return cls(hashlib.sha256(labels.NODE_ID + bytes([suite_id]) + public_key).digest())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the form for people; case, spaces, dashes and 0/1/8 for O/I/B do not matter.

        InvalidNodeIdError names what is wrong: length, character or check character.
        """
        plain = text.upper().translate(_LOOKALIKES)
        if len(plain) != _TEXT_SIZE:
            raise _mistyped(text, f"it has {len(plain)} characters instead of {_TEXT_SIZE}")
        for character in plain:
            if character not in _ALPHABET:
                raise _mistyped(text, f"{character!r} is not a base32 character")
        step = _CHECKED + 1
        parts = [plain[i : i + step] for i in range(0, _TEXT_SIZE, step)]
        for number, part in enumerate(parts, 1):
            if _check_character(part[:-1]) != part[-1]:
                raise _mistyped(text, f"a character in quarter {number} is wrong")
        digits = "".join(part[:-1] for part in parts)
        value = cls(base64.b32decode(digits + "===="))
        if value._digits() != digits:
            raise _mistyped(text, "its last character is not canonical")
        return value

    @property
    def short(self) -> str:
        """The first group: enough for people in a small federation, never for a decision."""
        return str(self)[:_GROUP]

    def _digits(self) -> str:
        return base64.b32encode(self).decode().rstrip("=")

    def __str__(self) -> str:
        digits = self._digits()
        parts = [digits[i : i + _CHECKED] for i in range(0, len(digits), _CHECKED)]
        plain = "".join(part + _check_character(part) for part in parts)
        return "-".join(plain[i : i + _GROUP] for i in range(0, _TEXT_SIZE, _GROUP))

    def __repr__(self) -> str:
        return f"NodeId({self.short}…)"


@dataclass(frozen=True)
class PublicIdentity:
    """Who a node is, to others: its suite and ML-DSA public key."""

    suite_id: int
    public_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        size = suite(self.suite_id).signature_sizes.public_key
        exactly("identity public key", self.public_key, size)

    @cached_property
    def node_id(self) -> NodeId:
        """The node ID of this key."""
        return NodeId.of(self.suite_id, self.public_key)

    def verify(self, message: Buffer, signature: Buffer, context: bytes) -> None:
        """Return if this node signed `message` under `context`; else InvalidSignatureError."""
        scheme = provider_for(self.suite_id).signature(suite(self.suite_id).signature)
        scheme.verify(self.public_key, message, signature, _named(context))

    def __str__(self) -> str:
        return str(self.node_id)


@dataclass(frozen=True)
class Identity(PublicIdentity):
    """A node's own identity: it can sign. Compared and shown by its public half only."""

    _key: SigningKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls, suite_id: int = 1) -> Self:
        """A fresh identity of this suite."""
        return cls._make(suite_id, None)

    @classmethod
    def from_seed(cls, suite_id: int, seed: Buffer) -> Self:
        """The identity of a 32-byte seed."""
        return cls._make(suite_id, seed)

    @classmethod
    def _make(cls, suite_id: int, seed: Buffer | None) -> Self:
        scheme = provider_for(suite_id).signature(suite(suite_id).signature)
        key = scheme.keypair(seed)
        return cls(suite_id, key.public, key)

    @property
    def public(self) -> PublicIdentity:
        """The half that others may see."""
        return PublicIdentity(self.suite_id, self.public_key)

    @property
    def seed(self) -> bytes:
        """The 32-byte secret. Only the keystore has a use for it."""
        return self._key.seed

    def sign(self, message: Buffer, context: bytes) -> bytes:
        """A signature over `message` under `context` (1 to 255 bytes)."""
        return self._key.sign(message, _named(context))


def _named(context: bytes) -> bytes:
    """The context itself: no identity signs or trusts anything whose use is not named."""
    if not context:
        raise InvalidKeyError("a signature needs a context that names its use")
    return context


def _check_character(digits: str) -> str:
    """The Luhn mod 32 check character of base32 digits, doubling from the right."""
    total = 0
    factor = 2
    for digit in reversed(digits):
        product = factor * _ALPHABET.index(digit)
        total += product // 32 + product % 32
        factor = 3 - factor
    return _ALPHABET[-total % 32]


def _mistyped(text: str, why: str) -> InvalidNodeIdError:
    return InvalidNodeIdError(
        f"{text[:80]!r} is not a node ID: {why}", hint="copy the whole ID, as `qrfl id` shows it"
    )
