"""The record ciphers: AES-256-GCM and ChaCha20-Poly1305.

Both take a 32-byte key and a 12-byte nonce, add a 16-byte tag and are otherwise interchangeable.
Without AES instructions (a Raspberry Pi 4) ChaCha20 is several times faster than AES-GCM, with them
AES-GCM is; `preferred_aead` measures which, once.
"""

from __future__ import annotations

import time
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from qrfld.crypto.errors import AuthenticationError, InvalidKeyError
from qrfld.crypto.parameters import (
    AEAD_KEY_SIZE,
    AEAD_NONCE_SIZE,
    AEAD_TAG_SIZE,
    Buffer,
    exactly,
)
from qrfld.crypto.suites import Aead

_MEASURED_BYTES = 1 << 18
_MEASURED_TIMES = 4


class Cipher:
    """One AEAD under one key. Never use a nonce twice."""

    def __init__(self, aead: Aead, key: Buffer) -> None:
        data = exactly("AEAD key", key, AEAD_KEY_SIZE)
        self.aead = aead
        self._cipher = AESGCM(data) if aead is Aead.AES_256_GCM else ChaCha20Poly1305(data)

    def seal(self, nonce: Buffer, data: Buffer, aad: Buffer) -> bytes:
        """Encrypt `data`; the result is 16 bytes longer. `aad` is authenticated beside it."""
        return self._cipher.encrypt(_nonce(nonce), data, aad)

    def open(self, nonce: Buffer, data: Buffer, aad: Buffer) -> bytes:
        """Decrypt `data`; AuthenticationError unless key, nonce and `aad` are those of `seal`."""
        _nonce(nonce)
        _check_sealed(data)
        try:
            return self._cipher.decrypt(nonce, data, aad)
        except InvalidTag:
            raise _unauthentic() from None

    def seal_into(
        self, nonce: Buffer, data: Buffer, aad: Buffer, out: bytearray | memoryview
    ) -> int:
        """Encrypt `data` into `out`, of exactly its length plus 16; returns that length."""
        _check_out(out, memoryview(data).nbytes + AEAD_TAG_SIZE)
        return self._cipher.encrypt_into(_nonce(nonce), data, aad, out)

    def open_into(
        self, nonce: Buffer, data: Buffer, aad: Buffer, out: bytearray | memoryview
    ) -> int:
        """Decrypt `data` into `out`, of exactly its length less 16; returns that length.

        On AuthenticationError `out` holds zeros: the library leaves unauthenticated text there.
        """
        _nonce(nonce)
        _check_sealed(data)
        _check_out(out, memoryview(data).nbytes - AEAD_TAG_SIZE)
        try:
            return self._cipher.decrypt_into(nonce, data, aad, out)
        except InvalidTag:
            view = memoryview(out)
            view[:] = bytes(view.nbytes)
            raise _unauthentic() from None


@cache
def preferred_aead() -> Aead:
    """The faster AEAD on this machine, measured once per process (about a millisecond)."""
    return min(Aead, key=_seconds)


def _seconds(aead: Aead) -> float:
    cipher = Cipher(aead, bytes(AEAD_KEY_SIZE))
    data = bytes(_MEASURED_BYTES)
    times = []
    for counter in range(_MEASURED_TIMES):
        start = time.perf_counter()
        cipher.seal(counter.to_bytes(AEAD_NONCE_SIZE), data, b"")
        times.append(time.perf_counter() - start)
    return min(times)


def _nonce(nonce: Buffer) -> Buffer:
    if len(nonce) != AEAD_NONCE_SIZE:
        raise InvalidKeyError(f"an AEAD nonce has {AEAD_NONCE_SIZE} bytes, not {len(nonce)}")
    return nonce


def _check_sealed(data: Buffer) -> None:
    if memoryview(data).nbytes < AEAD_TAG_SIZE:
        raise AuthenticationError(f"{len(data)} bytes are too few for a sealed text")


def _check_out(out: bytearray | memoryview, size: int) -> None:
    if memoryview(out).nbytes != size:
        raise InvalidKeyError(f"the output buffer has {len(out)} bytes instead of {size}")


def _unauthentic() -> AuthenticationError:
    return AuthenticationError("the sealed text does not authenticate")
