"""What can go wrong in the crypto room.

    CryptoError                     a primitive, key or encoding is refused
    ├── EncodingError               bytes are not the one canonical encoding of a value
    ├── InvalidKeyError             a key, seed or ciphertext has a wrong length or value
    ├── InvalidSignatureError       a signature does not verify
    ├── AuthenticationError         an AEAD tag does not verify
    ├── UnsupportedSuiteError       a suite, algorithm or AEAD is not known, or nobody here has it
    │   └── SuitePluginError        the installed plugin of a private suite is broken
    └── ProviderError               the provider that was asked for cannot serve
    IdentityError (exit code 5)
    ├── InvalidNodeIdError          a node ID is mistyped
    ├── KeystoreError               the key file cannot be read, opened or written
    ├── GenesisError                a genesis document is not valid
    ├── CertificateError            an admission certificate or address record is refused
    └── TokenError                  a token is mistyped, truncated or of another kind

Messages carry lengths, names and public IDs. They never carry keys, seeds, tokens or passphrases.
"""

from __future__ import annotations

from qrfld.errors import IdentityError, QrfldError


class CryptoError(QrfldError):
    """A primitive refused its input, or cannot be had."""


class EncodingError(CryptoError):
    """Bytes are not the canonical encoding of a value of the expected type."""


class InvalidKeyError(CryptoError):
    """A key, seed, nonce or ciphertext has the wrong length, or is not a valid one."""


class InvalidSignatureError(CryptoError):
    """A signature does not verify under this key, message and context."""


class AuthenticationError(CryptoError):
    """An AEAD ciphertext was not made with this key, nonce and associated data."""


class UnsupportedSuiteError(CryptoError):
    """A suite, algorithm or AEAD is not known here, or not allowed."""


class SuitePluginError(UnsupportedSuiteError):
    """The plugin that offers a private suite does not load, or is not what it must be."""


class ProviderError(CryptoError):
    """The provider of cryptography that was asked for is missing or unusable."""


class InvalidNodeIdError(IdentityError):
    """A text or byte string is not a node ID."""


class KeystoreError(IdentityError):
    """The keystore cannot be read, opened or written."""


class GenesisError(IdentityError):
    """A genesis document is not valid."""


class CertificateError(IdentityError):
    """An admission certificate or an address record is refused."""


class TokenError(IdentityError):
    """A join token is mistyped, truncated or not a token."""
