"""What the database gives back: one frozen row each, named as the columns are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RunState = Literal["running", "waiting", "finished", "stopped", "failed"]
Role = Literal["coordinator", "trainer"]


@dataclass(frozen=True, slots=True)
class MemberRow:
    """An admitted node; ``addresses`` is its newest signed record, None before the first."""

    node_id: bytes
    certificate: bytes
    addresses: bytes | None
    address_sequence: int
    added_at: float


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token made here. Its secret is not known any more."""

    token_id: bytes
    expires_at: float
    created_at: float
    redeemed_by: bytes | None


@dataclass(frozen=True, slots=True)
class Redemption:
    """The certificate that a token bought; ``first`` is False when a node asked again."""

    certificate: bytes
    first: bool


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run this node takes part in; ``config`` is the coordinator's signed statement."""

    run_id: bytes
    config: bytes
    role: Role
    state: RunState
    reason: str
    created_at: float


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A finished round's signed record."""

    run_id: bytes
    round: int
    record: bytes
    record_id: bytes


@dataclass(frozen=True, slots=True)
class OpenRound:
    """The round under way, for a coordinator that comes back."""

    run_id: bytes
    round: int
    base_model: bytes


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """An update received from ``node_id``: its signed statement; the bytes are a blob."""

    run_id: bytes
    round: int
    node_id: bytes
    statement: bytes
    update_hash: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class OwnUpdateRow:
    """The update this node trained from ``base_model``."""

    run_id: bytes
    round: int
    base_model: bytes
    statement: bytes
    update_hash: bytes
