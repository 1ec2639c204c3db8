"""The client in JavaScript: its own tests, and a run with daemons of this package."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "javascript"
#: The oldest Node that the client's packages run on.
OLDEST_NODE = (20, 19)


def missing() -> str | None:
    """What the client lacks on this machine."""
    node = shutil.which("node")
    if node is None:
        return "node not installed"
    version = subprocess.run([node, "--version"], capture_output=True, check=True, text=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_NODE:
        return f"node not installed in version 20.19 or newer: {version.strip()}"
    if not (CLIENT / "node_modules" / "@noble").is_dir():
        return "npm packages not installed: npm ci --ignore-scripts in clients/javascript"
    return None


pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def test_javascript_client_meets_the_vectors_and_its_own_tests_passes() -> None:
    result = subprocess.run(
        ["node", "--test", *sorted(map(str, (CLIENT / "test").glob("*.test.js")))],
        cwd=CLIENT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
