"""Providers: who computes the post-quantum KEMs and signatures.

Theory of operation. `openssl` always works; `liboqs` is faster, has more algorithms, and is used
where its native library is installed. Both give the same bytes for the same seed, so a node may
change provider between two starts. The choice is made once per process: by `choose()` (the daemon's
configuration), else by ``QRFLD_CRYPTO_PROVIDER`` (``auto``, ``openssl`` or ``liboqs``), else
automatically. The two halves of a suite need not come from one provider: each comes from the first
in order that has it. A private suite may bring a provider of its own, which serves that suite only
and is asked last.

Fail closed: a provider that was asked for by name and is missing is an error, and so is a suite of
which half is to be had nowhere. The automatic choice may only move between providers of the same
algorithms. No provider offers anything classical.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from qrfld.crypto.errors import ProviderError, UnsupportedSuiteError
from qrfld.crypto.providers.base import (
    Kem,
    KemKeyPair,
    Provider,
    SignatureScheme,
    SigningKey,
)
from qrfld.crypto.providers.liboqs import LiboqsProvider
from qrfld.crypto.providers.openssl import OpensslProvider
from qrfld.crypto.suites import Suite, suite

__all__ = [
    "BUILT_IN",
    "Kem",
    "KemKeyPair",
    "Provider",
    "SignatureScheme",
    "SigningKey",
    "absence",
    "available",
    "choose",
    "load",
    "provider_for",
    "serve",
    "serves",
]

AUTO: Final = "auto"
BUILT_IN: Final = ("liboqs", "openssl")  # fastest first
ENVIRONMENT: Final = "QRFLD_CRYPTO_PROVIDER"

_chosen: str | None = None


@dataclass(frozen=True)
class Served:
    """The provider of one suite: each half from whoever has it first."""

    kem_provider: Provider
    signature_provider: Provider

    @property
    def name(self) -> str:
        """``liboqs``, or ``liboqs+openssl`` where KEM and signature come from two."""
        return "+".join(dict.fromkeys((self.kem_provider.name, self.signature_provider.name)))

    def kem(self, name: str) -> Kem:
        """The KEM `name`; UnsupportedSuiteError if its provider lacks it."""
        return self.kem_provider.kem(name)

    def signature(self, name: str) -> SignatureScheme:
        """The signature scheme `name`; UnsupportedSuiteError if its provider lacks it."""
        return self.signature_provider.signature(name)


def choose(name: str) -> None:
    """Set this process's provider: ``auto``, ``openssl`` or ``liboqs``.

    ProviderError at once if it is unknown or missing.
    """
    global _chosen
    if name != AUTO:
        load(name)
    _chosen = name


def provider_for(suite_id: int, prefer: str | None = None) -> Served:
    """Who computes a suite; errors as `suite` and `serve` raise them."""
    return serve(suite(suite_id), prefer)


def serve(wanted: Suite, prefer: str | None = None) -> Served:
    """Who computes `wanted`, a suite that need not be registered (yet).

    `prefer` names a provider, as `choose()` does, for this call only. UnsupportedSuiteError if one
    of the suite's algorithms is to be had from nobody asked; it says why from each.
    ProviderError if the provider named is missing.
    """
    name = prefer or _chosen or os.environ.get(ENVIRONMENT) or AUTO
    return _served(wanted, available() if name == AUTO else (name,))


def serves(name: str, wanted: Suite) -> bool:
    """Whether the provider `name` has both algorithms; ProviderError if it is missing itself."""
    try:
        serve(wanted, name)
    except UnsupportedSuiteError:
        return False
    return True


@cache
def _served(wanted: Suite, asked: tuple[str, ...]) -> Served:
    kem = _first(wanted, wanted.kem, asked, lambda provider: provider.kem(wanted.kem))
    signature = _first(
        wanted, wanted.signature, asked, lambda provider: provider.signature(wanted.signature)
    )
    return Served(kem, signature)


def _first(
    wanted: Suite, algorithm: str, asked: Sequence[str], get: Callable[[Provider], object]
) -> Provider:
    """The first provider from which one can `get` the algorithm: those asked, the suite's own."""
    providers = [load(name) for name in asked]
    if wanted.provider is not None:
        providers.append(_own(wanted.provider))
    refusals = []
    for provider in providers:
        try:
            get(provider)
        except UnsupportedSuiteError as error:
            refusals.append(error.message)
        else:
            return provider
    refusals += [absence(name) or f"{name} was not asked" for name in BUILT_IN if name not in asked]
    raise UnsupportedSuiteError(
        f"no provider for {algorithm} of suite {wanted.id} ({wanted.name}): {'; '.join(refusals)}",
        hint="qrfl crypto list shows who has what; docs/install.md says how to install liboqs",
    )


@cache
def _own(make: Callable[[], Provider]) -> Provider:
    """The provider that a private suite brings, made once."""
    return make()


@cache
def available() -> tuple[str, ...]:
    """Names of the providers present, fastest first."""
    return tuple(name for name in BUILT_IN if not absence(name))


@cache
def absence(name: str) -> str:
    """Why a built-in provider is not here; nothing if it is."""
    try:
        load(name)
    except ProviderError as error:
        return error.message
    return ""


@cache
def load(name: str) -> Provider:
    """The provider `name`; ProviderError if it is unknown or missing."""
    if name == "openssl":
        return OpensslProvider()
    if name == "liboqs":
        return LiboqsProvider()
    raise ProviderError(
        f"unknown cryptography provider {name!r}", hint="use auto, openssl or liboqs"
    )
