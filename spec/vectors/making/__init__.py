"""Makes the vectors of this directory, area by area, from the text of PROTOCOL.md alone.

Nothing here imports qrfld: encoding, hashes and layouts are written a second time, so that a vector
is the agreement of two readings of the text. Hashes and AEADs come from `hashlib` and
`cryptography`; ML-DSA and ML-KEM from the pure Python packages `dilithium_py` and `kyber_py`, which
can be told their randomness. Everything follows from fixed seeds: two runs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from making import bodies, encoding, messages, statements

AREAS: dict[str, ModuleType] = {
    "encoding": encoding,
    "messages": messages,
    "bodies": bodies,
    "statements": statements,
}


def files() -> Iterator[tuple[str, str]]:
    """Path below this directory and text of every vector."""
    seen: set[str] = set()
    for area, module in AREAS.items():
        for vector in module.vectors():
            path = f"{vector.name}.json"
            if not path.startswith(f"{area}/") or path in seen:
                raise ValueError(path)
            seen.add(path)
            yield path, vector.text()
