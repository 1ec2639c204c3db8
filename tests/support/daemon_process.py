"""A daemon process in the foreground, as an operator or systemd would start it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0
DAEMON = [sys.executable, "-m", "qrfld.daemon"]
COMMAND = [sys.executable, "-m", "qrfld.cli"]


@dataclass(frozen=True)
class Ended:
    """What a command that has ended leaves: its exit code and what it said."""

    code: int
    out: str
    err: str

    def line(self) -> str:
        """The one line on stderr, without control characters; nothing on stdout."""
        (line,) = self.err.splitlines()
        assert self.out == ""
        assert line.isprintable()
        return line


def clean(env: dict[str, str] | None = None) -> dict[str, str]:
    """Our environment without settings of qrfld's, and with ``env``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QRFLD_")}
    return {**kept, **(env or {})}


def run(
    command: list[str],
    *,
    env: dict[str, str] | None = None,
    stdin: str = "",
    pass_fds: tuple[int, ...] = (),
    user: int | None = None,
) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        command,
        input=stdin,
        env=clean(env),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        pass_fds=pass_fds,
        user=user,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def daemon(home: Path, *options: str, env: dict[str, str] | None = None) -> Ended:
    """Run a daemon that is expected to end by itself."""
    return run([*DAEMON, "--home", str(home), *options], env=env)


def qrfl(home: Path, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Ended:
    """Run one command line."""
    return run([*COMMAND, "--home", str(home), *arguments], stdin=stdin, env=env)


def state(home: Path) -> dict[str, tuple[int, str]]:
    """Mode and hash of everything in a home, apart from the log and the lock's process id."""
    found = {}
    for path in sorted(home.rglob("*")):
        if path.name in ("qrfld.log", "qrfld.lock"):
            continue
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        name = str(path.relative_to(home))
        found[name] = (path.lstat().st_mode, hashlib.sha256(content).hexdigest())
    return found


def children(pid: int) -> list[int]:
    """The process ids of a process's children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"
