"""Who takes part in a measurement of handshakes: our suites by each provider, and TLS.

A recipe can be sent to another process; `prepare` makes the contender that it describes there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, cast

from qrfld.bench import tls
from qrfld.bench.tls import TlsIdentity
from qrfld.crypto import providers
from qrfld.crypto.errors import UnsupportedSuiteError
from qrfld.crypto.identity import Identity
from qrfld.crypto.suites import SUITES, suite
from qrfld.protocol.connection import Connection
from qrfld.protocol.session import Endpoint, Session
from qrfld.protocol.tickets import TicketGate, Tickets

TLS: Final = "TLS 1.3"
#: Nobody here lives as long as a ticket.
_NOW: Final = 0.0


def _nothing(session: Session) -> None:
    """Keep nothing of a session."""


@dataclass(frozen=True)
class Contender:
    """Makes the two ends of a connection. ``ready`` comes before each batch of work.

    ``dialled`` and ``accepted`` are told of each session that either end has opened. ``at_once``:
    how many handshakes may be under way where their rate is measured.
    """

    ready: Callable[[], None]
    dial: Callable[[], Connection]
    accept: Callable[[], Connection]
    dialled: Callable[[Session], None] = _nothing
    accepted: Callable[[Session], None] = _nothing
    at_once: int = 4


class Recipe(Protocol):
    """What a contender is made from."""

    @property
    def name(self) -> str:
        """How tables name it."""

    def prepare(self) -> Contender:
        """Make it in this process."""


@dataclass(frozen=True)
class Ours:
    """A suite by a provider, between two identities of one federation."""

    suite_id: int
    provider: str
    federation: bytes
    seeds: tuple[bytes, bytes] = field(repr=False)
    resumes: bool = False

    @classmethod
    def generate(cls, suite_id: int, provider: str, *, resumes: bool = False) -> Ours:
        """With fresh identities. One that ``resumes`` does so from its second handshake on."""
        providers.choose(provider)
        one, other = Identity.generate(suite_id), Identity.generate(suite_id)
        return cls(suite_id, provider, bytes(32), (one.seed, other.seed), resumes)

    @property
    def name(self) -> str:
        """Suite and provider."""
        resumed = ", resumed" if self.resumes else ""
        return f"suite {self.suite_id} ({suite(self.suite_id).name}), {self.provider}{resumed}"

    def endpoints(self) -> tuple[Endpoint, Endpoint]:
        """Of the side that dials and the side that is dialled."""
        providers.choose(self.provider)
        dialling, dialled = (Identity.from_seed(self.suite_id, seed) for seed in self.seeds)
        suites = (self.suite_id,)
        return (
            Endpoint(dialling, self.federation, suites),
            Endpoint(dialled, self.federation, suites),
        )

    def prepare(self) -> Contender:
        """The two ends; `ready` makes the provider that of the process."""
        dialling, dialled = self.endpoints()
        peer, held, known = dialled.identity.node_id, Tickets(), Tickets()

        def dial() -> Connection:
            ticket = held.take(peer, _NOW)
            if ticket is None:
                return Connection.dial(dialling, peer)
            return Connection.resume(dialling, ticket)

        return Contender(
            ready=partial(providers.choose, self.provider),
            dial=dial,
            accept=partial(Connection.accept, dialled, {}, None, TicketGate(known, _NOW)),
            dialled=partial(held.keep, now=_NOW) if self.resumes else _nothing,
            accepted=partial(known.keep, now=_NOW) if self.resumes else _nothing,
            # A node holds one ticket for a peer.
            at_once=1 if self.resumes else 4,
        )


@dataclass(frozen=True)
class Tls:
    """The baseline."""

    dialling: TlsIdentity
    dialled: TlsIdentity
    name: str = TLS

    @classmethod
    def generate(cls) -> Tls:
        """With fresh certificates; ImportError without pyOpenSSL."""
        tls.library()
        return cls(TlsIdentity.generate("dialling"), TlsIdentity.generate("dialled"))

    def prepare(self) -> Contender:
        """The two ends."""
        dialling = tls.context(self.dialling, self.dialled)
        dialled = tls.context(self.dialled, self.dialling)
        return Contender(
            ready=lambda: None,
            dial=lambda: cast(Connection, tls.TlsEnd(dialling, initiator=True)),
            accept=lambda: cast(Connection, tls.TlsEnd(dialled, initiator=False)),
        )


def ours(suite_id: int | None = None, provider: str | None = None) -> list[Ours]:
    """Every suite by every provider that has it here, in full and resumed; or only the named ones.

    Raises UnsupportedSuiteError or ProviderError when a named one is not here.
    """
    names = [provider] if provider else sorted(providers.available(), reverse=True)
    wanted = [suite(suite_id)] if suite_id else SUITES.values()
    found = [
        Ours.generate(s.id, name, resumes=resumes)
        for s in wanted
        for name in names
        if providers.serves(name, s)
        for resumes in (False, True)
    ]
    if not found:
        raise UnsupportedSuiteError(f"{', '.join(names)} cannot compute suite {suite_id}")
    return found


def baseline() -> Tls | None:
    """TLS, None without pyOpenSSL."""
    try:
        return Tls.generate()
    except ImportError:
        return None
