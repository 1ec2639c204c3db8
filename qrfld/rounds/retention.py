"""What rounds leave on disk, and when it goes.

A blob stays while something on disk names it: one of the last records of any run, or an open round
(its base, the updates received, our own). Two runs can name the same blob, since the same task with
the same seed makes the same models; so nothing is removed before all runs have been asked.
"""

from __future__ import annotations

import asyncio

from qrfld.rounds.ledger import Ledger, read_record
from qrfld.rounds.node import Node

#: Models of the last rounds of a run that stay on disk.
MODELS_KEPT = 5


async def retire(node: Node, ledger: Ledger) -> None:
    """After a record: remove the updates of that round, and the model now too old to keep."""
    if ledger.last is None:
        return
    gone = await node.database.forget_updates(ledger.run, ledger.last.round)
    oldest = await node.database.record(ledger.run, ledger.last.round - MODELS_KEPT + 1)
    if oldest is not None:
        gone.add(read_record(oldest.record).base_model)
    await discard(node, gone)


async def forget_run(node: Node, ledger: Ledger) -> None:
    """After a run's end: remove what its open round and its first one left."""
    gone = await node.database.forget_updates(ledger.run, ledger.config.rounds)
    first = await node.database.record(ledger.run, 1)
    if first is not None:
        gone.add(read_record(first.record).base_model)
    await discard(node, gone)


async def sweep(node: Node) -> None:
    """At the start, while no run is active: remove whatever a crash left behind."""
    await discard(node, set(await asyncio.to_thread(node.blobs.names)))


async def discard(node: Node, blobs: set[bytes]) -> None:
    """Remove those of ``blobs`` that no run needs."""
    if not blobs:
        return
    needed = await node.database.pending_blobs()
    for row in await node.database.newest_records(MODELS_KEPT):
        needed.add(read_record(row.record).model)
    for blob in blobs - needed:
        node.mesh.withdraw(blob)
        await asyncio.to_thread(node.blobs.remove, blob)
