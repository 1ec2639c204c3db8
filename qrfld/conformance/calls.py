"""The port that a client under test dials, and what its calls become: handshakes, sessions.

A client is either a command that is started for each case, or whoever comes by itself and comes
again. A control connection is one call. What a client is expected to do between two calls, join and
then come as a member, is taken as it comes: a caller that says JOIN is admitted and awaited again.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from qrfld.conformance.answer import Answer, Heard, answer, hear_m1
from qrfld.conformance.house import House
from qrfld.conformance.initiation import Secrets
from qrfld.conformance.inside import B1_START, B2_SIZE, bulk_mac, joined_chains
from qrfld.conformance.program import Program
from qrfld.conformance.speaker import Bond, Pair, Speaker
from qrfld.conformance.verdict import DeviationError, TargetError, expect
from qrfld.conformance.wire import Wire
from qrfld.crypto import labels
from qrfld.crypto.identity import PublicIdentity
from qrfld.crypto.suites import Suite, suite
from qrfld.crypto.tokens import Token
from qrfld.protocol.frames import MessageFrame
from qrfld.protocol.keys import traffic_chains
from qrfld.protocol.messages import Digest, Hello, Join, Message, decode_message

CONTROL: Final = b"QRFL"
BULK: Final = b"QRFB"
RESUMED: Final = b"QRFS"
#: How long a client may take to call, in seconds.
CALL_SECONDS: Final = 10.0
B1_SIZE: Final = 85


@dataclass(frozen=True)
class Caller:
    """A client after its M1, judged and good."""

    wire: Wire
    m1: Heard


@dataclass(frozen=True)
class Guest:
    """A client after its M3: a session in which we have said nothing yet."""

    peer: PublicIdentity
    control: Speaker
    secrets: Secrets


class Calls:
    """Accepts calls on one port, for one house."""

    def __init__(self, house: House, program: Program | None, prompt: float, patience: float):
        self.house = house
        self.suite: Suite = suite(house.identity.suite_id)
        self.address = ""
        #: The id of the case that runs, for the client's own logs.
        self.case = ""
        self.prompt = prompt
        self._patience = patience
        self.program = program
        self._arrivals: asyncio.Queue[Wire] = asyncio.Queue()
        self._wires: list[Wire] = []
        self._tokens: dict[bytes, Token] = {}
        self._called = False
        self._bonds: dict[bytes, Bond] = {}
        self._folders = AsyncExitStack()
        self._state = ""

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[None]:
        """Accept connections; TargetError if the port cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: _Accepted(self), host, port)
        except OSError as error:
            raise TargetError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        bound = server.sockets[0].getsockname()
        self.address = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
        async with server, self._folders:
            self._state = self._folder()
            yield

    def _folder(self) -> str:
        return self._folders.enter_context(tempfile.TemporaryDirectory(prefix="qrfl-client-"))

    def arrived(self, wire: Wire) -> None:
        """A connection was made."""
        self._wires.append(wire)
        self._arrivals.put_nowait(wire)

    def hello(self, certificate: bytes | None = None) -> Hello:
        """Our HELLO, or one with another certificate."""
        return self.house.hello(self.address, certificate)

    def invite(self) -> Token:
        """A fresh token of this house."""
        token = self.house.invite(self.address)
        self._tokens[token.token_id] = token
        return token

    def invited(self, join: Join) -> bool:
        """Whether a JOIN shows one of our tokens."""
        token = self._tokens.get(join.token_id)
        return token is not None and token.secret == join.secret

    @asynccontextmanager
    async def client(self, *, fresh: bool = False) -> AsyncIterator[None]:
        """The client at work for one case; ``fresh``: as one that has not joined yet."""
        async with AsyncExitStack() as stack:
            stack.callback(self._hang_up)
            if self.program is not None:
                values = {
                    "address": self.address,
                    "token": self.invite().text(),
                    "state": self._folder() if fresh else self._state,
                    "case": self.case,
                }
                await stack.enter_async_context(self.program.running(values))
            yield

    def waiting(self) -> bool:
        """Whether a connection has come that nobody has taken."""
        return not self._arrivals.empty()

    def _hang_up(self) -> None:
        """End every connection: a client that waits on one would not call again."""
        while not self._arrivals.empty():
            self._arrivals.get_nowait()
        for wire in self._wires:
            wire.close()
        self._wires.clear()

    async def arrival(self, magic: bytes) -> Wire:
        """The next connection of a kind; others that come before it are closed unheard.

        TargetError if no client has ever called, DeviationError if it does not call this time.
        """
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    wire = await self._arrivals.get()
                    begin = await wire.peek(len(magic))
                    if begin == magic:
                        self._called = True
                        return wire
                    known = begin in (CONTROL, BULK, RESUMED, b"")
                    expect(known, f"its first bytes are {begin.hex()}")
                    wire.close()
        except TimeoutError:
            text = f"no client called {self.address} within {self._patience:g} s"
            raise (DeviationError if self._called else TargetError)(text) from None

    async def call(self) -> Caller:
        """The next control connection, with its M1. DeviationError for a bad one."""
        wire = await self.arrival(CONTROL)
        return Caller(wire, await hear_m1(wire, self.suite))

    def agree(self, caller: Caller) -> Answer:
        """The honest key agreement."""
        return answer(self.house.identity, self.house.federation, caller.m1)

    async def finish(self, caller: Caller, agreed: Answer, shown: bytes) -> Guest:
        """Take M3, after an M2 around ``shown``."""
        m3 = await caller.wire.take(agreed.m3_size, "M3")
        peer, made = agreed.finish(shown, m3)
        chains = traffic_chains(made.wire_id, made.master)
        return Guest(peer, Speaker(caller.wire, chains, "control", initiator=False), made)

    async def welcome(self, caller: Caller) -> Guest:
        """The honest handshake."""
        agreed = await asyncio.to_thread(self.agree, caller)
        shown = agreed.honest(self.house.identity)
        await caller.wire.send(agreed.m2(shown))
        return await self.finish(caller, agreed, shown)

    async def guest(self) -> tuple[Guest, Hello]:
        """The next caller that comes as a member, and its HELLO; who says JOIN is admitted."""
        while True:
            guest = await self.welcome(await self.call())
            message = await first_message(guest)
            if isinstance(message, Hello):
                self.house.check(message, guest.peer)
                return guest, message
            expect(isinstance(message, Join), f"its first message is {type(message).__name__}")
            await self.admit(guest, message)

    async def admit(self, guest: Guest, message: Message | None) -> None:
        """Answer a JOIN and wait until the client closes, as it has to."""
        if not isinstance(message, Join) or not self.invited(message):
            raise DeviationError("its JOIN does not show the token")
        await guest.control.tell(self.hello())
        await guest.control.tell(self.house.welcome(guest.peer, message))
        await guest.control.ends()

    async def bulk(self, guest: Guest) -> Speaker:
        """The bulk connection of a session, joined. DeviationError for a wrong B1 or B3."""
        wire = await self.arrival(BULK)
        b1 = await self.hear_b1(wire, guest)
        b2 = make_b2(guest.secrets, b1)
        await wire.send(b2)
        speaker = Speaker(wire, joined_chains(guest.secrets, b1, b2), "bulk", initiator=False)
        await speaker.confirmed()
        return speaker

    async def hear_b1(self, wire: Wire, guest: Guest) -> bytes:
        """Read a B1; DeviationError unless it is one of this session."""
        b1 = await wire.take(B1_SIZE, "B1")
        expect(b1[:5] == B1_START, f"its B1 begins with {b1[:5].hex()}")
        expect(b1[5:21] == guest.secrets.session_id, "its B1 names another session")
        right = bulk_mac(guest.secrets, labels.BULK_MAC_INITIATOR, b1[:53])
        expect(b1[53:] == right, "the mac of its B1 is wrong")
        return b1

    def _bond(self, guest: Guest) -> Bond:
        fresh = Bond(self.house.identity, self.house.federation, guest.peer)
        return self._bonds.setdefault(guest.peer.node_id, fresh)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Pair]:
        """A session with both connections, after the client's DIGEST and ours."""
        async with self.client():
            guest, _ = await self.guest()
            await guest.control.tell(self.hello())
            bulk = await self.bulk(guest)
            nodes = (self.house.identity.node_id, guest.peer.node_id)
            await guest.control.tell(Digest(members=tuple((bytes(n), 0) for n in nodes)))
            await guest.control.message(Digest)
            yield Pair(guest.control, bulk, self._bond(guest))


class _Accepted(Wire):
    """A connection that was made to us."""

    def __init__(self, calls: Calls) -> None:
        super().__init__(calls.prompt)
        self._calls = calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._calls.arrived(self)


async def first_message(guest: Guest) -> Message | None:
    """What a caller says first; DeviationError if it cannot be read."""
    frame = await guest.control.heard(MessageFrame)
    return decode_message(bytes(frame.body))


def make_b2(of: Secrets, b1: bytes) -> bytes:
    """An honest B2."""
    random = secrets.token_bytes(B2_SIZE // 2)
    return random + bulk_mac(of, labels.BULK_MAC_RESPONDER, b1 + random)
