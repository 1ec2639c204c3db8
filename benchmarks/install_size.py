"""What the base install of qrfld takes: bytes on disk, and seconds until a command can start.

Installs this checkout without extras into a fresh virtual environment (needs a network for pip) and
prints the size of what was added, the largest packages, and how long a new Python process takes to
import the command line and the daemon, beside one that imports nothing: the fastest of several, so
files are in the page cache and bytecode is compiled. Prints machine and date.
"""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 11
PARTS = 4


def tree_bytes(path: Path) -> int:
    """Bytes of all files below a path (their lengths, not disk blocks)."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())


def install(directory: Path, source: Path) -> Path:
    """Make a virtual environment with qrfld in it; returns its interpreter."""
    # From a copy: setuptools leaves build/ in the tree it builds from.
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "qrfld", source / "qrfld")
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", source], check=True, stderr=subprocess.DEVNULL)
    return python


def import_seconds(python: Path, statement: str) -> float:
    """Wall time of a new process that runs one statement: the fastest of several."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTHON"))}
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([python, "-c", statement], check=True, env=environment, cwd="/")
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        before = Path(scratch) / "empty"
        venv.create(before, with_pip=True)
        python = install(Path(scratch) / "qrfld", Path(scratch) / "source")
        site = next((Path(scratch) / "qrfld" / "lib").glob("python*/site-packages"))
        added = tree_bytes(Path(scratch) / "qrfld") - tree_bytes(before)
        sizes = {}
        for entry in site.iterdir():
            if not entry.name.startswith(("pip", "setuptools")):
                name = entry.name.removesuffix(".libs")  # auditwheel's libraries of a package
                sizes[name] = sizes.get(name, 0) + tree_bytes(entry)
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:PARTS]
        bare = import_seconds(python, "pass")
        shown = {
            "python -c pass": bare,
            "import qrfld.cli.app": import_seconds(python, "import qrfld.cli.app"),
            "import qrfld.daemon": import_seconds(python, "import qrfld.daemon"),
        }
    parts = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in largest)
    print(f"base install: {added / 1e6:.0f} MB ({parts})")
    for what, seconds in shown.items():
        print(f"{what}: {seconds * 1000:.0f} ms")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    )


if __name__ == "__main__":
    sys.exit(main())
