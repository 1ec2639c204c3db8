from __future__ import annotations

import pytest

from qrfld.crypto import providers
from qrfld.crypto.errors import ProviderError, UnsupportedSuiteError
from qrfld.crypto.providers.openssl import OpensslProvider


@pytest.fixture(autouse=True)
def own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with no choice made, and leaves none behind."""
    monkeypatch.setattr(providers, "_chosen", None)
    monkeypatch.delenv("QRFLD_CRYPTO_PROVIDER", raising=False)


def only_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> OpensslProvider:
        if name == "openssl":
            return OpensslProvider()
        raise ProviderError("liboqs not installed")

    monkeypatch.setattr(providers, "load", load)
    monkeypatch.setattr(providers, "available", lambda: ("openssl",))


def test_openssl_is_always_available() -> None:
    assert providers.available()[-1] == "openssl"


def test_automatic_choice_takes_the_fastest() -> None:
    assert providers.provider_for(1).name == providers.available()[0]


def test_environment_forces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRFLD_CRYPTO_PROVIDER", "openssl")
    assert providers.provider_for(2).name == "openssl"


def test_choose_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRFLD_CRYPTO_PROVIDER", "no-such")
    providers.choose("openssl")
    assert providers.provider_for(1).name == "openssl"


@pytest.mark.parametrize("name", ["no-such", "OPENSSL", "stub", "classical", "x25519"])
def test_unknown_provider_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("QRFLD_CRYPTO_PROVIDER", name)
    with pytest.raises(ProviderError, match=f"unknown cryptography provider '{name}'"):
        providers.provider_for(1)
    with pytest.raises(ProviderError):
        providers.choose(name)


def test_forced_but_missing_provider_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    only_openssl(monkeypatch)
    with pytest.raises(ProviderError, match="not installed"):
        providers.choose("liboqs")
    with pytest.raises(ProviderError, match="not installed"):
        providers.provider_for(1, prefer="liboqs")
    monkeypatch.setenv("QRFLD_CRYPTO_PROVIDER", "liboqs")
    with pytest.raises(ProviderError, match="not installed"):
        providers.provider_for(1)
    assert providers.provider_for(1, prefer="auto").name == "openssl"


def test_no_provider_for_the_suite_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    only_openssl(monkeypatch)
    monkeypatch.setattr(OpensslProvider, "provides", lambda self, suite: False)
    with pytest.raises(UnsupportedSuiteError, match="no provider for suite 1"):
        providers.provider_for(1)
    with pytest.raises(UnsupportedSuiteError, match="tried openssl"):
        providers.provider_for(1, prefer="openssl")


@pytest.mark.parametrize("suite_id", [0, 3, 99])
def test_unknown_suite_is_an_error(suite_id: int) -> None:
    with pytest.raises(UnsupportedSuiteError):
        providers.provider_for(suite_id)
