"""Fixtures of the crypto room: the providers, and one identity made once."""

from __future__ import annotations

import pytest

from qrfld.crypto import providers
from qrfld.crypto.identity import Identity
from qrfld.crypto.providers import Provider


def _provider(name: str) -> Provider:
    if name not in providers.available():
        pytest.skip(f"{name} not installed")
    return providers.load(name)


@pytest.fixture(params=["openssl", "liboqs"])
def provider(request: pytest.FixtureRequest) -> Provider:
    """Each provider in turn."""
    return _provider(request.param)


@pytest.fixture
def openssl() -> Provider:
    return _provider("openssl")


@pytest.fixture
def liboqs() -> Provider:
    return _provider("liboqs")


@pytest.fixture(scope="session")
def founder() -> Identity:
    return Identity.from_seed(1, bytes(range(32)))


@pytest.fixture(scope="session")
def alice() -> Identity:
    return Identity.from_seed(1, b"a" * 32)


@pytest.fixture(scope="session")
def mallory() -> Identity:
    return Identity.from_seed(1, b"m" * 32)
