"""The keystore: one identity's seed on disk, sealed under a passphrase or a key file.

    file   = "QRFLDKEY" ‖ {2: header bin, 4: sealed bin}
    header = {0: format, 2: suite, 4: node ID, 6: KDF, 8: salt, 10: nonce, [12: cost]}
    sealed = AES-256-GCM(key, nonce, seed, aad = "QRFLDKEY" ‖ header)

The key comes from a passphrase by Argon2id (RFC 9106; 64 MiB, 3 passes, 4 lanes, the second of its
recommended settings), or from a key file's 32 random bytes by HKDF. The cost stands in the header
and is bounded on loading: a forged file can neither exhaust memory nor ask for a cheap guess. The
header is authenticated, and the identity that comes out must have the node ID that it names.
"""

from __future__ import annotations

import secrets
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Meta

from qrfld.crypto import labels, schedule
from qrfld.crypto.aead import Cipher
from qrfld.crypto.encoding import U8, Bytes16, Hash, Key, Structure
from qrfld.crypto.errors import AuthenticationError, CryptoError, KeystoreError
from qrfld.crypto.files import read_private, write_private
from qrfld.crypto.identity import Identity
from qrfld.crypto.parameters import AEAD_KEY_SIZE, AEAD_NONCE_SIZE, AEAD_TAG_SIZE, ML_DSA_SEED_SIZE
from qrfld.crypto.suites import Aead
from qrfld.crypto.unlock import Passphrase, Unlock

MAGIC: Final = b"QRFLDKEY"
FORMAT: Final = 1
MAX_BYTES: Final = 1024
_SEALED_SIZE: Final = ML_DSA_SEED_SIZE + AEAD_TAG_SIZE


class Kdf(IntEnum):
    """Where the sealing key comes from."""

    KEY_FILE = 1
    ARGON2ID = 2


class Cost(Structure, frozen=True, kw_only=True):
    """What one guess at the passphrase costs; the bounds hold for writing and reading."""

    memory_kib: Annotated[Annotated[int, Meta(ge=16 << 10, le=256 << 10)], Key(0)] = 64 << 10
    passes: Annotated[Annotated[int, Meta(ge=1, le=16)], Key(2)] = 3
    lanes: Annotated[Annotated[int, Meta(ge=1, le=16)], Key(4)] = 4


class _Header(Structure, frozen=True, kw_only=True):
    format: Annotated[U8, Key(0)]
    suite_id: Annotated[U8, Key(2)]
    node: Annotated[Hash, Key(4)]
    kdf: Annotated[U8, Key(6)]
    salt: Annotated[Bytes16, Key(8)]
    nonce: Annotated[Annotated[bytes, Meta(min_length=12, max_length=12)], Key(10)]
    cost: Annotated[Cost | None, Key(12)] = None


class _File(Structure, frozen=True, kw_only=True):
    header: Annotated[Annotated[bytes, Meta(max_length=512)], Key(2)]
    sealed: Annotated[
        Annotated[bytes, Meta(min_length=_SEALED_SIZE, max_length=_SEALED_SIZE)], Key(4)
    ]


def save(path: Path, identity: Identity, unlock: Unlock) -> None:
    """Write a new keystore (mode 0600); KeystoreError if `path` exists or cannot be written."""
    by_passphrase = isinstance(unlock, Passphrase)
    header = _Header(
        format=FORMAT,
        suite_id=identity.suite_id,
        node=bytes(identity.node_id),
        kdf=int(Kdf.ARGON2ID if by_passphrase else Kdf.KEY_FILE),
        salt=secrets.token_bytes(16),
        nonce=secrets.token_bytes(AEAD_NONCE_SIZE),
        cost=Cost() if by_passphrase else None,
    )
    encoded = header.to_bytes()
    sealed = _cipher(header, unlock).seal(header.nonce, identity.seed, MAGIC + encoded)
    write_private(path, MAGIC + _File(header=encoded, sealed=sealed).to_bytes())


def load(path: Path, unlock: Unlock) -> Identity:
    """The identity in a keystore.

    KeystoreError if the file is missing, not ours, open to others, damaged or of another format, if
    it takes the other kind of unlock, or if passphrase or key are not the ones it was sealed with.
    """
    data = read_private(path, max_bytes=MAX_BYTES)
    header, encoded, sealed = _parse(path, data)
    try:
        seed = _cipher(header, unlock).open(header.nonce, sealed, MAGIC + encoded)
        identity = Identity.from_seed(header.suite_id, seed)
    except AuthenticationError:
        what = "passphrase" if isinstance(unlock, Passphrase) else "key file"
        raise KeystoreError(
            f"{path} does not open: the {what} is wrong, or the file is damaged",
            hint=f"check the {what}, or restore the keystore from your backup",
        ) from None
    except CryptoError as error:
        raise KeystoreError(
            f"{path} holds an identity that cannot be used: {error.message}", hint=error.hint
        ) from error
    if identity.node_id != header.node:
        raise KeystoreError(f"{path} holds another identity than it names")
    return identity


def _parse(path: Path, data: bytes) -> tuple[_Header, bytes, bytes]:
    if not data.startswith(MAGIC):
        raise KeystoreError(f"{path} is not a qrfld keystore")
    try:
        file = _File.from_bytes(data[len(MAGIC) :], max_bytes=MAX_BYTES)
        header = _Header.from_bytes(file.header, max_bytes=MAX_BYTES)
    except CryptoError as error:
        raise KeystoreError(
            f"{path} is damaged: {error}", hint="restore it from your backup"
        ) from error
    if header.format != FORMAT:
        raise KeystoreError(
            f"{path} has format {header.format}, this version reads {FORMAT}",
            hint="install a newer version of qrfld",
        )
    return header, file.header, file.sealed


def _cipher(header: _Header, unlock: Unlock) -> Cipher:
    """The cipher that seals the seed under `unlock`."""
    if isinstance(unlock, Passphrase):
        return Cipher(Aead.AES_256_GCM, _stretch(header, unlock))
    if header.kdf != Kdf.KEY_FILE:
        raise KeystoreError("the keystore opens with a passphrase, not with a key file")
    master = schedule.extract("sha512", header.salt, unlock.key)
    key = schedule.expand_label("sha512", master, labels.KEYSTORE, header.node, AEAD_KEY_SIZE)
    return Cipher(Aead.AES_256_GCM, key)


def _stretch(header: _Header, passphrase: Passphrase) -> bytes:
    if header.kdf != Kdf.ARGON2ID or header.cost is None:
        raise KeystoreError("the keystore opens with a key file, not with a passphrase")
    kdf = Argon2id(
        salt=header.salt,
        length=AEAD_KEY_SIZE,
        iterations=header.cost.passes,
        lanes=header.cost.lanes,
        memory_cost=header.cost.memory_kib,
    )
    try:
        return kdf.derive(passphrase.encoded)
    except MemoryError:
        raise KeystoreError(
            f"not enough memory for the passphrase: {header.cost.memory_kib} KiB are needed",
            hint="free some, or raise the memory limit of the service",
        ) from None
