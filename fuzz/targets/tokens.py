"""Invariant: a text is refused as a token by name, or is the token's own text but for white space
and the case of ASCII letters.

Input: a byte, 0 for text (UTF-8, or bytes that a command line passes on), 1 for the structure in a
token, which gets its armour and checksum.
"""

from __future__ import annotations

import base64
import hashlib

from fuzz import examples
from fuzz.invariants import attempt, require
from qrfld.crypto.errors import TokenError
from qrfld.crypto.tokens import PREFIX, Token

_UPPER_TO_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def check(data: bytes) -> None:
    """See the module."""
    text = _armoured(data[1:]) if data[:1] == b"\1" else data[1:].decode(errors="surrogateescape")
    token = attempt(lambda: Token.parse(text), TokenError)
    if isinstance(token, Token):
        plain = "".join(text.split()).translate(_UPPER_TO_LOWER)
        require(token.text() == plain, "a token has one text")
        require(token.secret.hex() not in repr(token), "a token hides its secret")


def _armoured(structure: bytes) -> str:
    framed = len(structure).to_bytes(2) + structure
    framed += hashlib.sha256(b"qrfld-1 token checksum" + framed).digest()[:4]
    return PREFIX + base64.b32encode(framed).decode().rstrip("=").lower()


def seeds() -> list[bytes]:
    """A token, mistyped ones, and one without its armour."""
    token = examples.all_structures()[-1]
    assert isinstance(token, Token)
    text = token.text().encode()
    texts = [text, text.upper(), b" " + text[:20] + b"\n" + text[20:], text[:-3], text[:9]]
    return [b"\0" + text for text in texts] + [b"\1" + token.to_bytes()]
