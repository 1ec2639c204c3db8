"""The bulk connection: B1, B2, B3 and the session's one place for it (section 7)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Final

from qrfld.conformance.door import Stranger
from qrfld.conformance.initiation import Secrets
from qrfld.conformance.inside import B2_SIZE, Inside, b1, bulk_mac
from qrfld.conformance.speaker import Speaker
from qrfld.conformance.verdict import Case
from qrfld.crypto import labels
from qrfld.protocol.frames import BULK_CONFIRM, Close, KeyUpdate
from qrfld.protocol.messages import Digest

Run = Callable[[Inside], Awaitable[None]]
_MAC_AT: Final = 53


def _silent(first: Callable[[Secrets], bytes]) -> Run:
    """A case: this B1 is not answered, and takes nobody's place."""

    async def run(node: Inside) -> None:
        async with node.greeted() as stranger:
            async with node.wire() as wire:
                await wire.send(first(stranger.secrets))
                await wire.closed_silently()
            await _joins(node, stranger)

    return run


async def _joins(node: Inside, stranger: Stranger) -> None:
    """DeviationError unless the session can still be joined."""
    async with node.joining(stranger.secrets) as bulk:
        await bulk.say(BULK_CONFIRM)
        await _answers(stranger, bulk)


async def _answers(stranger: Stranger, bulk: Speaker) -> None:
    """DeviationError unless the session has begun and both connections answer."""
    await stranger.control.message(Digest)
    await stranger.control.alive()
    await bulk.alive()


def _flipped(at: int) -> Callable[[Secrets], bytes]:
    def first(secrets: Secrets) -> bytes:
        changed = bytearray(b1(secrets))
        changed[at] ^= 1
        return bytes(changed)

    return first


def _unknown_session(secrets: Secrets) -> bytes:
    """Another session ID under a mac of ours."""
    body = b1(secrets)[:5] + os.urandom(16) + os.urandom(32)
    return body + bulk_mac(secrets, labels.BULK_MAC_INITIATOR, body)


def _responders_mac(secrets: Secrets) -> bytes:
    body = b1(secrets)[:_MAC_AT]
    return body + bulk_mac(secrets, labels.BULK_MAC_RESPONDER, body)


def _confirming(record: Callable[[Speaker], bytes]) -> Run:
    """A case: this in place of B3 ends the connection, and takes nobody's place."""

    async def run(node: Inside) -> None:
        async with node.greeted() as stranger:
            async with node.joining(stranger.secrets) as bulk:
                await bulk.wire.send(record(bulk))
                await bulk.wire.closed_silently()
            await _joins(node, stranger)

    return run


def _spoilt(bulk: Speaker) -> bytes:
    record = bytearray(bulk.sealed(BULK_CONFIRM))
    record[-1] ^= 1
    return bytes(record)


def _second(bulk: Speaker) -> bytes:
    bulk.sealed(BULK_CONFIRM)
    return bulk.sealed(BULK_CONFIRM)


async def _fresh(node: Inside) -> None:
    """One B1 on two connections: a copy gets its own B2, and B3 of one does not fit the other."""
    async with node.greeted() as stranger:
        first = b1(stranger.secrets)
        async with (
            node.joining(stranger.secrets, first) as one,
            node.joining(stranger.secrets, first) as other,
        ):
            await other.wire.send(one.sealed(BULK_CONFIRM))
            await other.wire.closed_silently()
        await _joins(node, stranger)


async def _late(node: Inside) -> None:
    """Two that got B2: the first B3 wins, the second fails."""
    async with (
        node.greeted() as stranger,
        node.joining(stranger.secrets) as one,
        node.joining(stranger.secrets) as other,
    ):
        await one.say(BULK_CONFIRM)
        await stranger.control.message(Digest)
        await other.say(BULK_CONFIRM)
        await other.wire.closed_silently()
        await stranger.control.alive()
        await one.alive()


async def _taken(node: Inside) -> None:
    """A session has one bulk connection in its life."""
    async with node.greeted() as stranger:
        first = b1(stranger.secrets)
        async with node.joining(stranger.secrets, first) as bulk:
            await bulk.say(BULK_CONFIRM)
            await stranger.control.message(Digest)
            for again in (first, b1(stranger.secrets)):
                async with node.wire() as wire:
                    await wire.send(again)
                    await wire.closed_silently()
            await stranger.control.alive()
            await bulk.alive()


async def _ended(node: Inside) -> None:
    async with node.greeted() as stranger:
        await stranger.control.say(Close(0, "done"))
        await stranger.control.ends()
        async with node.wire() as wire:
            await wire.send(b1(stranger.secrets))
            await wire.closed_silently()


async def _bytewise(node: Inside) -> None:
    async with node.greeted() as stranger, node.wire() as wire:
        first = b1(stranger.secrets)
        await wire.trickle(first)
        bulk = node.joined(wire, stranger.secrets, first, await wire.take(B2_SIZE, "B2"))
        await wire.trickle(bulk.sealed(BULK_CONFIRM))
        await _answers(stranger, bulk)


async def _together(node: Inside) -> None:
    """B3 and the first records in one piece."""
    async with node.greeted() as stranger, node.joining(stranger.secrets) as bulk:
        ping = b"\x02" + bytes(8)
        await bulk.wire.send(bulk.sealed(BULK_CONFIRM) + bulk.sealed(ping) + bulk.sealed(ping))
        await _answers(stranger, bulk)


CASES: Final[list[Case[Inside]]] = [
    Case("b1-bytewise", "7", "reads B1 and B3 in pieces of any size", _bytewise),
    Case("b3-and-records", "7", "reads records that come together with B3", _together),
    Case("b1-mac", "7", "is silent at a wrong mac", _silent(_flipped(-1))),
    Case("b1-random", "7", "has the mac cover the random", _silent(_flipped(30))),
    Case("b1-session", "7", "is silent at a session that is not live", _silent(_unknown_session)),
    Case("b1-role", "7", "tells the macs of the two roles apart", _silent(_responders_mac)),
    Case("b1-copied", "7", "answers a copied B1 with a B2 of its own", _fresh),
    Case("b1-taken", "7", "is silent once the session has been joined", _taken),
    Case("b1-ended", "7", "is silent once the session has ended", _ended),
    Case("b3-late", "7", "fails if the session was joined since B1", _late),
    Case("b3-spoilt", "7", "opens B3 with its tag", _confirming(_spoilt)),
    Case("b3-second", "7", "wants B3 to be the first record", _confirming(_second)),
    Case("b3-frame", "7", "wants BULK_CONFIRM in B3", _confirming(lambda s: s.sealed(KeyUpdate()))),
    Case(
        "b3-length",
        "7",
        "wants B3 to have 17 sealed bytes",
        _confirming(lambda s: s.sealed(BULK_CONFIRM + b"\x00")),
    ),
    Case(
        "b3-garbage",
        "7",
        "opens B3 with the bulk key",
        _confirming(lambda _: (17).to_bytes(4) + os.urandom(17)),
    ),
]
