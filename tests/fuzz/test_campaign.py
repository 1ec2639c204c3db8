from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.__main__ import counts

ROOT = Path(__file__).resolve().parents[2]

LOG = """\
INFO: Seed: 3
#2\tINITED cov: 50 ft: 51 corp: 1/1b exec/s: 0 rss: 40Mb
#1024\tNEW    cov: 73 ft: 90 corp: 9/80b lim: 4 exec/s: 512 rss: 41Mb L: 3/4 MS: 1 ChangeBit-
#4096\tDONE   cov: 80 ft: 99 corp: 9/80b lim: 4 exec/s: 512 rss: 41Mb
"""


def test_counts_are_those_of_the_last_line_of_progress() -> None:
    assert counts(LOG) == (4096, 80)


def test_target_that_did_not_start_counts_nothing() -> None:
    assert counts("ModuleNotFoundError: No module named 'atheris'\n") == (0, 0)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_campaign_names_its_seed_and_what_it_ran() -> None:
    pytest.importorskip("atheris", reason="the extra [fuzz] is not installed")
    result = run("--minutes", "0.02", "--seed", "7", "--workers", "1", "frames")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("seed 7, 1 target, 1 worker, 0.02 minutes")
    assert "frames" in result.stdout


def test_campaign_asked_for_an_unknown_target_says_so() -> None:
    result = run("nothing")
    assert result.returncode == 2
    assert "frames" in result.stderr
