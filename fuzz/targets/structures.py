"""Invariant: the body of a statement or token is refused by name, or encodes to the bytes that
came, unknown odd fields aside.

Input: a byte that chooses the structure, then its bytes.
"""

from __future__ import annotations

from fuzz import examples, vectors
from fuzz.invariants import attempt, extends, require
from qrfld.crypto.canonical import unpack
from qrfld.crypto.encoding import Structure
from qrfld.crypto.errors import EncodingError
from qrfld.crypto.signed import BODY_MAX_BYTES

_AREAS = ("genesis", "admission", "address-record", "run-config", "update", "round-record")
_TYPES = [type(example) for example in examples.all_structures()]


def check(data: bytes) -> None:
    """See the module."""
    cls = _TYPES[(data[0] if data else 0) % len(_TYPES)]
    body = data[1:]
    value = attempt(lambda: cls.from_bytes(body, max_bytes=BODY_MAX_BYTES), EncodingError)
    if isinstance(value, Structure):
        again = value.to_bytes()
        known = unpack(again, max_bytes=BODY_MAX_BYTES)
        received = unpack(body, max_bytes=BODY_MAX_BYTES)
        require(again == body or extends(received, known), "a structure has one encoding")
        require(cls.from_bytes(again) == value, "an encoding has one meaning")
        repr(value)


def seeds() -> list[bytes]:
    """One structure of each type, those with ML-DSA keys with shortened ones, and the vectors."""
    found = []
    for number, example in enumerate(examples.all_structures()):
        fields = example.to_map()
        short = {k: v[:8] if isinstance(v, bytes) and len(v) > 32 else v for k, v in fields.items()}
        found.append(bytes([number]) + type(example).from_map(short).to_bytes())
    for number, area in enumerate(_AREAS):
        found += [bytes([number]) + body for body in vectors.inputs(f"bodies/{area}", "body")]
    return found
