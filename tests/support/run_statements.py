"""Signed statements about runs, as any coordinator could make them."""

from __future__ import annotations

from typing import Any

from qrfld.crypto.identity import Identity, NodeId
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import seal, statement_id
from qrfld.protocol.statements import RoundRecord, RunConfig, UpdateEntry, Verdict

FEDERATION = b"f" * 32


def config(signer: Identity, members: list[NodeId], **changes: Any) -> bytes:
    """A run's configuration with fields changed as the test wishes."""
    fields: dict[str, Any] = {
        "federation": FEDERATION,
        "coordinator": signer.node_id,
        "task": "Tiny",
        "task_digest": bytes(32),
        "params": (),
        "rounds": 5,
        "rule": "mean",
        "f": 0,
        "quorum": 1,
        "deadline_seconds": 10.0,
        "seed": 1,
        "members": tuple(members),
        "started_at": 1_800_000_000,
        "nonce": bytes(16),
        **changes,
    }
    return seal(signer, Kind.RUN_CONFIG, RunConfig(**fields))


def record(run: bytes, round_: int, previous: bytes, used: NodeId, **changes: Any) -> RoundRecord:
    """A round's record; model n is thirty-two times the byte n."""
    fields: dict[str, Any] = {
        "run": run,
        "round": round_,
        "previous": previous,
        "base_model": bytes([round_ - 1 & 255]) * 32,
        "model": bytes([round_ & 255]) * 32,
        "rule": "mean",
        "f": 0,
        "updates": (UpdateEntry(node=used, update=bytes(32), samples=1, verdict=Verdict.USED),),
        "stragglers": (),
        "evaluations": 0,
        "seconds": 1.0,
        "bytes_sent": 0,
        "bytes_received": 0,
        "finished_at": 1_800_000_000,
        **changes,
    }
    return RoundRecord(**fields)


def sealed(signer: Identity, body: RoundRecord) -> tuple[bytes, bytes]:
    """The signed record and its id."""
    statement = seal(signer, Kind.ROUND_RECORD, body)
    return statement, statement_id(statement)
