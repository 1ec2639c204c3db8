"""X25519 (RFC 7748), the classical half of every session key.

The hybrid holds while either half holds, so this half is checked as strictly as the other: lengths
first, and a result of zeros (a public key of small order) is refused.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from qrfld.crypto.errors import InvalidKeyError
from qrfld.crypto.parameters import X25519_SIZE, Buffer, exactly


class DhKeyPair:
    """An X25519 key pair; lives for one handshake."""

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    def exchange(self, peer: Buffer) -> bytes:
        """The 32-byte secret shared with `peer`; InvalidKeyError if it would be all zeros."""
        public = X25519PublicKey.from_public_bytes(exactly("X25519 public key", peer, X25519_SIZE))
        try:
            return self._key.exchange(public)
        except ValueError:
            raise InvalidKeyError(
                "the X25519 public key has small order: the shared secret would be all zeros"
            ) from None


def keypair(seed: Buffer | None = None) -> DhKeyPair:
    """The key pair of a 32-byte private key, or a fresh one."""
    if seed is None:
        return DhKeyPair(X25519PrivateKey.generate())
    data = exactly("X25519 private key", seed, X25519_SIZE)
    return DhKeyPair(X25519PrivateKey.from_private_bytes(data))
