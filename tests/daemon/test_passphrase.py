"""How the passphrase comes in, and that nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from qrfld.daemon.passphrase import MOST_BYTES, passphrase
from qrfld.errors import UsageError

#: Prints what is left of the variable for this process, for its children and for `ps`.
LOOK = """
import os, pathlib, subprocess, sys
from qrfld.daemon.passphrase import passphrase
assert passphrase(None) == "h\\u00e9llo w\\u00f6rld \\u2192"
shown = pathlib.Path("/proc/self/environ").read_bytes()
child = subprocess.run(["env"], capture_output=True, check=True).stdout
print(os.environ.get("QRFLD_PASSPHRASE"), b"llo w" in shown, b"QRFLD_PASSPHRASE" in child)
print(b"LAST=kept" in shown, b"LAST=kept" in child)
"""


def pipe(data: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return reading


def test_variable_is_read_once_and_overwritten_where_it_lies() -> None:
    env = {**os.environ, "QRFLD_PASSPHRASE": "h\u00e9llo w\u00f6rld \u2192", "LAST": "kept"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "None False False\nTrue True\n"


@pytest.mark.parametrize("text", ["secret", "secret\n", "two words", "h\u00e9"])
def test_descriptor_is_read_to_its_end_and_closed(text: str) -> None:
    descriptor = pipe(text.encode())
    assert passphrase(descriptor) == text.rstrip("\n")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_descriptor_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRFLD_PASSPHRASE", "from the environment")
    assert passphrase(pipe(b"from the descriptor")) == "from the descriptor"
    assert "QRFLD_PASSPHRASE" not in os.environ


def test_descriptor_that_never_ends_is_read_to_a_limit() -> None:
    with open("/dev/zero", "rb") as endless:  # noqa: PTH123 - a device
        assert passphrase(os.dup(endless.fileno())) == "\0" * MOST_BYTES


def test_descriptor_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UsageError, match="--passphrase-fd 900 cannot be read: Bad file descriptor"):
        passphrase(900)


def test_nothing_given_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QRFLD_PASSPHRASE", raising=False)
    assert passphrase(None) is None
