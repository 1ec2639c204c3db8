"""Who takes part in a measurement of handshakes: our suites by each provider, and TLS.

A recipe can be sent to another process; `prepare` makes the contender that it describes there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, cast

from qrfld.bench import tls
from qrfld.bench.tls import TlsIdentity
from qrfld.crypto import providers
from qrfld.crypto.errors import UnsupportedSuiteError
from qrfld.crypto.identity import Identity
from qrfld.crypto.suites import SUITES, suite
from qrfld.protocol.connection import Connection
from qrfld.protocol.session import Endpoint

TLS = "TLS 1.3"


@dataclass(frozen=True)
class Contender:
    """Makes the two ends of a connection. ``ready`` comes before each batch of work."""

    ready: Callable[[], None]
    dial: Callable[[], Connection]
    accept: Callable[[], Connection]


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

    @classmethod
    def generate(cls, suite_id: int, provider: str) -> Ours:
        """With fresh identities."""
        providers.choose(provider)
        one, other = Identity.generate(suite_id), Identity.generate(suite_id)
        return cls(suite_id, provider, bytes(32), (one.seed, other.seed))

    @property
    def name(self) -> str:
        """Suite and provider."""
        return f"suite {self.suite_id} ({suite(self.suite_id).name}), {self.provider}"

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
        return Contender(
            ready=partial(providers.choose, self.provider),
            dial=partial(Connection.dial, dialling, dialled.identity.node_id),
            accept=partial(Connection.accept, dialled, {}, None),
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
    """Every suite by every provider on this machine that has it; only the named ones if named.

    Raises UnsupportedSuiteError or ProviderError when a named one is not here.
    """
    names = [provider] if provider else sorted(providers.available(), reverse=True)
    wanted = [suite(suite_id)] if suite_id else SUITES.values()
    found = [
        Ours.generate(s.id, name)
        for s in wanted
        for name in names
        if providers.load(name).provides(s)
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
