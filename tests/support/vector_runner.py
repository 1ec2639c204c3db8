"""Runs one vector against our implementation: the outcome's name, as section 20 names it.

An outcome is ``ok``, ``ignored`` or the name of an error. What a vector says beside that, bytes and
fields, is asserted on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vector_areas_handshake import run_handshake, run_resumption, run_step
from vector_areas_hello import run_hello
from vector_areas_open import run_connection, run_frame, run_message, run_records
from vector_areas_plain import (
    run_blob,
    run_chain,
    run_control_frame,
    run_encoding,
    run_identity,
    run_tensors,
    run_token,
    run_update,
)
from vector_areas_signed import run_body, run_statement

from qrfld.crypto.errors import EncodingError

AREAS: dict[str, Callable[[dict[str, Any]], str | None]] = {
    "encoding": run_encoding,
    "identity": run_identity,
    "handshake": run_handshake,
    "handshake-steps": run_step,
    "resumption": run_resumption,
    "records": run_records,
    "frames": run_frame,
    "connections": run_connection,
    "messages": run_message,
    "bodies": run_body,
    "statements": run_statement,
    "hello": run_hello,
    "chains": run_chain,
    "tokens": run_token,
    "blobs": run_blob,
    "tensors": run_tensors,
    "updates": run_update,
    "control-frames": run_control_frame,
}


def outcome(path: str, vector: dict[str, Any]) -> str:
    """What our implementation makes of a vector."""
    try:
        return AREAS[path.partition("/")[0]](vector) or "ok"
    except EncodingError:
        return "encoding"
