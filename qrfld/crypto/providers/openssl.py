"""The `openssl` provider: ML-KEM and ML-DSA from the `cryptography` package.

Always present (its wheels carry their own OpenSSL), constant time, and it releases the GIL in
signing and verifying. Private keys are held by the library in seed form. The library's own errors
end here; `decapsulate` and `verify` see inputs of the right length only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem

from qrfld.crypto import parameters
from qrfld.crypto.errors import InvalidKeyError, InvalidSignatureError, UnsupportedSuiteError
from qrfld.crypto.parameters import Buffer, check_context, exactly

_KemPrivate = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey
_KemPublic = mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey
_SignaturePrivate = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
_SignaturePublic = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey

_KEMS: Final[dict[str, tuple[type[_KemPrivate], type[_KemPublic]]]] = {
    "ML-KEM-768": (mlkem.MLKEM768PrivateKey, mlkem.MLKEM768PublicKey),
    "ML-KEM-1024": (mlkem.MLKEM1024PrivateKey, mlkem.MLKEM1024PublicKey),
}
_SIGNATURES: Final[dict[str, tuple[type[_SignaturePrivate], type[_SignaturePublic]]]] = {
    "ML-DSA-44": (mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey),
    "ML-DSA-65": (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey),
    "ML-DSA-87": (mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey),
}


class OpensslKemKeyPair:
    """A KEM key pair held by OpenSSL."""

    def __init__(self, key: _KemPrivate, ciphertext_size: int) -> None:
        self._key = key
        self._ciphertext_size = ciphertext_size
        self.public = key.public_key().public_bytes_raw()

    def decapsulate(self, ciphertext: Buffer) -> bytes:
        """The shared secret in `ciphertext`; InvalidKeyError on a wrong length."""
        return self._key.decapsulate(exactly("KEM ciphertext", ciphertext, self._ciphertext_size))


@dataclass(frozen=True)
class OpensslKem:
    """ML-KEM by OpenSSL."""

    name: str
    public_key_size: int
    ciphertext_size: int
    seed_size: int = parameters.ML_KEM_SEED_SIZE
    shared_size: int = parameters.ML_KEM_SHARED_SIZE

    def keypair(self, seed: Buffer | None = None) -> OpensslKemKeyPair:
        """The key pair of a 64-byte seed ``d ‖ z``, or a fresh one."""
        private, _ = _KEMS[self.name]
        if seed is None:
            return OpensslKemKeyPair(private.generate(), self.ciphertext_size)
        data = exactly("KEM seed", seed, self.seed_size)
        return OpensslKemKeyPair(private.from_seed_bytes(data), self.ciphertext_size)

    def encapsulate(self, public_key: Buffer) -> tuple[bytes, bytes]:
        """A fresh (ciphertext, shared secret); InvalidKeyError if the key is not one."""
        data = exactly(f"{self.name} encapsulation key", public_key, self.public_key_size)
        _, public = _KEMS[self.name]
        try:
            shared, ciphertext = public.from_public_bytes(data).encapsulate()
        except ValueError:
            raise InvalidKeyError(
                f"not a valid {self.name} encapsulation key: a coefficient is out of range"
            ) from None
        return ciphertext, shared


class OpensslSigningKey:
    """A signing key held by OpenSSL in seed form."""

    def __init__(self, key: _SignaturePrivate) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    @property
    def seed(self) -> bytes:
        """The 32-byte seed: the secret itself."""
        return self._key.private_bytes_raw()

    def sign(self, message: Buffer, context: bytes) -> bytes:
        """A hedged signature over `message` under `context`."""
        return self._key.sign(message, check_context(context))


@dataclass(frozen=True)
class OpensslSignature:
    """ML-DSA by OpenSSL."""

    name: str
    public_key_size: int
    signature_size: int
    seed_size: int = parameters.ML_DSA_SEED_SIZE

    def keypair(self, seed: Buffer | None = None) -> OpensslSigningKey:
        """The signing key of a 32-byte seed, or a fresh one."""
        private, _ = _SIGNATURES[self.name]
        if seed is None:
            return OpensslSigningKey(private.generate())
        data = exactly(f"{self.name} seed", seed, self.seed_size)
        return OpensslSigningKey(private.from_seed_bytes(data))

    def verify(
        self, public_key: Buffer, message: Buffer, signature: Buffer, context: bytes
    ) -> None:
        """Return if the signature verifies; InvalidSignatureError otherwise."""
        data = exactly(f"{self.name} public key", public_key, self.public_key_size)
        sealed = bytes(signature)
        if len(sealed) != self.signature_size:
            raise InvalidSignatureError(
                f"an {self.name} signature has {self.signature_size} bytes, not {len(sealed)}"
            )
        _, public = _SIGNATURES[self.name]
        try:
            public.from_public_bytes(data).verify(sealed, message, check_context(context))
        except InvalidSignature:
            raise InvalidSignatureError(f"the {self.name} signature does not verify") from None


class OpensslProvider:
    """ML-KEM and ML-DSA from the `cryptography` package."""

    name = "openssl"

    def kem(self, name: str) -> OpensslKem:
        """The KEM `name`; UnsupportedSuiteError if this build of OpenSSL lacks it."""
        return _kem(name)

    def signature(self, name: str) -> OpensslSignature:
        """The signature scheme `name`; UnsupportedSuiteError if this build of OpenSSL lacks it."""
        return _signature(name)


# A build without an algorithm says so at its first use only: ask once, with a seed of zeros.
@cache
def _kem(name: str) -> OpensslKem:
    sizes = parameters.kem_sizes(name)
    if name not in _KEMS:
        raise UnsupportedSuiteError(
            f"the cryptography package has no {name}", hint="liboqs has: see docs/install.md"
        )
    try:
        _KEMS[name][0].from_seed_bytes(bytes(parameters.ML_KEM_SEED_SIZE))
    except UnsupportedAlgorithm:
        raise _missing(name) from None
    return OpensslKem(name, sizes.public_key, sizes.ciphertext)


@cache
def _signature(name: str) -> OpensslSignature:
    sizes = parameters.signature_sizes(name)
    try:
        _SIGNATURES[name][0].from_seed_bytes(bytes(parameters.ML_DSA_SEED_SIZE))
    except UnsupportedAlgorithm:
        raise _missing(name) from None
    return OpensslSignature(name, sizes.public_key, sizes.signature)


def _missing(name: str) -> UnsupportedSuiteError:
    return UnsupportedSuiteError(
        f"this build of the cryptography package has no {name}",
        hint="install cryptography >= 50.0.2 from its wheels",
    )
