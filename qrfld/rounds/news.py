"""What a coordinator tells a member that was away: the records it lacks, and the run's end.

An answer holds some records at most, so that nobody makes a node read out a long chain at once; who
got that many asks again.
"""

from __future__ import annotations

from typing import Final, Literal

from qrfld.crypto.identity import NodeId
from qrfld.protocol.messages import RoundRecordMessage, RunEnd, RunState, RunSync
from qrfld.rounds.node import Node

SYNC_MOST = 256

Ended = Literal["finished", "stopped", "failed"]
ENDED: Final[dict[RunState, Ended]] = {
    RunState.FINISHED: "finished",
    RunState.STOPPED: "stopped",
    RunState.FAILED: "failed",
}
CODES: Final[dict[str, RunState]] = {name: state for state, name in ENDED.items()}


async def answer(node: Node, member: NodeId, message: RunSync) -> None:
    """Send ``member`` the next records of a run that this node coordinates or did."""
    row = await node.database.run(message.run)
    if row is None or row.role != "coordinator":
        return
    records = await node.database.records(message.run, message.next_round, limit=SYNC_MOST)
    for record in records:
        await node.mesh.send(member, RoundRecordMessage(statement=record.record))
    if (state := CODES.get(row.state)) is not None and len(records) < SYNC_MOST:
        end = RunEnd(run=message.run, state=state, reason=row.reason[:255])
        await node.mesh.send(member, end)


def is_cut_off(asked_from: int, last: int) -> bool:
    """Whether ``last`` is the last record that an answer from ``asked_from`` on holds."""
    return last == asked_from + SYNC_MOST - 1
