"""What the coordinator knows of the round that is open: its base model and the members' answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from qrfld.aggregation import trimmed_accuracy
from qrfld.crypto.identity import NodeId
from qrfld.protocol.messages import Evaluate, Evaluation, RoundStart
from qrfld.protocol.statements import UpdateEntry, UpdateStatement, Verdict
from qrfld.rounds.ledger import Ledger


@dataclass(eq=False)
class OpenRound:
    """One attempt at a round; a round begun again gets a new one, and late work finds this shut."""

    ledger: Ledger
    number: int
    base: bytes
    model_bytes: int
    #: Loop time.
    deadline: float
    accepting: bool = True
    #: The new model, and whether the members are evaluating it.
    candidate: bytes = b""
    evaluating: bool = False
    accepted: dict[NodeId, UpdateStatement] = field(default_factory=dict)
    refused: dict[NodeId, UpdateStatement] = field(default_factory=dict)
    failed: dict[NodeId, str] = field(default_factory=dict)
    scores: dict[NodeId, Evaluation] = field(default_factory=dict)
    #: Whose updates wait until there is room on the disk.
    without_room: set[NodeId] = field(default_factory=set)
    #: Set whenever one of the above changes.
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def shut(self) -> None:
        """Nothing is asked of members any more, nor taken from them."""
        self.accepting = self.evaluating = False

    @property
    def answered(self) -> set[NodeId]:
        """Whoever need not be waited for any more in training."""
        return self.accepted.keys() | self.refused.keys() | self.failed.keys()

    @property
    def order(self) -> list[NodeId]:
        """Whose updates count, in the run's order of members."""
        return [member for member in self.ledger.members if member in self.accepted]

    @property
    def stragglers(self) -> list[NodeId]:
        """Who has not answered."""
        return [member for member in self.ledger.members if member not in self.answered]

    def announcement(self, now: float) -> RoundStart | Evaluate | None:
        """What a member is to do now; ``now`` is loop time."""
        if self.evaluating:
            return Evaluate(
                run=self.ledger.run,
                round=self.number,
                model=self.candidate,
                model_bytes=self.model_bytes,
            )
        if not self.accepting:
            return None
        return RoundStart(
            run=self.ledger.run,
            round=self.number,
            model=self.base,
            model_bytes=self.model_bytes,
            previous=self.ledger.head,
            seconds_left=max(0.0, self.deadline - now),
        )

    def entries(self, suspects: set[NodeId]) -> list[UpdateEntry]:
        """The updates as the record lists them: the accepted ones, then the refused ones."""
        verdicts = [
            (m, self.accepted[m], Verdict.SUSPECT if m in suspects else Verdict.USED)
            for m in self.order
        ]
        verdicts += [(m, statement, Verdict.REFUSED) for m, statement in self.refused.items()]
        return [
            UpdateEntry(node=m, update=s.update, samples=s.samples, verdict=verdict)
            for m, s, verdict in verdicts
        ]

    @property
    def accuracy(self) -> float | None:
        """The members' reports without the f lowest and f highest; None without a report."""
        return self._trimmed([(s.accuracy, s.samples) for s in self.scores.values()])

    @property
    def loss(self) -> float | None:
        """As `accuracy`."""
        return self._trimmed([(s.loss, s.samples) for s in self.scores.values()])

    def _trimmed(self, reports: list[tuple[float, int]]) -> float | None:
        return trimmed_accuracy(reports, self.ledger.config.f) if reports else None
