"""The `liboqs` provider: the native liboqs library through liboqs-python.

Several times faster than OpenSSL, and the only one with ML-KEM-512 and FrodoKEM. One name may mean
different algorithms in different versions of the library (FrodoKEM got a salt in 0.16), so a KEM
whose lengths are not those of `parameters` is not offered. Four habits of the wrapper shape this
module:

- it zero-pads short keys and ciphertexts without a word: every length is checked first;
- its objects are not safe to share between threads: each operation takes a fresh one, and a key
  that must be kept stands behind a lock;
- it does not free native memory by itself: a finalizer does, and wipes the secret key with it;
- it cannot import ML-DSA seeds, which are what qrfld stores. A seed is brought in by answering the
  library's one request for randomness during key generation (liboqs ``rand.h``: a custom random
  source), as known-answer tests do. The answer goes only to the thread that holds the lock, only
  once and only to a request of 32 bytes; all others get the operating system's randomness. The
  resulting public key must be the one OpenSSL derives from the seed, otherwise nothing is signed.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import threading
import weakref
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from qrfld.crypto import parameters
from qrfld.crypto.errors import (
    InvalidKeyError,
    InvalidSignatureError,
    ProviderError,
    UnsupportedSuiteError,
)
from qrfld.crypto.parameters import Buffer, check_context, exactly
from qrfld.crypto.providers.native import bring_up
from qrfld.crypto.providers.openssl import OpensslProvider

_RANDOM_SOURCE: Final = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t)


class LiboqsKemKeyPair:
    """A KEM key pair held by liboqs; its secret is wiped when the object goes."""

    def __init__(self, kem: Any, seed: bytes | None) -> None:
        weakref.finalize(self, kem.free)
        self._kem = kem
        self._lock = threading.Lock()
        self.public: bytes = (
            kem.generate_keypair() if seed is None else kem.generate_keypair_seed(seed)
        )

    def decapsulate(self, ciphertext: Buffer) -> bytes:
        """The shared secret in `ciphertext`; InvalidKeyError on a wrong length."""
        data = exactly("KEM ciphertext", ciphertext, self._kem.length_ciphertext)
        with self._lock:
            shared: bytes = self._kem.decap_secret(data)
        return shared


@dataclass(frozen=True)
class LiboqsKem:
    """ML-KEM or FrodoKEM by liboqs."""

    oqs: ModuleType
    name: str
    public_key_size: int
    ciphertext_size: int
    seed_size: int = parameters.ML_KEM_SEED_SIZE
    shared_size: int = parameters.ML_KEM_SHARED_SIZE

    def keypair(self, seed: Buffer | None = None) -> LiboqsKemKeyPair:
        """The key pair of a seed ``d ‖ z`` (ML-KEM only), or a fresh one."""
        if seed is not None and not self.seed_size:
            raise InvalidKeyError(f"{self.name} keys have no seed")
        data = None if seed is None else exactly("KEM seed", seed, self.seed_size)
        return LiboqsKemKeyPair(self.oqs.KeyEncapsulation(self.name), data)

    def encapsulate(self, public_key: Buffer) -> tuple[bytes, bytes]:
        """A fresh (ciphertext, shared secret); InvalidKeyError if the key is not one."""
        data = exactly(f"{self.name} encapsulation key", public_key, self.public_key_size)
        with self.oqs.KeyEncapsulation(self.name) as kem:
            try:
                ciphertext, shared = kem.encap_secret(data)
            except RuntimeError:
                raise InvalidKeyError(
                    f"not a valid {self.name} encapsulation key: a coefficient is out of range"
                ) from None
        return ciphertext, shared


class LiboqsSigningKey:
    """A signing key held by liboqs in expanded form, beside its seed."""

    def __init__(self, signer: Any, public: bytes, seed: bytes) -> None:
        weakref.finalize(self, signer.free)
        self._signer = signer
        self._lock = threading.Lock()
        self.public = public
        self.seed = seed

    def sign(self, message: Buffer, context: bytes) -> bytes:
        """A hedged signature over `message` under `context`."""
        context = check_context(context)
        with self._lock:
            signature: bytes = self._signer.sign_with_ctx_str(bytes(message), context)
        return signature


@dataclass(frozen=True)
class LiboqsSignature:
    """ML-DSA by liboqs."""

    oqs: ModuleType
    name: str
    public_key_size: int
    signature_size: int
    seed_size: int = parameters.ML_DSA_SEED_SIZE

    def keypair(self, seed: Buffer | None = None) -> LiboqsSigningKey:
        """The signing key of a 32-byte seed, or a fresh one.

        ProviderError if liboqs and OpenSSL do not derive the same public key from the seed.
        """
        if seed is None:
            data = secrets.token_bytes(self.seed_size)
        else:
            data = exactly(f"{self.name} seed", seed, self.seed_size)
        expected = OpensslProvider().signature(self.name).keypair(data).public
        signer = self.oqs.Signature(self.name)
        public = _generate_from_seed(self.oqs, signer, data)
        key = LiboqsSigningKey(signer, public, data)
        if public != expected:
            raise ProviderError(
                f"liboqs derives another {self.name} key from a seed than OpenSSL does",
                hint="use the openssl provider, and report the version of liboqs",
            )
        return key

    def verify(
        self, public_key: Buffer, message: Buffer, signature: Buffer, context: bytes
    ) -> None:
        """Return if the signature verifies; InvalidSignatureError otherwise."""
        key = exactly(f"{self.name} public key", public_key, self.public_key_size)
        data = bytes(signature)
        if len(data) != self.signature_size:
            raise InvalidSignatureError(
                f"an {self.name} signature has {self.signature_size} bytes, not {len(data)}"
            )
        with self.oqs.Signature(self.name) as verifier:
            good = verifier.verify_with_ctx_str(bytes(message), data, check_context(context), key)
        if not good:
            raise InvalidSignatureError(f"the {self.name} signature does not verify")


class LiboqsProvider:
    """ML-KEM, FrodoKEM and ML-DSA from the native liboqs library.

    ProviderError if the library or its wrapper is not installed; nothing is ever downloaded.
    """

    name = "liboqs"

    def __init__(self) -> None:
        self._oqs = bring_up()
        self._found: dict[str, tuple[int, int, int]] = {}

    def kem(self, name: str) -> LiboqsKem:
        """The KEM `name`; UnsupportedSuiteError if this build of liboqs lacks it."""
        sizes = parameters.kem_sizes(name)
        if name not in self._oqs.get_enabled_kem_mechanisms():
            raise _missing(name)
        if (found := self._lengths(name)) != (sizes.public_key, sizes.ciphertext, sizes.shared):
            raise UnsupportedSuiteError(
                f"this liboqs has another {name}: key, ciphertext and secret of {found} bytes",
                hint="install liboqs 0.16 or newer",
            )
        return LiboqsKem(
            self._oqs, name, sizes.public_key, sizes.ciphertext, sizes.seed, sizes.shared
        )

    def signature(self, name: str) -> LiboqsSignature:
        """The signature scheme `name`; UnsupportedSuiteError if this build of liboqs lacks it."""
        sizes = parameters.signature_sizes(name)
        if name not in self._oqs.get_enabled_sig_mechanisms():
            raise _missing(name)
        return LiboqsSignature(self._oqs, name, sizes.public_key, sizes.signature)

    def _lengths(self, name: str) -> tuple[int, int, int]:
        if name not in self._found:
            with self._oqs.KeyEncapsulation(name) as kem:
                lengths = kem.length_public_key, kem.length_ciphertext, kem.length_shared_secret
            self._found[name] = lengths
        return self._found[name]


_random_source_lock = threading.Lock()


def _generate_from_seed(oqs: ModuleType, signer: Any, seed: bytes) -> bytes:
    """Generate the key pair of `seed` inside `signer`; returns the public key."""
    owner = threading.get_ident()
    answers = [seed]

    def answer(buffer: Any, size: int) -> None:
        mine = threading.get_ident() == owner and size == len(seed) and answers
        ctypes.memmove(buffer, answers.pop() if mine else os.urandom(size), size)

    source = _RANDOM_SOURCE(answer)
    with _random_source_lock:
        oqs.native().OQS_randombytes_custom_algorithm(source)
        try:
            public: bytes = signer.generate_keypair()
        finally:
            oqs.native().OQS_randombytes_switch_algorithm(b"system")
    return public


def _missing(name: str) -> UnsupportedSuiteError:
    return UnsupportedSuiteError(
        f"this build of liboqs has no {name}", hint="build liboqs with it, or use openssl"
    )
