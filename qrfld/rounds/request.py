"""What a user asks for, and the signed configuration it becomes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from qrfld.aggregation import decide, rule
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import seal
from qrfld.protocol.statements import RunConfig, pairs
from qrfld.rounds.errors import RunRefusedError
from qrfld.rounds.node import Node


@dataclass(frozen=True)
class RunRequest:
    """What the user asks for with ``qrfl run start``."""

    task: str
    rounds: int
    rule: str
    f: int | None = None
    quorum: int | None = None
    deadline_seconds: float = 60.0
    seed: int = 0
    params: Mapping[str, str | int | float | bool] = field(default_factory=dict)


def configure(node: Node, request: RunRequest, spec: str) -> bytes:
    """Sign the configuration of a run with every admitted member, coordinated by this node.

    ``spec`` is the task as this node knows it. Others find it under the name that was asked for, or
    for a file under its class's name. Raises RunRefusedError, RuleError, RuleBoundError, TaskError,
    EncodingError.
    """
    members = node.mesh.everybody()
    f, quorum = tolerance(request, len(members))
    config = RunConfig(
        federation=node.federation,
        coordinator=node.identity.node_id,
        task=request.task.rpartition(":")[2],
        task_digest=node.task_digest(spec),
        params=pairs(request.params),
        rounds=request.rounds,
        rule=request.rule,
        f=f,
        quorum=quorum,
        deadline_seconds=request.deadline_seconds,
        seed=request.seed,
        members=tuple(members),
        started_at=int(node.clock()),
        nonce=secrets.token_bytes(16),
    )
    return seal(node.identity, Kind.RUN_CONFIG, config)


def tolerance(request: RunRequest, members: int) -> tuple[int, int]:
    """The f and quorum of a run.

    f defaults to a fifth of the members, at least one where the rule withstands one; the quorum to
    a majority that is large enough for f. Raises RuleError, RuleBoundError or RunRefusedError with
    the numbers.
    """
    chosen = rule(request.rule)
    f = request.f
    if f is None:
        f = min(chosen.largest_f(members), max(1, members // 5))
    chosen.check(members, f)
    _rehearse(request, members, f)
    least = next(n for n in range(1, members + 1) if n >= chosen.least and chosen.largest_f(n) >= f)
    quorum = max(members // 2 + 1, least) if request.quorum is None else request.quorum
    if not least <= quorum <= members:
        raise RunRefusedError(
            f"a quorum of {quorum} does not fit {members} members and the rule {chosen.name} "
            f"with f = {f}, which needs at least {least} updates"
        )
    return f, quorum


def _rehearse(request: RunRequest, members: int, f: int) -> None:
    """Raise RuleError now if the rule cannot decide in a round.

    A round gives a rule nothing but updates and a random source: one that needs a reference row or
    a parameter of its own would fail in every round.
    """
    rng = np.random.default_rng(0)
    decide(request.rule, rng.standard_normal((members, 8), dtype=np.float32), f=f, rng=rng)
