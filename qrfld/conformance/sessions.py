"""Sessions for the cases that need one: each case spends one, and the next is opened at once.

That a fresh session comes about and answers is the proof that an implementation has survived a
case; it is then the session of the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from qrfld.conformance.speaker import Pair
from qrfld.conformance.verdict import Case


class Sessions:
    """Opens sessions with ``opened``; at most one is open."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Pair]]) -> None:
        self._opened = opened
        self._next: Pair | None = None
        self._stack = AsyncExitStack()

    async def run(self, case: Case[Pair]) -> None:
        """Run a case on a session of its own. Raises what the case raises."""
        pair = self._next or await self._open()
        self._next = None
        await case.run(pair)

    async def renew(self) -> None:
        """DeviationError unless a fresh session answers."""
        self._next = await self._open()
        await self._next.alive()

    async def close(self) -> None:
        """End the session that is open."""
        self._next = None
        await self._stack.aclose()

    async def _open(self) -> Pair:
        await self.close()
        return await self._stack.enter_async_context(self._opened())
