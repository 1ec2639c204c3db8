"""Invariant: a text is refused as a node ID by name, or is the ID's own text but for spaces,
dashes, the case of ASCII letters, and 0, 1, 8 for O, I, B.

Input: a byte, 0 for text, 1 for the 32 bytes of an ID and changes to its text.
"""

from __future__ import annotations

from fuzz.invariants import attempt, require
from fuzz.script import Script
from fuzz.world import identity
from qrfld.crypto.errors import InvalidNodeIdError
from qrfld.crypto.identity import NODE_ID_SIZE, NodeId

MAX_LEN = 512
_ALLOWED = {
    **{ord(letter): letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"},
    **{ord("0"): "O", ord("1"): "I", ord("8"): "B", ord(" "): None, ord("-"): None},
}


def check(data: bytes) -> None:
    """See the module."""
    text = data[1:].decode(errors="surrogateescape")
    if data[:1] == b"\1":
        script = Script(data[1:])
        node_id = NodeId(script.take(NODE_ID_SIZE).ljust(NODE_ID_SIZE, b"\0"))
        text = script.changed(str(node_id).encode()).decode(errors="surrogateescape")
    parsed = attempt(lambda: NodeId.parse(text), InvalidNodeIdError)
    if isinstance(parsed, NodeId):
        plain = str(parsed).replace("-", "")
        require(text.translate(_ALLOWED) == plain, "a node ID has one text")


def seeds() -> list[bytes]:
    """IDs in the spellings that are allowed, and one with its last bit wrong."""
    text = str(identity("alice").node_id)
    spellings = [
        text,
        text.lower(),
        text.replace("-", " "),
        text.replace("O", "0"),
        text[:-1] + "A",
    ]
    return [b"\0" + spelling.encode() for spelling in spellings] + [
        b"\1" + bytes(range(32)) + b"\1\0\x05\0\x03"
    ]
