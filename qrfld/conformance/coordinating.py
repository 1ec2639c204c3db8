"""The tester as the coordinator of a run of one round: so that blobs move, in both directions.

The implementation under test is the run's only trainer. The task is `digits` with its smallest
model, whose layout is written out here (section 15.2); every run has another model, for a node does
not ask for a blob that it has.
"""

from __future__ import annotations

import secrets
import struct
import time
from dataclasses import dataclass
from typing import Final

from qrfld.conformance.speaker import Pair
from qrfld.conformance.verdict import DeviationError, InconclusiveError, expect
from qrfld.crypto.encoding import pack
from qrfld.crypto.errors import CryptoError
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import open_signed, seal
from qrfld.protocol.frames import Get, MessageFrame
from qrfld.protocol.merkle import blob_hash
from qrfld.protocol.messages import RoundStart, RunEnd, RunOffer, TrainingFailed, Update
from qrfld.protocol.statements import FIRST_RECORD, RunConfig, UpdateStatement, run_id
from qrfld.tasks import loader

TASK: Final = "digits"
#: How long a small board may train 650 parameters on all digits once, in seconds.
TRAINING_SECONDS: Final = 30.0
_STOPPED: Final = 2


@dataclass(frozen=True)
class Round:
    """A round that is open: its run, its model, and the peer's request for it."""

    run: bytes
    model: bytes
    request: Get

    @property
    def name(self) -> bytes:
        """The model's hash."""
        return blob_hash(self.model)


def model() -> bytes:
    """A fresh softmax model of the digits: zero weights, biases near zero."""
    manifest = pack([["weights", "f4", [64, 10]], ["biases", "f4", [10]]])
    head = b"QRFT" + len(manifest).to_bytes(4) + manifest
    biases = [secrets.randbelow(1 << 20) / (1 << 30) for _ in range(10)]
    return head + bytes(-len(head) % 64) + bytes(4 * 640) + struct.pack("<10f", *biases)


async def offered(pair: Pair, *, digest: bytes | None = None, alone: bool = False) -> bytes:
    """End the runs before, offer a new one; its ID. ``alone``: the peer is not named in it."""
    bond = pair.bond
    while bond.left:
        await pair.control.tell(RunEnd(run=bond.left.pop(), state=_STOPPED, reason=""))
    members = [bytes(bond.ours.node_id)] + ([] if alone else [bytes(bond.peer.node_id)])
    config = RunConfig(
        federation=bond.federation,
        coordinator=bytes(bond.ours.node_id),
        task=TASK,
        task_digest=digest or loader.digest(TASK),
        params=(("epochs", 1), ("model", "softmax"), ("partition", "iid")),
        rounds=1,
        rule="mean",
        f=0,
        quorum=1,
        deadline_seconds=60.0,
        seed=secrets.randbelow(1 << 32),
        members=tuple(members),
        started_at=int(time.time()),
        nonce=secrets.token_bytes(16),
    )
    statement = seal(bond.ours, Kind.RUN_CONFIG, config)
    await pair.control.tell(RunOffer(config=statement))
    bond.left.append(run_id(statement))
    return run_id(statement)


async def opened(pair: Pair, run: bytes, blob: bytes) -> None:
    """Open the run's round."""
    await pair.control.tell(
        RoundStart(
            run=run,
            round=1,
            model=blob_hash(blob),
            model_bytes=len(blob),
            previous=FIRST_RECORD,
            seconds_left=60.0,
        )
    )


async def asked(pair: Pair) -> Round:
    """A round whose model the peer has asked for. InconclusiveError if it does not train digits."""
    if pair.bond.untrained:
        raise InconclusiveError(pair.bond.untrained)
    run, blob = await offered(pair), model()
    await opened(pair, run, blob)
    try:
        request = await pair.bulk.heard(Get, lambda get: get.blob == blob_hash(blob))
    except DeviationError:
        await pair.control.alive()
        for body in pair.control.messages_so_far():
            if int.from_bytes(body[:2]) == TrainingFailed.code:
                said = TrainingFailed.from_bytes(body[2:])
                pair.bond.untrained = f"it does not train digits: {said.reason!a}"
                raise InconclusiveError(pair.bond.untrained) from None
        raise
    return Round(run, blob, request)


async def declined(pair: Pair, run: bytes) -> None:
    """DeviationError unless the peer says TRAINING_FAILED for this run."""
    await pair.control.heard(
        MessageFrame,
        lambda frame: (
            int.from_bytes(bytes(frame.body)[:2]) == TrainingFailed.code
            and TrainingFailed.from_bytes(bytes(frame.body)[2:]).run == run
        ),
    )


async def updated(pair: Pair, round_: Round) -> UpdateStatement:
    """The peer's UPDATE to a round whose model it has got; DeviationError if it is wrong."""
    usual, pair.control.wire.prompt = pair.control.wire.prompt, TRAINING_SECONDS
    try:
        message = await pair.control.message(Update)
    finally:
        pair.control.wire.prompt = usual
    peer = pair.bond.peer
    try:
        body = open_signed(UpdateStatement, message.statement, kind=Kind.UPDATE, signer=peer)
    except CryptoError as error:
        raise DeviationError(f"its UPDATE does not hold: {error.message}") from error
    expect(body.run == round_.run, "its UPDATE names another run")
    expect(body.round == 1, f"its UPDATE is for round {body.round}")
    expect(body.base_model == round_.name, "its UPDATE names another base model")
    expect(body.update_bytes == len(round_.model), "its update has another length than the model")
    return body
