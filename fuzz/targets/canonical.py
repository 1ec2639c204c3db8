"""Invariant: bytes are refused by name, or the value in them packs to the same bytes; and reading
them takes memory in proportion to their number, whatever counts they announce.
"""

from __future__ import annotations

from fuzz import vectors
from fuzz.invariants import Refused, attempt, memory_within, require
from qrfld.crypto.canonical import pack, unpack
from qrfld.crypto.errors import EncodingError

#: The dearest byte is an empty map inside an array: an object of 64 bytes and its place in a list.
BYTES_PER_BYTE = 160
BYTES_AT_LEAST = 32_768


def check(data: bytes) -> None:
    """See the module."""
    with memory_within(BYTES_AT_LEAST + BYTES_PER_BYTE * len(data)):
        value = attempt(lambda: unpack(data, max_bytes=65536), EncodingError)
    if not isinstance(value, Refused):
        require(pack(value) == data, "a value has one encoding")


def seeds() -> list[bytes]:
    """The vectors, and announcements without elements."""
    announced = [
        b"\xdd\x00\x00\xff\xff" + bytes(30),
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\x7f\xff\xff\xff",
    ]
    return vectors.inputs("encoding", "bytes") + announced
