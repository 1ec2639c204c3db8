from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from terminal import Terminal

from qrfld.cli import passphrases
from qrfld.cli.passphrases import EmptyPassphraseError, PassphraseFileError


def found(file: Path | None = None, **env: str) -> str | None:
    return passphrases.find(prompt=False, file=file, env=env)


def test_no_way_chosen_finds_none() -> None:
    assert found() is None
    assert passphrases.unlock(prompt=False, file=None, env={}) is None


def test_file_gives_its_first_line_and_wins_over_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_bytes("geheim ü \r\nsecond line".encode())
    assert found(file, QRFLD_PASSPHRASE="other") == "geheim ü "
    assert found(QRFLD_PASSPHRASE="other") == "other"


def test_empty_passphrase_is_refused_by_its_source(tmp_path: Path) -> None:
    (tmp_path / "p").touch()
    with pytest.raises(EmptyPassphraseError, match="p is empty"):
        found(tmp_path / "p")
    with pytest.raises(EmptyPassphraseError, match="QRFLD_PASSPHRASE is empty"):
        found(QRFLD_PASSPHRASE="")


@pytest.mark.parametrize("content", [None, b"x" * 5000, b"\xff\xfe\n"])
def test_file_that_cannot_be_a_passphrase_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "p"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PassphraseFileError) as caught:
        found(file)
    assert str(file) in caught.value.message
    assert caught.value.exit_code == 4


def test_prompt_without_a_terminal_says_what_to_do_instead(tmp_path: Path) -> None:
    words = ["--home", str(tmp_path), "init", "--federation", "f", "--passphrase"]
    done = subprocess.run(
        [sys.executable, "-m", "qrfld.cli", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 2
    assert "--passphrase-file" in done.stderr
    assert "Warning" not in done.stderr


def test_prompt_asks_twice_and_shows_nothing_that_is_typed(tmp_path: Path) -> None:
    home = tmp_path / "h"
    with Terminal(["--home", str(home), "init", "--federation", "f", "--passphrase"]) as terminal:
        for first, second in (("secret-words", "other-words"), ("secret-words", "secret-words")):
            # The blank after the colon is drawn when the echo is off already.
            terminal.until("Passphrase: ")
            terminal.type(f"{first}\n")
            terminal.until("confirmation: ")
            terminal.type(f"{second}\n")
        assert terminal.end() == 0
    assert "do not match" in terminal.raw
    assert "node ID" in terminal.raw
    assert "words" not in terminal.raw
    assert (home / "identity.key").exists()
    assert not (home / "unlock.key").exists()
