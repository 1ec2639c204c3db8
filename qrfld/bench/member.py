"""A member without a daemon: it joins by token, keeps one session, and times its pings."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qrfld import __version__
from qrfld.crypto.identity import Identity
from qrfld.crypto.tokens import Token
from qrfld.net.admission import Admitted, redeem
from qrfld.net.dialer import connect, connect_bulk
from qrfld.net.link import Link
from qrfld.net.session import Session
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.events import Event, PongReceived
from qrfld.protocol.messages import Hello
from qrfld.protocol.session import Endpoint

PATIENCE = 10.0


class Pinger:
    """Owner of the session's control link: takes the pongs out, passes on all else."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._pongs: asyncio.Queue[bytes] = asyncio.Queue()
        session.control.owner = self

    def link_event(self, link: Link, event: Event) -> None:
        """A pong, or something for the session."""
        if isinstance(event, PongReceived):
            self._pongs.put_nowait(event.token)
        else:
            self.session.link_event(link, event)

    def link_lost(self, link: Link, error: Exception | None) -> None:
        """The session is over."""
        self.session.link_lost(link, error)

    async def ping(self) -> float:
        """Seconds until the answer; raises TimeoutError, or SessionClosedError's kin."""
        token, start = secrets.token_bytes(8), time.perf_counter()
        self.session.control.connection.send_ping(token)
        self.session.control.flush()
        async with asyncio.timeout(PATIENCE):
            while await self._pongs.get() != token:
                pass
        return time.perf_counter() - start


async def join(token: str) -> tuple[Identity, Token, Admitted]:
    """Redeem a token for a fresh identity; raises what `redeem` raises."""
    parsed, identity = Token.parse(token), Identity.generate(1)
    return identity, parsed, await redeem(parsed, identity, f"bench-{secrets.token_hex(4)}")


@asynccontextmanager
async def session(token: str) -> AsyncIterator[Pinger]:
    """A member's session with the token's issuer, as long as the context lasts."""
    identity, parsed, admitted = await join(token)
    endpoint = Endpoint(identity, parsed.federation, (parsed.suite_id,))
    made = await connect(endpoint, parsed.issuer_id, parsed.addresses[0])
    hearing = asyncio.create_task(_hear(made))
    try:
        await made.send(Hello(software=f"bench/{__version__}", certificate=admitted.certificate))
        async with asyncio.timeout(PATIENCE):
            await made.ready.wait()
        await connect_bulk(made, made.protocol.bulk)
        yield Pinger(made)
    finally:
        made.close(ErrorCode.NORMAL, "measured")
        await hearing


async def _hear(made: Session) -> None:
    """Take what the daemon says, and give credit back."""
    while (event := await made.messages.get()) is not None:
        made.ready.set()  # its hello came
        made.consumed(event)
