"""The trial finds every way in which a provider may be wired wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from toy_suites import skip_unless_served

from qrfld.crypto.errors import InvalidSignatureError, SuitePluginError
from qrfld.crypto.parameters import KemSizes, SignatureSizes
from qrfld.crypto.providers import serve
from qrfld.crypto.providers.openssl import OpensslProvider
from qrfld.crypto.selftest import try_out
from qrfld.crypto.suites import SUITES, Suite

REAL = Suite.of(64, "ML-KEM-1024", "ML-DSA-44", "sha512", category=2)
KEM, SCHEME = OpensslProvider().kem("ML-KEM-1024"), OpensslProvider().signature("ML-DSA-44")
PAIR, KEY = KEM.keypair(), SCHEME.keypair()


class Bent:
    """What ``real`` does, but for what is given."""

    def __init__(self, real: object, **changes: object) -> None:
        self._real = real
        self.__dict__.update(changes)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


def bent(kem: object = KEM, scheme: object = SCHEME) -> Suite:
    """A suite whose own provider gives these."""

    class Provider:
        name = "bent"

        def kem(self, name: str) -> Any:
            return kem

        def signature(self, name: str) -> Any:
            return scheme

    return replace(REAL, kem="New-KEM", signature="New-Signature", provider=Provider)


def pair(**changes: object) -> Bent:
    return Bent(KEM, keypair=lambda seed=None: Bent(KEM.keypair(), **changes))


def key(change: Callable[[Any], dict[str, object]]) -> Bent:
    def keypair(seed: bytes | None = None) -> Bent:
        real = SCHEME.keypair(seed)
        return Bent(real, **change(real))

    return Bent(SCHEME, keypair=keypair)


def accepts(*checked: str) -> Callable[..., None]:
    """A verifier that looks at no more than ``checked``."""

    def verify(public: bytes, message: bytes, signature: bytes, context: bytes) -> None:
        seen = {"public": public, "message": message, "signature": signature, "context": context}
        for name, value in zip(RIGHT, RIGHT.values(), strict=True):
            if name in checked and seen[name] not in value:
                raise InvalidSignatureError(name)

    return verify


RIGHT: dict[str, Any] = {
    "public": [SCHEME.keypair(bytes(range(32))).public],
    "message": [b"message"],
    "context": [b"qrfld-1 self-test"],
}


@pytest.mark.parametrize("number", SUITES)
def test_suites_of_the_specification_work(number: int) -> None:
    skip_unless_served(number)
    try_out(SUITES[number])
    assert serve(SUITES[number])


def test_right_provider_of_its_own_works() -> None:
    try_out(bent())


@pytest.mark.parametrize(
    ("kem", "why"),
    [
        (pair(decapsulate=lambda ciphertext: bytes(32)), "does not decapsulate"),
        (Bent(KEM, keypair=lambda seed=None: PAIR), "same key twice"),
        (Bent(KEM, public_key_size=32), "it says"),
        (Bent(KEM, shared_size=16), "it says"),
        (Bent(KEM, encapsulate=lambda public: (b"c" * 1567, b"s" * 32)), "lengths of KEM"),
        (pair(public=PAIR.public[:32]), "encapsulation key has 32"),
    ],
)
def test_wrong_kem_is_found(kem: object, why: str) -> None:
    with pytest.raises(Exception, match=why):
        try_out(bent(kem=kem))


def test_kem_whose_secret_ignores_key_or_ciphertext_is_found() -> None:
    secrets: dict[bytes, bytes] = {}

    def encapsulate(public: bytes) -> tuple[bytes, bytes]:
        ciphertext, shared = KEM.encapsulate(public)
        secrets[ciphertext[1:]] = shared
        return ciphertext, shared

    def keypair(seed: bytes | None = None) -> Bent:
        real = KEM.keypair()
        return Bent(real, decapsulate=lambda c: secrets.get(c[1:], b""))

    careless = Bent(KEM, encapsulate=encapsulate, keypair=keypair)
    with pytest.raises(SuitePluginError, match="ignores the key"):
        try_out(bent(kem=careless))

    def bound(seed: bytes | None = None) -> Bent:
        real = KEM.keypair()
        good = {real.public}
        return Bent(real, decapsulate=lambda c: _only(good, real, secrets, c))

    def _only(good: set[bytes], real: Any, known: dict[bytes, bytes], c: bytes) -> bytes:
        found = known.get(c[1:], b"")
        return found if real.decapsulate(c) == found or c not in sent else real.decapsulate(c)

    sent: set[bytes] = set()

    def remembered(public: bytes) -> tuple[bytes, bytes]:
        ciphertext, shared = encapsulate(public)
        sent.add(ciphertext)
        return ciphertext, shared

    careless = Bent(KEM, encapsulate=remembered, keypair=bound)
    with pytest.raises(SuitePluginError, match="ignores a bit of the ciphertext"):
        try_out(bent(kem=careless))


@pytest.mark.parametrize("what", ["a short ciphertext", "a short KEM key"])
def test_kem_that_pads_what_is_short_is_found(what: str) -> None:
    def keypair(seed: bytes | None = None) -> Bent:
        real = KEM.keypair()
        padded = Bent(real, decapsulate=lambda c: real.decapsulate(c.ljust(1568, b"\0")))
        return padded if "ciphertext" in what else Bent(real)

    def encapsulate(public: bytes) -> tuple[bytes, bytes]:
        return KEM.encapsulate(PAIR.public if len(public) < 1568 else public)

    with pytest.raises(SuitePluginError, match=what):
        try_out(bent(kem=Bent(KEM, keypair=keypair, encapsulate=encapsulate)))


@pytest.mark.parametrize(
    ("scheme", "why"),
    [
        (key(lambda real: {"seed": bytes(32)}), "forgets its 32-byte seed"),
        (Bent(SCHEME, keypair=lambda seed=None: Bent(SCHEME.keypair(), seed=seed)), "two signing"),
        (Bent(SCHEME, keypair=lambda seed=None: SCHEME.keypair(bytes(range(32)))), "not fresh"),
        (key(lambda real: {"sign": lambda m, c: real.sign(m, c)[:-1]}), "lengths of signature"),
        (Bent(SCHEME, signature_size=64), "it says"),
        (Bent(SCHEME, verify=accepts()), "a signature of another key"),
        (Bent(SCHEME, verify=accepts("public")), "over another message"),
        (Bent(SCHEME, verify=accepts("public", "message")), "under another context"),
        (Bent(SCHEME, verify=accepts("public", "message", "context")), "with a changed bit"),
        (key(lambda real: {"sign": lambda m, c: real.sign(m, b"other")}), "does not verify"),
    ],
)
def test_wrong_signature_scheme_is_found(scheme: object, why: str) -> None:
    with pytest.raises(Exception, match=why):
        try_out(bent(scheme=scheme))


def test_provider_without_the_lengths_it_was_announced_with_is_found() -> None:
    for changed in (
        replace(bent(), kem_sizes=KemSizes(1568, 1567)),
        replace(bent(), signature_sizes=SignatureSizes(1312, 2421)),
    ):
        with pytest.raises(SuitePluginError, match="lengths of"):
            try_out(changed)
