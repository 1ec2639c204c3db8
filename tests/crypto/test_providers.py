from __future__ import annotations

from dataclasses import replace

import pytest

from qrfld.crypto import providers
from qrfld.crypto.errors import ProviderError, UnsupportedSuiteError
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.providers import Provider
from qrfld.crypto.providers.openssl import OpensslKem, OpensslProvider
from qrfld.crypto.suites import Suite


@pytest.fixture(autouse=True)
def own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with no choice made, and leaves none behind."""
    monkeypatch.setattr(providers, "_chosen", None)
    monkeypatch.delenv("QRFLD_CRYPTO_PROVIDER", raising=False)
    providers._served.cache_clear()


def only_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> OpensslProvider:
        if name == "openssl":
            return OpensslProvider()
        raise ProviderError("liboqs not installed")

    monkeypatch.setattr(providers, "load", load)
    monkeypatch.setattr(providers, "available", lambda: ("openssl",))
    monkeypatch.setattr(providers, "absence", lambda name: "liboqs not installed")


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
    for number, kem in ((3, "ML-KEM-512"), (4, "FrodoKEM-640-AES")):
        with pytest.raises(UnsupportedSuiteError, match=f"for {kem} of suite {number}") as caught:
            providers.provider_for(number)
        assert f"the cryptography package has no {kem}; liboqs not installed" in str(caught.value)
        assert "docs/install.md" in caught.value.hint
    with pytest.raises(UnsupportedSuiteError, match="liboqs"):
        providers.provider_for(3, prefer="openssl")


def test_missing_half_of_a_suite_never_yields_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """ML-DSA-44 alone is to be had without liboqs: an identity of suite 3 is not."""
    only_openssl(monkeypatch)
    with pytest.raises(UnsupportedSuiteError, match="ML-KEM-512"):
        Identity.generate(3)
    with pytest.raises(UnsupportedSuiteError, match="ML-KEM-512"):
        PublicIdentity(3, bytes(1312)).verify(b"message", bytes(2420), b"context")


def test_halves_of_a_suite_come_from_whoever_has_them(
    liboqs: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build of liboqs with KEMs only."""
    assert providers.provider_for(4).name == "liboqs"
    providers._served.cache_clear()
    monkeypatch.setattr("oqs.oqs._enabled_sigs", ())
    served = providers.provider_for(4)
    assert served.name == "liboqs+openssl"
    identity = Identity.generate(4)
    identity.verify(b"message", identity.sign(b"message", b"context"), b"context")
    pair = served.kem("FrodoKEM-640-AES").keypair()
    ciphertext, shared = served.kem("FrodoKEM-640-AES").encapsulate(pair.public)
    assert pair.decapsulate(ciphertext) == shared
    with pytest.raises(UnsupportedSuiteError, match="openssl was not asked"):
        providers.provider_for(4, prefer="liboqs")


def test_provider_of_a_suites_own_is_asked_last() -> None:
    class Own(OpensslProvider):
        name = "own"

        def kem(self, name: str) -> OpensslKem:
            return super().kem("ML-KEM-1024")

    toy = replace(
        Suite.of(64, "ML-KEM-1024", "ML-DSA-44", "sha512", category=2), kem="New-KEM", provider=Own
    )
    served = providers.serve(toy, prefer="openssl")
    assert served.name == "own+openssl"
    assert served.kem("New-KEM").public_key_size == 1568
    assert providers.serve(replace(toy, kem="ML-KEM-768"), prefer="openssl").name == "openssl"


@pytest.mark.parametrize("suite_id", [0, 5, 99])
def test_unknown_suite_is_an_error(suite_id: int) -> None:
    with pytest.raises(UnsupportedSuiteError):
        providers.provider_for(suite_id)
