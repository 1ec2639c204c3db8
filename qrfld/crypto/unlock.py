"""What opens a keystore: a passphrase, or a key file for unattended boot.

A key file holds 32 random bytes and nothing else. It is made by `create_key_file` with mode 0600,
or handed over by systemd as the credential ``qrfld.key`` (``LoadCredential=`` or an encrypted one).
"""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from qrfld.crypto.errors import KeystoreError
from qrfld.crypto.files import read_private, write_private

KEY_SIZE: Final = 32
CREDENTIAL: Final = "qrfld.key"
PASSPHRASE_MAX_BYTES: Final = 1024


@dataclass(frozen=True)
class Passphrase:
    """A passphrase of 1 to 1,024 bytes in UTF-8; `repr` hides it."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        size = len(self.encoded)
        if not 1 <= size <= PASSPHRASE_MAX_BYTES:
            raise KeystoreError(
                f"a passphrase has 1 to {PASSPHRASE_MAX_BYTES} bytes, not {size}",
                hint="choose a passphrase, or unlock with a key file",
            )

    @property
    def encoded(self) -> bytes:
        """The bytes that are stretched: the same on every keyboard (NFC), whatever was typed."""
        return unicodedata.normalize("NFC", self.text).encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class KeyFile:
    """The 32 bytes of a key file; `repr` hides them."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_SIZE:
            raise KeystoreError(
                f"a key file has {KEY_SIZE} bytes, not {len(self.key)}",
                hint="restore it from your backup; its content is raw bytes, not text",
            )


Unlock = Passphrase | KeyFile


def create_key_file(path: Path) -> KeyFile:
    """Write a new key file (mode 0600); KeystoreError if something stands there already."""
    unlock = KeyFile(secrets.token_bytes(KEY_SIZE))
    write_private(path, unlock.key)
    return unlock


def read_key_file(path: Path) -> KeyFile:
    """Read a key file; KeystoreError if it is missing, not ours, readable by others or damaged."""
    return KeyFile(read_private(path, max_bytes=KEY_SIZE + 1))


def unlock_from(
    *,
    passphrase: str | None = None,
    key_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Unlock:
    """The unlock that was given: a passphrase, else systemd's credential, else the key file.

    `environ` is where ``CREDENTIALS_DIRECTORY`` stands. Systemd guards that directory itself (its
    files belong to root and are opened to the service by an ACL), so owner and mode are not asked
    for there. KeystoreError if nothing was given, or what was given cannot be read.
    """
    if passphrase is not None:
        return Passphrase(passphrase)
    directory = (environ or {}).get("CREDENTIALS_DIRECTORY")
    if directory and os.access(credential := Path(directory) / CREDENTIAL, os.F_OK):
        return KeyFile(read_private(credential, max_bytes=KEY_SIZE + 1, ours_only=False))
    if key_file is not None and os.path.lexists(key_file):
        return read_key_file(key_file)
    missing = f", and there is no key file {key_file}" if key_file is not None else ""
    raise KeystoreError(
        f"nothing was given to unlock the keystore with{missing}",
        hint="give a passphrase, a key file or the systemd credential qrfld.key",
    )
