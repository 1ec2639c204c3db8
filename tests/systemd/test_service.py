"""The unit file: accepted by systemd, as strict as documented, and fit for what the daemon runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qrfld.errors import ConfigError, IdentityError
from qrfld.paths import Paths

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "qrfld.service"
DOCUMENT = ROOT / "docs" / "service.md"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)

#: Forbids memory that is writable and executable, as MemoryDenyWriteExecute= does (prctl(2),
#: PR_SET_MDWE, Linux 6.3), then does what daemon and worker do with native code.
NATIVE_CODE = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:
    sys.exit(77)
import asyncio, uvloop, numpy
from qrfld.crypto.identity import Identity
from qrfld.daemon import main
from sklearn.datasets import load_digits
Identity.generate(1).sign(b"message", b"context")
data = load_digits().data
(data @ data.T).sum()
uvloop.run(asyncio.sleep(0))
"""


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit with its command pointed at the qrfld of this environment."""
    command = Path(sys.executable).parent / "qrfld"
    text = UNIT.read_text().replace("ExecStart=/opt/qrfld/bin/qrfld", f"ExecStart={command}")
    assert str(command) in text
    path = tmp_path / "qrfld.service"
    path.write_text(text)
    return path


@needs_systemd
def test_unit_is_verified_without_a_word(installed_unit: Path) -> None:
    check = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", installed_unit],
        capture_output=True,
        text=True,
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")


@needs_systemd
def test_unit_is_no_more_exposed_than_documented(installed_unit: Path) -> None:
    match = re.search(r"exposure level (\d+\.\d)", DOCUMENT.read_text())
    assert match is not None
    report = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", installed_unit],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    level = re.search(r"Overall exposure level for qrfld.service: (\d+\.\d)", report)
    assert level is not None
    assert float(level[1]) <= float(match[1])


def test_unit_directories_are_those_the_daemon_expects() -> None:
    given = {
        "CONFIGURATION_DIRECTORY": f"/etc/{settings()['ConfigurationDirectory'][0]}",
        "STATE_DIRECTORY": f"/var/lib/{settings()['StateDirectory'][0]}",
        "RUNTIME_DIRECTORY": f"/run/{settings()['RuntimeDirectory'][0]}",
    }
    paths = Paths(env=given)
    assert str(paths.socket) == "/run/qrfld/ctl.sock"
    assert str(paths.database) == "/var/lib/qrfld/qrfld.db"
    assert str(paths.config_directory) == "/etc/qrfld"


def test_unit_does_not_restart_what_cannot_succeed() -> None:
    codes = {int(code) for code in settings()["RestartPreventExitStatus"][0].split()}
    assert codes == {ConfigError.exit_code, IdentityError.exit_code}


def test_native_code_runs_without_writable_executable_memory() -> None:
    run = subprocess.run([sys.executable, "-c", NATIVE_CODE], capture_output=True, text=True)
    if run.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    assert run.returncode == 0, run.stderr
