"""liboqs-python is imported only over a library that loads: never a clone, an exit or a print."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qrfld.crypto import providers

# The linker's search is switched off, so that a machine with liboqs plays one without.
ALONE = "import ctypes.util; ctypes.util.find_library = lambda name: None\n"


def run(tmp_path: Path, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `script` in a fresh interpreter whose git and cmake leave a trace if called."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "cmake"):
        (tools / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/called\nexit 1\n")
        (tools / name).chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OQS", "PYOQS", "QRFLD"))}
    path = f"{tools}:{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-c", script],
        env=kept | {"HOME": str(tmp_path), "PATH": path} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def prefix_with(tmp_path: Path, library: Path | None) -> str:
    """An install prefix whose liboqs.so is `library`, or garbage."""
    directory = tmp_path / "prefix" / "lib"
    directory.mkdir(parents=True)
    if library is None:
        (directory / "liboqs.so").write_bytes(b"\x7fELF" + bytes(100))
    else:
        (directory / "liboqs.so").symlink_to(library)
    return str(tmp_path / "prefix")


def some_library() -> Path:
    """A shared library that certainly loads and certainly is not liboqs."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split()[-1]
        if "/libc.so" in path or "/libc-" in path:
            return Path(path)
    pytest.skip("no libc mapped")


def test_absent_library_leaves_the_wrapper_alone(tmp_path: Path) -> None:
    script = ALONE + (
        "import sys\n"
        "from qrfld.crypto import providers\n"
        "from qrfld.crypto.identity import Identity\n"
        "assert providers.available() == ('openssl',), providers.available()\n"
        "assert providers.provider_for(1).name == 'openssl'\n"
        "Identity.generate(1)\n"
        "assert 'oqs' not in sys.modules\n"
    )
    result = run(tmp_path, script)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not (tmp_path / "called").exists()


def test_forced_but_absent_library_is_an_error_not_a_fallback(tmp_path: Path) -> None:
    script = ALONE + (
        "import sys\n"
        "from qrfld.crypto.errors import ProviderError\n"
        "from qrfld.crypto.identity import Identity\n"
        "try:\n    Identity.generate(1)\n"
        "except ProviderError as error:\n    sys.exit(str(error))\n"
    )
    result = run(tmp_path, script, QRFLD_CRYPTO_PROVIDER="liboqs")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "liboqs not installed" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("kind", ["garbage", "another library", "directory missing"])
def test_unusable_library_is_reported_and_never_built(tmp_path: Path, kind: str) -> None:
    prefix = str(tmp_path / "nowhere")
    if kind != "directory missing":
        prefix = prefix_with(tmp_path, None if kind == "garbage" else some_library())
    script = ALONE + (
        "from qrfld.crypto import providers\n"
        "from qrfld.crypto.errors import ProviderError\n"
        "assert providers.available() == ('openssl',)\n"
        "try:\n    providers.load('liboqs')\n"
        "except ProviderError:\n    pass\n"
        "else:\n    raise AssertionError('loaded')\n"
    )
    result = run(tmp_path, script, OQS_INSTALL_PATH=prefix)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("body", ["raise SystemExit(3)", "pass", "import no_such_module"])
def test_foreign_module_named_oqs_is_refused(tmp_path: Path, body: str) -> None:
    (tmp_path / "oqs.py").write_text(body)
    script = ALONE + (
        "from qrfld.crypto import providers\n"
        "from qrfld.crypto.errors import ProviderError\n"
        "assert providers.available() == ('openssl',)\n"
        "try:\n    providers.load('liboqs')\n"
        "except ProviderError as error:\n    assert 'oqs' in str(error)\n"
        "else:\n    raise AssertionError('loaded')\n"
    )
    prefix = prefix_with(tmp_path, some_library())
    result = run(tmp_path, script, OQS_INSTALL_PATH=prefix, PYTHONPATH=str(tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_present_library_prints_nothing(tmp_path: Path) -> None:
    if "liboqs" not in providers.available():
        pytest.skip("liboqs not installed")
    script = (
        "from qrfld.crypto import providers\n"
        "from qrfld.crypto.identity import Identity\n"
        "assert providers.available() == ('liboqs', 'openssl')\n"
        "identity = Identity.generate(1)\n"
        "identity.verify(b'm', identity.sign(b'm', b'c'), b'c')\n"
    )
    prefix = os.environ.get("OQS_INSTALL_PATH", str(Path.home() / "_oqs"))
    result = run(tmp_path, script, OQS_INSTALL_PATH=prefix)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
