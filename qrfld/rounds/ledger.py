"""The chain of round records of one run, as one node holds it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from qrfld.crypto.identity import NodeId, PublicIdentity
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import Signed, open_signed
from qrfld.protocol.statements import FIRST_RECORD, RoundRecord, RunConfig, Verdict, run_id
from qrfld.rounds.errors import RecordRefusedError


@functools.lru_cache(maxsize=4096)
def read_record(statement: bytes) -> RoundRecord:
    """A record from our own store, where it came only after its check."""
    return RoundRecord.from_bytes(Signed.parse(statement, Kind.ROUND_RECORD).body)


def read_config(statement: bytes) -> RunConfig:
    """A run's configuration from our own store, where it came only after its check."""
    return RunConfig.from_bytes(Signed.parse(statement, Kind.RUN_CONFIG).body)


@dataclass(eq=False)
class Ledger:
    """One run's configuration and the head of its chain."""

    run: bytes
    config: RunConfig
    coordinator: PublicIdentity
    head: bytes = FIRST_RECORD
    last: RoundRecord | None = None

    @classmethod
    def open(cls, config_bytes: bytes, coordinator: PublicIdentity, federation: bytes) -> Ledger:
        """Check a signed run configuration.

        Raises InvalidSignatureError, EncodingError, or RecordRefusedError when it belongs to
        another federation or names another coordinator.
        """
        config = open_signed(RunConfig, config_bytes, kind=Kind.RUN_CONFIG, signer=coordinator)
        if config.federation != federation:
            raise RecordRefusedError("the run belongs to another federation")
        if config.coordinator != coordinator.node_id:
            raise RecordRefusedError("the run names another coordinator than its signer")
        return cls(run_id(config_bytes), config, coordinator)

    @property
    def next_round(self) -> int:
        """The round whose record would come next."""
        return self.last.round + 1 if self.last else 1

    @property
    def members(self) -> list[NodeId]:
        """Who trains, in the order of the data's parts."""
        return [NodeId(member) for member in self.config.members]

    def check(self, record: RoundRecord) -> None:
        """Raise RecordRefusedError unless a record, signed by the coordinator, comes next.

        It must follow the chain we hold and keep to the run's own configuration.
        """
        config = self.config
        if record.run != self.run:
            raise RecordRefusedError(f"the record is of run {record.run.hex()}")
        if record.round != self.next_round or record.previous != self.head:
            raise RecordRefusedError(
                f"the record of round {record.round} does not follow round {self.next_round - 1}"
            )
        if record.round > config.rounds:
            raise RecordRefusedError(f"round {record.round} of a run of {config.rounds}")
        if self.last is not None and record.base_model != self.last.model:
            raise RecordRefusedError(f"round {record.round} starts from another model")
        if (record.rule, record.f) != (config.rule, config.f):
            raise RecordRefusedError(
                f"round {record.round} used {record.rule!r} with f = {record.f}, the run's rule is "
                f"{config.rule!r} with f = {config.f}"
            )
        named = {entry.node for entry in record.updates} | set(record.stragglers)
        if not named <= set(config.members):
            raise RecordRefusedError(f"round {record.round} names a node that is no member of it")
        used = sum(entry.verdict != Verdict.REFUSED for entry in record.updates)
        if used < config.quorum:
            raise RecordRefusedError(
                f"round {record.round} used {used} updates, the quorum is {config.quorum}"
            )

    def append(self, record: RoundRecord, record_id: bytes) -> None:
        """Make a checked record the head of the chain."""
        self.head, self.last = record_id, record
