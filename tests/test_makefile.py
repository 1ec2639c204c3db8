"""`make` on a machine whose Python will not do: one clear line, nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def run_make(*arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=inherited, capture_output=True, text=True
    )


def stand_in(path: Path, *, fails_on: str) -> Path:
    """A program that answers as a Python would, but fails on code that contains a word."""
    path.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  --version) echo Python 3.10.0 ;;\n"
        f"  *{fails_on}*) exit 1 ;;\n"
        "esac\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("fails_on", "says"),
    [("version_info", "too old for qrfld (3.11 or newer)"), ("ensurepip", "python3-venv")],
)
def test_make_finds_an_unfit_python_says_what_to_do(
    tmp_path: Path, fails_on: str, says: str
) -> None:
    python = stand_in(tmp_path / "python", fails_on=fails_on)
    result = run_make("demo", f"PYTHON={python}", f"VENV={tmp_path}/venv")
    assert result.returncode != 0
    assert says in result.stderr
    assert not (tmp_path / "venv").exists()


def test_make_finds_no_python_says_what_to_do(tmp_path: Path) -> None:
    result = run_make("demo", f"PYTHON={tmp_path}/nothing", f"VENV={tmp_path}/venv")
    assert result.returncode != 0
    assert "PYTHON=python3.12" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_make_without_a_target_lists_the_targets() -> None:
    listing = run_make().stdout
    names = ("demo", "test", "lint", "bench", "fuzz", "docs")
    assert all(f"make {name} " in listing for name in names)
