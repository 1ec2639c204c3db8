"""What nodes sign about a run: its configuration, each update, the record of each round.

These are the bodies; ``qrfld.crypto.signed`` seals and opens them (kinds RUN_CONFIG, UPDATE and
ROUND_RECORD, each with an ML-DSA context of its own) and gives every statement its ID. A run is
named by the first 16 bytes of its configuration's statement ID, so a run ID commits to the
federation, the task's digest, the rule and every member. Each round record names the one before it,
so the last record's ID commits to the run's whole history.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Final

from msgspec import Meta

from qrfld.crypto.encoding import (
    U16,
    U32,
    U63,
    Bytes16,
    Fraction,
    Hash,
    Key,
    NonNegative,
    Structure,
)
from qrfld.crypto.errors import EncodingError
from qrfld.crypto.signed import statement_id

# So many that a record with an entry for each still fits a statement.
MAX_RUN_MEMBERS: Final = 512
MAX_PARAMS: Final = 32
FIRST_RECORD: Final = bytes(32)  # the "previous" of round one

Param = (
    Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
    | float
    | bool
    | Annotated[str, Meta(max_length=255)]
)
ParamName = Annotated[str, Meta(min_length=1, max_length=64)]
ShortName = Annotated[str, Meta(min_length=1, max_length=64)]
RuleName = Annotated[str, Meta(min_length=1, max_length=32)]
NodeIds = Annotated[tuple[Hash, ...], Meta(max_length=MAX_RUN_MEMBERS)]


class Verdict(IntEnum):
    """What became of an update in its round."""

    USED = 1
    SUSPECT = 2  # used, and named by a detector
    REFUSED = 3


class RunConfig(Structure, frozen=True, kw_only=True):
    """A run, signed by its coordinator. The place in ``members`` is a member's partition index."""

    federation: Annotated[Hash, Key(0)]
    coordinator: Annotated[Hash, Key(2)]
    task: Annotated[ShortName, Key(4)]
    task_digest: Annotated[Hash, Key(6)]
    params: Annotated[
        Annotated[tuple[tuple[ParamName, Param], ...], Meta(max_length=MAX_PARAMS)], Key(8)
    ]
    rounds: Annotated[Annotated[int, Meta(ge=1, le=100_000)], Key(10)]
    rule: Annotated[RuleName, Key(12)]
    f: Annotated[U16, Key(14)]
    quorum: Annotated[Annotated[int, Meta(ge=1, le=MAX_RUN_MEMBERS)], Key(16)]
    deadline_seconds: Annotated[Annotated[float, Meta(gt=0.0, le=604800.0)], Key(18)]
    seed: Annotated[U63, Key(20)]
    members: Annotated[NodeIds, Key(22)]
    started_at: Annotated[U63, Key(24)]
    nonce: Annotated[Bytes16, Key(26)]

    def __post_init__(self) -> None:
        names = [name for name, _ in self.params]
        if names != sorted(set(names)):
            raise EncodingError("the names of a run's parameters ascend and never repeat")
        if len(set(self.members)) != len(self.members):
            raise EncodingError("a run's member stands in its list twice")
        if self.quorum > len(self.members):
            raise EncodingError(f"a quorum of {self.quorum} among {len(self.members)} members")

    @property
    def parameters(self) -> dict[str, Param]:
        """The task's parameters by name."""
        return dict(self.params)


class UpdateStatement(Structure, frozen=True, kw_only=True):
    """One member's update in one round, signed by that member."""

    run: Annotated[Bytes16, Key(0)]
    round: Annotated[U32, Key(2)]
    base_model: Annotated[Hash, Key(4)]
    update: Annotated[Hash, Key(6)]
    update_bytes: Annotated[U63, Key(8)]
    samples: Annotated[U32, Key(10)]
    loss: Annotated[NonNegative, Key(12)]


class UpdateEntry(Structure, frozen=True, kw_only=True):
    """One update in a round record; ``verdict`` is a Verdict."""

    node: Annotated[Hash, Key(0)]
    update: Annotated[Hash, Key(2)]
    samples: Annotated[U32, Key(4)]
    verdict: Annotated[Annotated[int, Meta(ge=1, le=3)], Key(6)]


class RoundRecord(Structure, frozen=True, kw_only=True):
    """What happened in a round, signed by the coordinator and chained to the round before.

    ``accuracy`` and ``loss`` summarise the reports of ``evaluations`` members; without a report
    they are None.
    """

    run: Annotated[Bytes16, Key(0)]
    round: Annotated[U32, Key(2)]
    previous: Annotated[Hash, Key(4)]
    base_model: Annotated[Hash, Key(6)]
    model: Annotated[Hash, Key(8)]
    rule: Annotated[RuleName, Key(10)]
    f: Annotated[U16, Key(12)]
    updates: Annotated[
        Annotated[tuple[UpdateEntry, ...], Meta(max_length=MAX_RUN_MEMBERS)], Key(14)
    ]
    stragglers: Annotated[NodeIds, Key(16)]
    evaluations: Annotated[Annotated[int, Meta(ge=0, le=MAX_RUN_MEMBERS)], Key(18)]
    accuracy: Annotated[Fraction | None, Key(20)] = None
    loss: Annotated[NonNegative | None, Key(22)] = None
    seconds: Annotated[NonNegative, Key(24)]
    bytes_sent: Annotated[U63, Key(26)]
    bytes_received: Annotated[U63, Key(28)]
    finished_at: Annotated[U63, Key(30)]

    def __post_init__(self) -> None:
        nodes = [entry.node for entry in self.updates] + list(self.stragglers)
        if len(set(nodes)) != len(nodes):
            raise EncodingError("a node stands twice in a round record")
        if len(nodes) > MAX_RUN_MEMBERS:
            raise EncodingError(f"{len(nodes)} nodes in a record, allowed are {MAX_RUN_MEMBERS}")
        scored = self.evaluations > 0
        if (self.accuracy is not None) is not scored or (self.loss is not None) is not scored:
            raise EncodingError("a record has accuracy and loss exactly if members evaluated")


def pairs(params: Mapping[str, Param]) -> tuple[tuple[str, Param], ...]:
    """Return a run's parameters in their order on the wire: ascending names."""
    return tuple(sorted(params.items()))


def run_id(config: bytes) -> bytes:
    """Return the 16-byte ID of the run that the signed config ``config`` names."""
    return statement_id(config)[:16]
