"""Bringing a blob here from a member that may be busy."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from qrfld.crypto.identity import NodeId
from qrfld.net.errors import TransferError
from qrfld.rounds.node import Node

log = logging.getLogger("qrfld.runs")

#: Before a blob is asked for again (s). Members serve a limited number of downloads a minute, which
#: rounds of a fraction of a second exceed.
PAUSES = (1.0, 2.0, 4.0)


async def fetch(node: Node, member: NodeId, blob: bytes, size: int) -> Path:
    """Fetch a blob of ``size`` bytes from ``member``, trying a few times.

    Raises TransferError when it does not come, BlobMismatchError, DiskFullError.
    """
    for pause in PAUSES:
        try:
            return await node.mesh.fetch(member, blob, size)
        except TransferError as error:
            log.info("blob %s is asked for again: %s", blob.hex()[:8], error)
            await asyncio.sleep(pause)
    return await node.mesh.fetch(member, blob, size)
