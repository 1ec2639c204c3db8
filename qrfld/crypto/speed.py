"""How fast this machine computes each algorithm, measured now.

Each operation is repeated for a moment and its median time taken, in microseconds, in one thread.
That is enough to compare algorithms and providers on one machine, and no benchmark.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Final

from qrfld.crypto import dh
from qrfld.crypto.aead import Cipher
from qrfld.crypto.parameters import AEAD_KEY_SIZE, AEAD_NONCE_SIZE
from qrfld.crypto.providers import Kem, SignatureScheme
from qrfld.crypto.suites import Aead

_SECONDS: Final = 0.02
_LEAST: Final = 5
_MESSAGE: Final = bytes(48)
_CONTEXT: Final = b"qrfld-1 speed"
_SEALED_BYTES: Final = 1 << 20


def kem_speed(kem: Kem) -> dict[str, float]:
    """Microseconds of ``keygen``, ``encaps`` and ``decaps``."""
    pair = kem.keypair()
    ciphertext, _ = kem.encapsulate(pair.public)
    return {
        "keygen": _microseconds(kem.keypair),
        "encaps": _microseconds(lambda: kem.encapsulate(pair.public)),
        "decaps": _microseconds(lambda: pair.decapsulate(ciphertext)),
    }


def signature_speed(scheme: SignatureScheme) -> dict[str, float]:
    """Microseconds of ``keygen``, ``sign`` and ``verify`` over 48 bytes, as in a handshake."""
    key = scheme.keypair()
    signature = key.sign(_MESSAGE, _CONTEXT)
    return {
        "keygen": _microseconds(scheme.keypair),
        "sign": _microseconds(lambda: key.sign(_MESSAGE, _CONTEXT)),
        "verify": _microseconds(
            lambda: scheme.verify(key.public, _MESSAGE, signature, _CONTEXT),
        ),
    }


def x25519_speed() -> dict[str, float]:
    """Microseconds of ``keygen`` and ``exchange``."""
    ours, theirs = dh.keypair(), dh.keypair()
    return {
        "keygen": _microseconds(dh.keypair),
        "exchange": _microseconds(lambda: ours.exchange(theirs.public)),
    }


def aead_speed(aead: Aead) -> float:
    """Megabytes (10^6 bytes) sealed in a second, in pieces of 1 MiB."""
    cipher, data = Cipher(aead, bytes(AEAD_KEY_SIZE)), bytes(_SEALED_BYTES)
    # The nonce repeats: nothing that is sealed here leaves, and the key is a public one.
    return _SEALED_BYTES / _microseconds(lambda: cipher.seal(bytes(AEAD_NONCE_SIZE), data, b""))


def _microseconds(call: Callable[[], object]) -> float:
    times: list[float] = []
    end = time.perf_counter() + _SECONDS
    while len(times) < _LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6
