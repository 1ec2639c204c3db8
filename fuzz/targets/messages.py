"""Invariant: a message is refused by name, ignored for its unknown odd code, or encodes to the
bytes that came, unknown odd fields aside.
"""

from __future__ import annotations

from fuzz import examples, vectors
from fuzz.invariants import Refused, attempt, extends, require
from qrfld.crypto.canonical import unpack
from qrfld.crypto.errors import EncodingError
from qrfld.protocol.messages import CODE_BYTES, MESSAGES, Message, decode_message


def check(data: bytes) -> None:
    """See the module."""
    message = attempt(lambda: decode_message(data), EncodingError)
    if message is None:
        code = int.from_bytes(data[:CODE_BYTES])
        require(code % 2 == 1 and code not in MESSAGES, "only an unknown odd code is ignored")
    elif isinstance(message, Message):
        again = message.encode()
        require(again[:CODE_BYTES] == data[:CODE_BYTES], "a code is kept")
        received = unpack(data[CODE_BYTES:], max_bytes=len(data))
        known = unpack(again[CODE_BYTES:], max_bytes=len(data))
        require(again == data or extends(received, known), "a message has one encoding")
        require(decode_message(again) == message, "an encoding has one meaning")
        repr(message)
    else:
        require(isinstance(message, Refused), "a message is a message")


def seeds() -> list[bytes]:
    """One message of each type, and the vectors, with messages and fields of later versions."""
    encoded = [message.encode() for message in examples.all_messages()]
    return encoded + vectors.inputs("messages", "body")
