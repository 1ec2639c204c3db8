"""Providers: who computes ML-KEM and ML-DSA.

Theory of operation. `openssl` always works; `liboqs` is faster and is used where its native library
is installed. Both give the same bytes for the same seed, so a node may change provider between two
starts. The choice is made once per process: by `choose()` (the daemon's configuration), else by
``QRFLD_CRYPTO_PROVIDER`` (``auto``, ``openssl`` or ``liboqs``), else automatically.

Fail closed: a provider that was asked for by name and is missing is an error, and so is a suite
that the provider lacks. The automatic choice may only move between providers of the same
algorithms. No provider offers anything classical.
"""

from __future__ import annotations

import os
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
from qrfld.crypto.suites import suite

__all__ = [
    "Kem",
    "KemKeyPair",
    "Provider",
    "SignatureScheme",
    "SigningKey",
    "available",
    "choose",
    "load",
    "provider_for",
]

AUTO: Final = "auto"
ENVIRONMENT: Final = "QRFLD_CRYPTO_PROVIDER"

_chosen: str | None = None


def choose(name: str) -> None:
    """Set this process's provider: ``auto``, ``openssl`` or ``liboqs``.

    ProviderError at once if it is unknown or missing.
    """
    global _chosen
    if name != AUTO:
        load(name)
    _chosen = name


def provider_for(suite_id: int, prefer: str | None = None) -> Provider:
    """The provider to use for a suite.

    `prefer` names one, as `choose()` does, for this call only. UnsupportedSuiteError if the suite
    is unknown or the provider named lacks it; ProviderError if that provider is missing.
    """
    wanted = suite(suite_id)
    name = prefer or _chosen or os.environ.get(ENVIRONMENT) or AUTO
    candidates = available() if name == AUTO else (name,)
    for candidate in candidates:
        provider = load(candidate)
        if provider.provides(wanted):
            return provider
    raise UnsupportedSuiteError(
        f"no provider for suite {suite_id} ({wanted.name}): tried {', '.join(candidates)}",
        hint="install cryptography >= 50.0.2 from its wheels",
    )


@cache
def available() -> tuple[str, ...]:
    """Names of the providers present, fastest first."""
    try:
        load("liboqs")
    except ProviderError:
        return ("openssl",)
    return ("liboqs", "openssl")


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
