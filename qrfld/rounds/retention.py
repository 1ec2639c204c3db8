"""What a round leaves behind on disk, and when it goes."""

from __future__ import annotations

import asyncio

from qrfld.rounds.ledger import Ledger, read_record
from qrfld.rounds.node import Node

#: Models of the last rounds of a run that stay on disk.
MODELS_KEPT = 5


async def retire(node: Node, ledger: Ledger) -> None:
    """After a record: remove our own update of that round, and the model now too old to keep."""
    last = ledger.last
    if last is None:
        return
    gone = set(await node.database.forget_updates(ledger.run, last.round))
    old = await node.database.record(ledger.run, last.round - MODELS_KEPT)
    if old is not None:
        gone.add(read_record(old.record).model)
    for blob in gone - {last.model}:
        await asyncio.to_thread(node.blobs.remove, blob)
