"""RETRY under load (section 5.3). Who asks for no cookie shows nothing here."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from qrfld.conformance.door import Invited, retried
from qrfld.conformance.initiation import RETRY, FirstMessage, Initiation
from qrfld.conformance.verdict import Case, InconclusiveError
from qrfld.conformance.wire import Wire

#: Handshakes begun and not ended: well above the 8 after which cookies are demanded by default.
LOAD: Final = 20


@asynccontextmanager
async def _asked(node: Invited) -> AsyncIterator[tuple[Wire, Initiation, FirstMessage]]:
    """A connection to a node under load that has asked for a cookie, and the M1 to answer with."""
    async with AsyncExitStack() as stack:
        for _ in range(LOAD):
            idle = await stack.enter_async_context(node.wire())
            await idle.send(b"QRFL\x01")
        wire = await stack.enter_async_context(node.wire())
        initiation = node.initiation()
        await wire.send(initiation.first())
        if await wire.take(2, "RETRY or M2") != RETRY:
            raise InconclusiveError(f"with {LOAD} handshakes begun it asked for no cookie")
        yield wire, initiation, await retried(wire, initiation.m1)


async def _good(node: Invited) -> None:
    async with _asked(node) as (wire, initiation, m1):
        again = initiation.first(m1)
        await wire.send(again)
        initiation.agree(again, await wire.take(node.m2_size, "M2"))


def _refused(
    change: Callable[[FirstMessage], FirstMessage],
) -> Callable[[Invited], Awaitable[None]]:
    async def run(node: Invited) -> None:
        async with _asked(node) as (wire, initiation, m1):
            await wire.send(initiation.first(change(m1)))
            await wire.closed_silently()

    return run


def _spoilt(m1: FirstMessage) -> FirstMessage:
    return replace(m1, cookie=m1.cookie[:-1] + bytes([m1.cookie[-1] ^ 1]))


CASES: Final[list[Case[Invited]]] = [
    Case("cookie", "5.3", "answers an M1 that brings its cookie back", _good),
    Case(
        "cookie-none",
        "5.3",
        "fails if the second M1 has no cookie",
        _refused(lambda m1: replace(m1, cookie=b"")),
    ),
    Case("cookie-spoilt", "5.3", "fails if the second M1 has a wrong cookie", _refused(_spoilt)),
    Case(
        "cookie-made-up",
        "5.3",
        "fails at a cookie that it never gave",
        _refused(lambda m1: replace(m1, cookie=os.urandom(40))),
    ),
]
