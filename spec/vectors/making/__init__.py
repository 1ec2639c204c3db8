"""Makes the vectors of this directory, area by area, from the text of PROTOCOL.md alone.

Nothing here imports qrfld: encoding, hashes and layouts are written a second time, so that a vector
is the agreement of two readings of the text. Hashes and AEADs come from `hashlib` and
`cryptography`; ML-DSA and ML-KEM from the pure Python packages `dilithium_py` and `kyber_py`, which
can be told their randomness. Everything follows from fixed seeds: two runs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from making import (
    blobs,
    bodies,
    chains,
    connections,
    control_frames,
    encoding,
    frames,
    handshakes,
    hellos,
    messages,
    names,
    records,
    resumptions,
    statements,
    steps,
)
from making.basics import Vector

AREAS: dict[str, Callable[[], Iterator[Vector]]] = {
    "encoding": encoding.vectors,
    "identity": names.identities,
    "handshake": handshakes.vectors,
    "handshake-steps": steps.vectors,
    "resumption": resumptions.vectors,
    "records": records.vectors,
    "frames": frames.vectors,
    "connections": connections.vectors,
    "messages": messages.vectors,
    "bodies": bodies.vectors,
    "statements": statements.vectors,
    "hello": hellos.vectors,
    "chains": chains.vectors,
    "tokens": names.tokens,
    "blobs": blobs.blobs,
    "tensors": blobs.tensors,
    "updates": blobs.updates,
    "control-frames": control_frames.vectors,
}


def files() -> Iterator[tuple[str, str]]:
    """Path below this directory and text of every vector."""
    seen: set[str] = set()
    for area, vectors in AREAS.items():
        for vector in vectors():
            path = f"{vector.name}.json"
            if not path.startswith(f"{area}/") or path in seen:
                raise ValueError(path)
            seen.add(path)
            yield path, vector.text()
