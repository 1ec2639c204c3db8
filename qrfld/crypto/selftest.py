"""One trial of a suite's algorithms: do they do what `qrfld.crypto.providers.base` says?

Run once per process on a private suite before it is used. It finds a plugin that is wired wrongly,
truncates, ignores what it should bind or cannot repeat a key from its seed. It is no test vector:
two machines may still disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qrfld.crypto.errors import (
    CryptoError,
    InvalidKeyError,
    InvalidSignatureError,
    SuitePluginError,
)
from qrfld.crypto.parameters import ML_DSA_SEED_SIZE
from qrfld.crypto.providers import Kem, SignatureScheme, SigningKey, serve
from qrfld.crypto.suites import Suite

_CONTEXT: Final = b"qrfld-1 self-test"
_MESSAGE: Final = b"message"
_SEED: Final = bytes(range(ML_DSA_SEED_SIZE))


def try_out(suite: Suite) -> None:
    """Return if both algorithms of `suite` work; SuitePluginError names what does not.

    Errors of the providers pass through.
    """
    provider = serve(suite)
    _try_kem(provider.kem(suite.kem), suite)
    _try_signature(provider.signature(suite.signature), suite)


def _try_kem(kem: Kem, suite: Suite) -> None:
    sizes, pair = suite.kem_sizes, kem.keypair()
    ciphertext, shared = kem.encapsulate(pair.public)
    made = (len(pair.public), len(ciphertext), len(shared))
    _require(made == (sizes.public_key, sizes.ciphertext, sizes.shared), f"lengths of KEM: {made}")
    told = (kem.public_key_size, kem.ciphertext_size, kem.shared_size)
    _require(told == made, f"lengths of KEM are {made}, it says {told}")
    _require(pair.decapsulate(ciphertext) == shared, "the KEM does not decapsulate")
    _require(kem.keypair().public != pair.public, "the KEM makes the same key twice")
    _require(kem.encapsulate(pair.public)[1] != shared, "the KEM makes the same secret twice")
    _require(kem.keypair().decapsulate(ciphertext) != shared, "the KEM's secret ignores the key")
    forged = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    _require(pair.decapsulate(forged) != shared, "the KEM ignores a bit of the ciphertext")
    _refuses(lambda: pair.decapsulate(ciphertext[1:]), InvalidKeyError, "a short ciphertext")
    _refuses(lambda: kem.encapsulate(pair.public[1:]), InvalidKeyError, "a short KEM key")


def _try_signature(scheme: SignatureScheme, suite: Suite) -> None:
    key = scheme.keypair(_SEED)
    _require(key.seed == _SEED, "a signing key forgets its 32-byte seed")
    _require(scheme.keypair(_SEED).public == key.public, "a seed gives two signing keys")
    _require(scheme.keypair().public != key.public, "signing keys are not fresh")
    signature = key.sign(_MESSAGE, _CONTEXT)
    sizes, made = suite.signature_sizes, (len(key.public), len(signature))
    _require(made == (sizes.public_key, sizes.signature), f"lengths of signature scheme: {made}")
    told = (scheme.public_key_size, scheme.signature_size)
    _require(told == made, f"lengths of signature scheme are {made}, it says {told}")
    scheme.verify(key.public, _MESSAGE, signature, _CONTEXT)
    _try_forgeries(scheme, key, signature)


def _try_forgeries(scheme: SignatureScheme, key: SigningKey, signature: bytes) -> None:
    other = scheme.keypair().public
    forged = bytes([signature[0] ^ 1]) + signature[1:]
    for what, public, message, sealed, context in (
        ("of another key", other, _MESSAGE, signature, _CONTEXT),
        ("over another message", key.public, b"massage", signature, _CONTEXT),
        ("under another context", key.public, _MESSAGE, signature, b"qrfld-1 other"),
        ("with a changed bit", key.public, _MESSAGE, forged, _CONTEXT),
        ("cut short", key.public, _MESSAGE, signature[:-1], _CONTEXT),
    ):
        _refuses(
            lambda p=public, m=message, s=sealed, c=context: scheme.verify(p, m, s, c),  # type: ignore[misc]
            InvalidSignatureError,
            f"a signature {what}",
        )


def _require(good: bool, what: str) -> None:
    if not good:
        raise SuitePluginError(f"self-test: {what}")


def _refuses(call: Callable[[], object], expected: type[CryptoError], what: str) -> None:
    try:
        call()
    except expected:
        return
    raise SuitePluginError(f"self-test: {what} is not refused by {expected.__name__}")
