"""Dialling members: the pauses between attempts, and what counts as a failure."""

from __future__ import annotations

import asyncio

from mesh import Federation, until


class Ceilings:
    """A source of chance that notes how long a pause could have been, and makes none so often."""

    def __init__(self, often: int) -> None:
        self.often = often
        self.seen: list[float] = []

    def uniform(self, _: float, ceiling: float) -> float:
        self.seen.append(ceiling)
        return 0.0 if len(self.seen) < self.often else 3600.0


async def test_pauses_between_attempts_double_up_to_the_longest(federation: Federation) -> None:
    dead = await federation.node("dead")
    await dead.listener.stop()
    node = await federation.node("node", knows=(dead,), start=False)
    node.peers._reaching._jitter = chance = Ceilings(7)  # type: ignore[assignment]
    node.peers.start()
    await until("some attempts", lambda: len(chance.seen) == 7)
    assert chance.seen == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5]
    described = node.peers.describe(dead.identity.node_id, asyncio.get_running_loop().time())
    assert described["state"] == "unreachable"
    assert dead.address in described["last_error"]


async def test_session_that_ends_as_it_begins_is_no_success(federation: Federation) -> None:
    full = await federation.node("full", max_sessions=0)
    node = await federation.node("node", knows=(full,), start=False)
    node.peers._reaching._jitter = chance = Ceilings(5)  # type: ignore[assignment]
    node.peers.start()
    await until("some attempts", lambda: len(chance.seen) == 5)
    assert chance.seen == [0.05, 0.1, 0.2, 0.4, 0.5]
    described = node.peers.describe(full.identity.node_id, asyncio.get_running_loop().time())
    assert "no room" in described["last_error"]
