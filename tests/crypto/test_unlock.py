from __future__ import annotations

import stat
from pathlib import Path

import pytest

from qrfld.crypto import unlock
from qrfld.crypto.errors import KeystoreError
from qrfld.crypto.unlock import KeyFile, Passphrase

KEY = bytes(range(32))


def private(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_created_key_file_reads_back_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "unlock.key"
    made = unlock.create_key_file(path)
    assert unlock.read_key_file(path) == made
    assert len(made.key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeystoreError, match="exists already"):
        unlock.create_key_file(path)
    assert unlock.read_key_file(path) == made


@pytest.mark.parametrize("size", [0, 31, 33, 4096])
def test_key_file_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(KeystoreError, match=r"bytes"):
        unlock.read_key_file(private(tmp_path / "unlock.key", bytes(size)))


@pytest.mark.parametrize("text", ["", "x" * 1025, "ü" * 513])
def test_passphrase_of_a_length_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(KeystoreError, match="1 to 1024 bytes"):
        Passphrase(text)


def test_passphrase_is_the_same_on_every_keyboard() -> None:
    assert Passphrase("h\u00e9").encoded == Passphrase("he\u0301").encoded


def test_passphrase_of_any_typed_bytes_has_an_encoding() -> None:
    assert Passphrase("\udcff\ud800").encoded


def test_secrets_are_in_no_repr() -> None:
    assert "hunter2" not in repr(Passphrase("hunter2"))
    assert "abcd" not in repr(KeyFile(b"abcd" * 8))


def test_unlock_takes_passphrase_then_credential_then_key_file(tmp_path: Path) -> None:
    credential = tmp_path / "qrfld.key"
    credential.write_bytes(KEY)
    credential.chmod(0o440)  # as systemd hands it to a service
    key_file = private(tmp_path / "unlock.key", KEY[::-1])
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    every = unlock.unlock_from(passphrase="p", key_file=key_file, environ=environ)
    assert every == Passphrase("p")
    assert unlock.unlock_from(key_file=key_file, environ=environ) == KeyFile(KEY)
    assert unlock.unlock_from(key_file=key_file) == KeyFile(KEY[::-1])


def test_unlock_passes_over_a_directory_without_our_credential(tmp_path: Path) -> None:
    key_file = private(tmp_path / "unlock.key", KEY)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "empty")}
    assert unlock.unlock_from(key_file=key_file, environ=environ) == KeyFile(KEY)


def test_unlock_given_a_damaged_credential_does_not_fall_back(tmp_path: Path) -> None:
    (tmp_path / "qrfld.key").write_bytes(KEY[:31])
    key_file = private(tmp_path / "unlock.key", KEY)
    with pytest.raises(KeystoreError, match="not 31"):
        unlock.unlock_from(key_file=key_file, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_unlock_given_nothing_says_what_it_takes() -> None:
    with pytest.raises(KeystoreError, match="passphrase, a key file or the systemd credential"):
        unlock.unlock_from(environ={})
