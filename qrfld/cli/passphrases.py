"""Where a passphrase comes from: a prompt, a file, the environment; never the command line.

What stands on a command line is seen by every user of the machine (`ps`) and kept in the shell's
history, so there is no option that takes the passphrase itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from qrfld.errors import ConfigError, IdentityError, UsageError

if TYPE_CHECKING:
    from qrfld.crypto.unlock import Passphrase

VARIABLE: Final = "QRFLD_PASSPHRASE"
MAX_FILE_BYTES: Final = 4096


class PassphraseFileError(ConfigError):
    """A passphrase file cannot be used."""


class EmptyPassphraseError(IdentityError):
    """There is nothing where the passphrase should be."""


def find(
    *, prompt: bool, file: Path | None, confirm: bool = False, env: Mapping[str, str] = os.environ
) -> str | None:
    """The passphrase: from ``file``, else from ``QRFLD_PASSPHRASE``, else asked if ``prompt``.

    None when no way was chosen. Raises PassphraseFileError or EmptyPassphraseError, or UsageError
    when it should be asked for and nobody can be.
    """
    if file is not None:
        text = _first_line(file)
    elif VARIABLE in env:
        text = env[VARIABLE]
    elif prompt:
        _check_terminal()
        text = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    else:
        return None
    if not text:
        source = file or VARIABLE
        raise EmptyPassphraseError(f"the passphrase in {source} is empty", hint="choose one")
    return text


def unlock(
    *, prompt: bool, file: Path | None, env: Mapping[str, str] = os.environ
) -> Passphrase | None:
    """What shall open a new keystore; None for a key file beside it."""
    text = find(prompt=prompt, file=file, confirm=True, env=env)
    if text is None:
        return None
    from qrfld.crypto.unlock import Passphrase

    return Passphrase(text)


def _check_terminal() -> None:
    """Find out whether there is a terminal to ask on; it need not be standard input."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        if not sys.stdin.isatty():
            raise UsageError(
                "there is no terminal to ask for the passphrase on",
                hint=f"name a file with --passphrase-file, or set {VARIABLE}",
            ) from None


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PassphraseFileError(
            f"cannot read the passphrase file {file}: {error.strerror}",
            hint="name a readable file with --passphrase-file",
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise PassphraseFileError(
            f"the passphrase file {file} has more than {MAX_FILE_BYTES} bytes",
            hint="it should hold one line of text",
        )
    try:
        return data.decode("utf-8").partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise PassphraseFileError(
            f"the passphrase file {file} is not UTF-8 text", hint="it should hold one line of text"
        ) from None
