"""How a client takes what it is received with: HELLO, WELCOME, B2 (sections 7, 9.3 and 12)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from qrfld.conformance.calls import BULK, Calls, Guest, first_message, make_b2
from qrfld.conformance.house import NAME, House
from qrfld.conformance.inside import joined_chains
from qrfld.conformance.speaker import Speaker
from qrfld.conformance.verdict import Case, DeviationError, InconclusiveError, expect
from qrfld.crypto import certificates
from qrfld.crypto.identity import Identity
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.frames import Close, MessageFrame, Pong
from qrfld.protocol.messages import (
    Digest,
    Hello,
    Join,
    Members,
    Message,
    Refused,
    Welcome,
)

Run = Callable[[Calls], Awaitable[None]]
Reply = Callable[[House, Guest, Join], Message]
#: How long we look for what must not come, in seconds.
NEVER: Final = 0.3


@asynccontextmanager
async def _greeting(calls: Calls) -> AsyncIterator[Guest]:
    """A member that has said HELLO and awaits ours."""
    async with calls.client():
        guest, _ = await calls.guest()
        yield guest


async def _session(calls: Calls) -> None:
    async with calls.session() as pair:
        await pair.alive()


def _refused(certificate: Callable[[House, Guest], bytes]) -> Run:
    """A case: our HELLO with this certificate ends the session, and opens no bulk connection."""

    async def run(calls: Calls) -> None:
        async with _greeting(calls) as guest:
            await guest.control.tell(calls.hello(certificate(calls.house, guest)))
            await guest.control.closes(ErrorCode.NOT_ADMITTED)

    return run


def _of_the_guest(house: House, guest: Guest) -> bytes:
    return house.certify(guest.peer, NAME)


def _of_another_federation(house: House, guest: Guest) -> bytes:
    return certificates.issue(house.identity, bytes(32), house.identity, NAME, now=1)


def _self_issued(house: House, guest: Guest) -> bytes:
    """It names house and federation, and somebody else has signed it."""
    other = Identity.generate(house.identity.suite_id)
    return certificates.issue(other, house.federation, house.identity, NAME, now=1)


def _spoilt(house: House, guest: Guest) -> bytes:
    return house.certificate[:-1] + bytes([house.certificate[-1] ^ 1])


async def _bare(calls: Calls) -> None:
    async with _greeting(calls) as guest:
        await guest.control.tell(Hello(software="bare"))
        await guest.control.closes(ErrorCode.NOT_ADMITTED)


async def _waits(calls: Calls) -> None:
    """No bulk connection and no second message before our HELLO."""
    async with _greeting(calls) as guest:
        await asyncio.sleep(NEVER)
        await guest.control.alive()
        expect(not guest.control.messages_so_far(), "it went on before the responder's HELLO")
        expect(not calls.waiting(), "it opened the bulk connection before the responder's HELLO")
        await guest.control.tell(calls.hello())
        await calls.bulk(guest)


async def _digest_first(calls: Calls) -> None:
    """A DIGEST before our HELLO is not acted on."""
    async with _greeting(calls) as guest:
        control = guest.control
        await control.tell(Digest(members=()))
        await control.say(b"\x02" + bytes(8))
        while (frame := await control.hear()) is not None:
            expect(not isinstance(frame, MessageFrame), "it answered a DIGEST before HELLO")
            if isinstance(frame, Close | Pong):
                return


async def _members(calls: Calls) -> None:
    async with calls.session() as pair:
        await pair.control.tell(Digest(members=()))
        entries = (await pair.control.message(Members)).entries
        expect(bool(entries), "its MEMBERS is empty")


# joining


@asynccontextmanager
async def _joining(calls: Calls) -> AsyncIterator[tuple[Guest, Join]]:
    """A client that has said JOIN and awaits the answer."""
    async with calls.client(fresh=True):
        guest = await calls.welcome(await calls.call())
        message = await first_message(guest)
        if not isinstance(message, Join):
            raise InconclusiveError("it came as a member: it has joined already")
        expect(calls.invited(message), "its JOIN does not show the token")
        yield guest, message


async def _joins(calls: Calls) -> None:
    """Join, close, and come back as a member."""
    async with _joining(calls) as (guest, message):
        await calls.admit(guest, message)
        again, _ = await calls.guest()
        expect(again.peer.node_id == guest.peer.node_id, "it came back as another node")


def _bad_welcome(welcome: Reply) -> Run:
    """A case: after this answer the client closes, and does not come as a member."""

    async def run(calls: Calls) -> None:
        async with _joining(calls) as (guest, message):
            await guest.control.tell(calls.hello())
            await guest.control.tell(welcome(calls.house, guest, message))
            await guest.control.ends()
            await _stays_out(calls)

    return run


async def _stays_out(calls: Calls) -> None:
    """DeviationError if the client comes as a member within a second."""
    try:
        async with asyncio.timeout(1.0):
            guest = await calls.welcome(await calls.call())
            message = await first_message(guest)
    except (TimeoutError, DeviationError):
        return
    expect(not isinstance(message, Hello), "it came as a member after a JOIN that failed")


def _other_genesis(house: House, guest: Guest, message: Join) -> Message:
    other = House.found(house.identity.suite_id)
    return other.welcome(guest.peer, message)


def _anothers_certificate(house: House, guest: Guest, message: Join) -> Message:
    return Welcome(genesis=house.genesis, certificate=house.certificate)


def _forged_certificate(house: House, guest: Guest, message: Join) -> Message:
    other = Identity.generate(house.identity.suite_id)
    forged = certificates.issue(other, house.federation, guest.peer, message.name, now=1)
    return Welcome(genesis=house.genesis, certificate=forged)


def _refusal(house: House, guest: Guest, message: Join) -> Message:
    return Refused(about=Join.code, error=60_000, reason="no\x1b[31m")


# bulk


def _bad_b2(at: int) -> Run:
    """A case: a B2 with one bit changed is answered by the end of the connection, and no B3."""

    async def run(calls: Calls) -> None:
        async with _greeting(calls) as guest:
            await guest.control.tell(calls.hello())
            wire = await calls.arrival(BULK)
            b1 = await calls.hear_b1(wire, guest)
            b2 = bytearray(make_b2(guest.secrets, b1))
            b2[at] ^= 1
            await wire.send(b2)
            await wire.closed_silently()

    return run


async def _b2_bytewise(calls: Calls) -> None:
    async with _greeting(calls) as guest:
        await guest.control.tell(calls.hello())
        wire = await calls.arrival(BULK)
        b1 = await calls.hear_b1(wire, guest)
        b2 = make_b2(guest.secrets, b1)
        await wire.trickle(b2)
        bulk = Speaker(wire, joined_chains(guest.secrets, b1, b2), "bulk", initiator=False)
        await bulk.confirmed()
        await guest.control.alive()
        await bulk.alive()


def _refusing(name: str, what: str, certificate: Callable[[House, Guest], bytes]) -> Case[Calls]:
    return Case(f"hello-{name}", "12", f"refuses {what}", _refused(certificate))


def _unwelcome(
    name: str, what: str, welcome: Callable[[House, Guest, Join], Message]
) -> Case[Calls]:
    return Case(f"welcome-{name}", "12", f"stays out after {what}", _bad_welcome(welcome))


CASES: Final[list[Case[Calls]]] = [
    Case("join", "12", "joins, closes, and comes back as a member", _joins),
    _unwelcome("refused", "a REFUSED with an unknown code", _refusal),
    _unwelcome("other-genesis", "another federation's genesis", _other_genesis),
    _unwelcome("anothers", "somebody else's certificate", _anothers_certificate),
    _unwelcome("forged", "a certificate that no validator signed", _forged_certificate),
    Case("session", "9.3", "opens a session with both connections", _session),
    Case("initiator-waits", "9.3", "awaits the responder's HELLO", _waits),
    Case("digest-first", "12", "acts on no DIGEST before HELLO", _digest_first),
    Case("digest", "12", "answers a DIGEST by the members it lacks", _members),
    _refusing("garbage", "a certificate that is none", lambda h, g: os.urandom(3000)),
    _refusing("own", "its own certificate shown by another", _of_the_guest),
    _refusing("other-federation", "a certificate of another federation", _of_another_federation),
    _refusing("self-issued", "a certificate that no validator signed", _self_issued),
    _refusing("signature", "a certificate whose signature does not verify", _spoilt),
    Case("hello-bare", "12", "refuses a HELLO without a certificate", _bare),
    Case("b2-bytewise", "7", "reads B2 in pieces of any size", _b2_bytewise),
    Case("b2-mac", "7", "fails at a wrong mac in B2", _bad_b2(-1)),
    Case("b2-random", "7", "has the mac of B2 cover its random", _bad_b2(0)),
]
