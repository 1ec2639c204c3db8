"""What of our blobs may be read, and by whom: nothing that was not offered.

A hash alone opens no blob. The service that wants others to have one offers it to them: a
coordinator its models to the members of the run, a trainer its update to the coordinator. So the
updates that a coordinator collects are read by nobody, although a round's record names them.
"""

from __future__ import annotations

from collections.abc import Iterable

from qrfld.crypto.identity import NodeId


class Offers:
    """Which member may read which blob; gone with the process, made anew by whoever offers."""

    def __init__(self) -> None:
        self._offered: dict[bytes, set[NodeId]] = {}

    def offer(self, blob: bytes, nodes: Iterable[NodeId]) -> None:
        """Let these members, too, read a blob."""
        self._offered.setdefault(blob, set()).update(nodes)

    def withdraw(self, blob: bytes) -> None:
        """Let nobody read a blob any more."""
        self._offered.pop(blob, None)

    def allows(self, node: NodeId, blob: bytes) -> bool:
        """Whether a member may read a blob."""
        return node in self._offered.get(blob, ())
