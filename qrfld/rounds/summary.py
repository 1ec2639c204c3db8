"""Runs and rounds as plain maps, for the control socket."""

from __future__ import annotations

from typing import Any

from qrfld.crypto.identity import NodeId
from qrfld.protocol.statements import RoundRecord, Verdict
from qrfld.rounds.ledger import read_config, read_record
from qrfld.rounds.node import Mesh, Node
from qrfld.rounds.service import Runs
from qrfld.store.rows import RunRow


async def run_summary(node: Node, runs: Runs, row: RunRow) -> dict[str, Any]:
    """One line about a run."""
    config = read_config(row.config)
    stored = await node.database.last_record(row.run_id)
    last = read_record(stored.record) if stored else None
    active = runs.active(row.run_id)
    coordinator = NodeId(config.coordinator)
    phase = active.phase if active else ""
    state = row.state
    if state == "running" and phase.startswith("waiting"):
        state = "waiting"
    return {
        "run": row.run_id.hex(),
        "task": config.task,
        "rule": config.rule,
        "f": config.f,
        "state": state,
        "phase": phase,
        "round": last.round if last else 0,
        "rounds": config.rounds,
        "coordinator": coordinator.short,
        "coordinator_name": node.mesh.name(coordinator),
        "accuracy": last.accuracy if last else None,
        "reason": row.reason,
        "role": "coordinator" if coordinator == node.identity.node_id else "trainer",
        "members": len(config.members),
        "started_at": config.started_at,
    }


def config_summary(statement: bytes, mesh: Mesh) -> dict[str, Any]:
    """A run's whole configuration."""
    config = read_config(statement)
    return {
        "task": config.task,
        "task_digest": config.task_digest.hex(),
        "params": config.parameters,
        "rounds": config.rounds,
        "rule": config.rule,
        "f": config.f,
        "quorum": config.quorum,
        "deadline_seconds": config.deadline_seconds,
        "seed": config.seed,
        "members": [
            {"node": NodeId(member).short, "name": mesh.name(NodeId(member))}
            for member in config.members
        ],
        "started_at": config.started_at,
    }


def round_summary(record: RoundRecord, record_id: bytes, mesh: Mesh) -> dict[str, Any]:
    """One round as its record tells it."""
    return {
        "round": record.round,
        "accuracy": record.accuracy,
        "loss": record.loss,
        "evaluations": record.evaluations,
        "seconds": record.seconds,
        "bytes_sent": record.bytes_sent,
        "bytes_received": record.bytes_received,
        "model": record.model.hex(),
        "record": record_id.hex(),
        "finished_at": record.finished_at,
        "updates": [
            {
                "node": NodeId(entry.node).short,
                "name": mesh.name(NodeId(entry.node)),
                "samples": entry.samples,
                "verdict": Verdict(entry.verdict).name.lower(),
            }
            for entry in record.updates
        ],
        "suspects": [
            mesh.name(NodeId(entry.node))
            for entry in record.updates
            if entry.verdict != Verdict.USED
        ],
        "stragglers": [mesh.name(NodeId(node)) for node in record.stragglers],
    }
