"""Resumption towards a node that listens (section 5.7): a ticket once, in its role, and silence.

A node may do without it: who closes at a good S1 shows nothing, and the cases are skipped. Who says
nothing at any S1 keeps the rules about silence anyway.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from qrfld.conformance.cases.first_message import SMALL_ORDER
from qrfld.conformance.initiation import Secrets
from qrfld.conformance.inside import Inside
from qrfld.conformance.membership import SOFTWARE, join
from qrfld.conformance.resuming import CONFIRM, START, Resumption, Ticket
from qrfld.conformance.speaker import Speaker
from qrfld.conformance.verdict import Case, InconclusiveError, expect
from qrfld.protocol.frames import BULK_CONFIRM, Close, KeyUpdate, MessageFrame, Ping, Pong
from qrfld.protocol.keys import traffic_chains
from qrfld.protocol.messages import Digest, Hello, Welcome

Run = Callable[[Inside], Awaitable[None]]


async def _left(node: Inside) -> Secrets:
    """The secrets of a full session that was kept and has ended."""
    async with node.greeted() as stranger, node.joining(stranger.secrets) as bulk:
        await bulk.say(BULK_CONFIRM)
        await stranger.control.message(Digest)
        await stranger.control.say(Close(0, "done"))
        await stranger.control.ends()
        return stranger.secrets


def _using(node: Inside, ticket: Ticket) -> Resumption:
    return Resumption(ticket, node.federation, node.identity.node_id, node.node)


@asynccontextmanager
async def _answered(node: Inside, ticket: Ticket) -> AsyncIterator[tuple[Speaker, Secrets]]:
    """A resumption with S2 in hand and S3 not sent. InconclusiveError if there is no S2."""
    resumption = _using(node, ticket)
    s1 = resumption.s1()
    async with node.wire() as wire:
        await wire.send(s1)
        if not await wire.peek(1):
            raise InconclusiveError("it does not resume sessions")
        secrets = resumption.agree(s1, await wire.take(resumption.s2_size, "S2"))
        chains = traffic_chains(secrets.wire_id, secrets.master)
        yield Speaker(wire, chains, "control", initiator=True), secrets


async def _resumed(node: Inside, ticket: Ticket) -> Secrets:
    """A whole session of a ticket, from S1 to CLOSE; its secrets."""
    async with _answered(node, ticket) as (control, secrets):
        await control.say(CONFIRM)
        await control.tell(Hello(software=SOFTWARE))
        await control.message(Hello)
        async with node.joining(secrets) as bulk:
            await bulk.say(BULK_CONFIRM)
            await control.message(Digest)
            await bulk.alive()
            await control.alive()
            await control.say(Close(0, "done"))
            await control.ends()
    return secrets


async def _again_and_again(node: Inside) -> None:
    """A session, the one resumed from it, and the one resumed from that."""
    secrets = await _left(node)
    for _ in range(2):
        secrets = await _resumed(node, Ticket.of(secrets))


async def _rejected(node: Inside, *pieces: bytes) -> None:
    async with node.wire() as wire:
        await wire.send(*pieces)
        await wire.closed_silently()


async def _once(node: Inside) -> None:
    """An S1 with a right mac spends it, whether or not a session comes of it."""
    ticket = Ticket.of(await _left(node))
    async with _answered(node, ticket):
        await _rejected(node, _using(node, ticket).s1()[:21])


async def _older(node: Inside) -> None:
    """The ticket of the session before the last one."""
    older = Ticket.of(await _left(node))
    await _left(node)
    await _rejected(node, _using(node, older).s1()[:21])


async def _other_role(node: Inside) -> None:
    """The ticket with which the node may dial us."""
    theirs = Ticket.of(await _left(node), initiator=False)
    await _rejected(node, _using(node, theirs).s1()[:21])


async def _wrong_mac(node: Inside) -> None:
    """It costs the owner nothing: the ticket stays good."""
    ticket = Ticket.of(await _left(node))
    s1 = _using(node, ticket).s1()
    await _rejected(node, s1[:-1] + bytes([s1[-1] ^ 1]))
    await _resumed(node, ticket)


def _bytes(begin: bytes) -> Run:
    async def run(node: Inside) -> None:
        await _rejected(node, begin)

    return run


def _unusable(**shares: bytes) -> Run:
    """A case: key shares that are none, under a right mac."""

    async def run(node: Inside) -> None:
        await _rejected(node, _using(node, Ticket.of(await _left(node))).s1(**shares))

    return run


async def _key_beyond_q(node: Inside) -> None:
    resumption = _using(node, Ticket.of(await _left(node)))
    size = resumption.suite.kem_sizes.public_key
    await _rejected(node, resumption.s1(kem_key=b"\xff" * size))


def _confirming(record: Callable[[Speaker], bytes]) -> Run:
    """A case: this in place of S3 ends the connection without a byte."""

    async def run(node: Inside) -> None:
        async with _answered(node, Ticket.of(await _left(node))) as (control, _):
            await control.wire.send(record(control))
            await control.wire.closed_silently()

    return run


async def _joins(node: Inside) -> None:
    """JOIN has no place in a resumed session."""

    async with _answered(node, Ticket.of(await _left(node))) as (control, _):
        await control.say(CONFIRM)
        await control.tell(join(node.membership.token))
        await control.say(Ping(bytes(8)))
        while not isinstance(frame := await control.hear(), Close | Pong | None):
            code = bytes(frame.body)[:2] if isinstance(frame, MessageFrame) else b""
            expect(code != Welcome.code.to_bytes(2), "it admitted a node in a resumed session")


CASES: Final[list[Case[Inside]]] = [
    Case("resume", "5.7", "resumes a session, and that one again", _again_and_again),
    Case("resume-once", "5.7", "takes a ticket once", _once),
    Case("resume-older", "5.7", "forgets the tickets of an older session", _older),
    Case("resume-role", "5.7", "takes no ticket that is its own to dial with", _other_role),
    Case("resume-mac", "5.7", "is silent at a wrong mac, and keeps the ticket", _wrong_mac),
    Case("resume-version", "5.7", "closes at another version of S1", _bytes(b"QRFS\x02")),
    Case("resume-unknown", "5.7", "closes at an unknown ticket", _bytes(START + os.urandom(16))),
    Case("resume-kem-key", "5.7", "refuses an invalid KEM key", _key_beyond_q),
    Case(
        "resume-x25519", "5.7", "refuses a key of small order", _unusable(dh_key=SMALL_ORDER["1"])
    ),
    Case("resume-s3-garbage", "5.7", "opens S3", _confirming(lambda _: b"\0\0\0\x11" + bytes(17))),
    Case(
        "resume-s3-frame",
        "5.7",
        "wants RESUME_CONFIRM in S3",
        _confirming(lambda s: s.sealed(KeyUpdate())),
    ),
    Case(
        "resume-s3-length",
        "5.7",
        "wants 17 sealed bytes in S3",
        _confirming(lambda s: s.sealed(CONFIRM + b"\0")),
    ),
    Case("resume-join", "12", "refuses JOIN in a resumed session", _joins),
]
