"""Join tokens: a one-time invitation that one node gives to another, as a line of text.

    token = "qrfl1-" ‖ base32(u16 length ‖ map ‖ checksum)     lower case, no padding, ≤ 1 KiB

The map carries the federation, the issuer's node ID and addresses, an expiry and a 32-byte secret;
the checksum is the first 4 bytes of SHA-256 over a label, the length and the map. It guards against
typing, not against attackers: whoever holds a token may join once. The issuer keeps only a hash of
the secret. The clock that decides expiry is the issuer's; a holder's check is a courtesy.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable
from typing import Annotated, Any, Final, Self

from msgspec import Meta

from qrfld.crypto import labels
from qrfld.crypto.addresses import Address, split_address
from qrfld.crypto.encoding import U8, U63, Bytes16, Hash, Key, Structure
from qrfld.crypto.errors import CertificateError, EncodingError, TokenError, UnsupportedSuiteError
from qrfld.crypto.identity import NodeId
from qrfld.crypto.suites import suite

PREFIX: Final = "qrfl1-"
TEXT_MAX_LENGTH: Final = 1024
MAX_ADDRESSES: Final = 4
VERSION: Final = 1
_LENGTH_SIZE: Final = 2
_CHECKSUM_SIZE: Final = 4


class Token(Structure, frozen=True, kw_only=True):
    """A join token. Neither `repr` nor an error shows its secret; `text()` does."""

    version: Annotated[U8, Key(0)] = VERSION
    federation: Annotated[Hash, Key(2)]
    suite_id: Annotated[U8, Key(4)]
    issuer: Annotated[Hash, Key(6)]
    token_id: Annotated[Bytes16, Key(8)]
    secret: Annotated[Hash, Key(10)]
    expires_at: Annotated[U63, Key(12)]
    addresses: Annotated[Annotated[tuple[Address, ...], Meta(max_length=MAX_ADDRESSES)], Key(14)]

    @classmethod
    def create(
        cls,
        *,
        federation: bytes,
        suite_id: int,
        issuer: NodeId,
        expires_at: int,
        addresses: Iterable[str],
    ) -> Self:
        """A fresh token that expires at `expires_at` (seconds since 1970).

        TokenError if its text would exceed 1 KiB or an address is not one.
        """
        token = cls(
            federation=federation,
            suite_id=suite_id,
            issuer=bytes(issuer),
            token_id=secrets.token_bytes(16),
            secret=secrets.token_bytes(32),
            expires_at=expires_at,
            addresses=tuple(addresses),
        )
        token._check()
        token.text()
        return token

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a token's text; spaces, line breaks and case do not matter.

        TokenError says what is wrong: not a token, truncated, mistyped, or of another version.
        """
        payload = _payload(text)
        try:
            token = cls.from_bytes(payload, max_bytes=TEXT_MAX_LENGTH)
        except EncodingError as error:
            raise _refused(f"it does not hold what a token holds: {error}") from None
        token._check()
        return token

    def text(self) -> str:
        """The token as text: a secret. TokenError if it would exceed 1 KiB."""
        try:
            payload = self.to_bytes()
        except EncodingError as error:
            raise TokenError(f"a token cannot be made like this: {error}") from None
        framed = len(payload).to_bytes(_LENGTH_SIZE) + payload
        encoded = _armour(framed + _checksum(framed))
        if len(PREFIX) + len(encoded) > TEXT_MAX_LENGTH:
            raise TokenError(
                f"the token would be longer than {TEXT_MAX_LENGTH} characters",
                hint="advertise fewer or shorter addresses",
            )
        return PREFIX + encoded

    def expired(self, now: float) -> bool:
        """Whether the token's time is over at `now` (seconds since 1970)."""
        return now >= self.expires_at

    def secret_hash(self) -> bytes:
        """What the issuer keeps: SHA-256 of a label and the secret, 32 bytes."""
        return secret_hash(self.secret)

    @property
    def issuer_id(self) -> NodeId:
        """The issuer's node ID."""
        return NodeId(self.issuer)

    def _check(self) -> None:
        if self.version != VERSION:
            raise TokenError(
                f"token version {self.version} is not known", hint="install a newer version"
            )
        try:
            suite(self.suite_id)
        except UnsupportedSuiteError as error:
            raise TokenError(f"the token's suite: {error.message}", hint=error.hint) from None
        for address in self.addresses:
            try:
                split_address(address)
            except CertificateError as error:
                raise TokenError(f"the token names a wrong address: {error.message}") from None

    def __repr__(self) -> str:
        return f"Token({self.token_id.hex()}, secret hidden)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("token_id", self.token_id.hex())]


def secret_hash(secret: bytes) -> bytes:
    """The hash of a token's secret, 32 bytes."""
    return hashlib.sha256(labels.TOKEN_SECRET + secret).digest()


def _payload(text: str) -> bytes:
    """The map inside a token's text, checked for length and checksum."""
    plain = "".join(text[: 4 * TEXT_MAX_LENGTH].split()).lower()
    if not plain.startswith(PREFIX):
        raise _refused(f"it does not begin with {PREFIX}")
    if len(plain) > TEXT_MAX_LENGTH:
        raise _refused(f"it is longer than {TEXT_MAX_LENGTH} characters")
    encoded = plain.removeprefix(PREFIX)
    framed = _unarmour(encoded)
    length = int.from_bytes(framed[:_LENGTH_SIZE])
    size = _LENGTH_SIZE + length + _CHECKSUM_SIZE
    if len(framed) < size:
        raise _refused("it is truncated")
    body, checksum = framed[:-_CHECKSUM_SIZE], framed[-_CHECKSUM_SIZE:]
    if len(framed) > size or checksum != _checksum(body) or _armour(framed) != encoded:
        raise _refused("it is mistyped: its checksum does not match")
    return body[_LENGTH_SIZE:]


def _armour(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _unarmour(encoded: str) -> bytes:
    if not encoded.isascii():
        raise _refused("it has a character that is not base32")
    whole = encoded[: len(encoded) - len(encoded) % 8]
    rest = encoded[len(whole) :]
    # One, three or six characters are no whole number of bytes: the last one belongs to a byte
    # that was cut off.
    rest = rest[:-1] if len(rest) in (1, 3, 6) else rest
    padded = whole + rest + "=" * (-len(rest) % 8)
    try:
        return base64.b32decode(padded.upper())
    except binascii.Error:
        raise _refused("it has a character that is not base32") from None


def _checksum(framed: bytes) -> bytes:
    return hashlib.sha256(labels.TOKEN_CHECKSUM + framed).digest()[:_CHECKSUM_SIZE]


def _refused(why: str) -> TokenError:
    return TokenError(f"this is not a join token: {why}", hint="copy the whole line again")
