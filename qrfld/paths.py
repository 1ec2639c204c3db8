"""Where a node keeps its things.

Three layouts, the first that applies:

1. ``--home`` or ``QRFLD_HOME``: everything in that one directory. Many nodes on one machine, tests
   and the demo use it.
2. root, or a systemd unit (which is told its directories in ``STATE_DIRECTORY`` and its siblings):
   ``/etc/qrfld``, ``/var/lib/qrfld``, ``/run/qrfld/ctl.sock``.
3. anybody else: the XDG base directories (freedesktop.org, version 0.8).

Nothing is created by asking for a path; ``Paths.create`` makes the directories.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from qrfld.errors import ConfigError, QrfldError

# sockaddr_un.sun_path holds 108 bytes on Linux, the last of them a NUL.
MAX_SOCKET_PATH = 107

CONFIG_NAMES = ("qrfld.toml", "qrfld.yaml", "qrfld.yml", "qrfld.json")


class SocketPathError(ConfigError):
    """The control socket's path does not fit into a Unix socket address."""


class AmbiguousConfigError(ConfigError):
    """Two configuration files lie side by side; either could be meant."""


class DirectoryError(QrfldError):
    """A directory cannot be made."""


class Paths:
    """The places of one node.

    ``home`` puts all of them into one directory; ``env`` is where ``QRFLD_HOME``, the XDG and the
    systemd variables are read from.

    Raises ``SocketPathError`` at once, so that ``init`` fails before it has written anything.
    """

    def __init__(self, home: Path | None = None, env: Mapping[str, str] = os.environ) -> None:
        if home is None and env.get("QRFLD_HOME"):
            home = Path(env["QRFLD_HOME"])
        if home is not None:
            config = state = runtime = home.expanduser().absolute()
        elif os.geteuid() == 0 or env.get("STATE_DIRECTORY"):
            config, state, runtime = _system_directories(env)
        else:
            config, state, runtime = _user_directories(env)
        self.home = home
        self.config_directory = config
        self.state_directory = state
        self.keystore = state / "identity.key"
        self.unlock = state / "unlock.key"
        self.database = state / "qrfld.db"
        self.blobs = state / "blobs"
        self.spool = state / "spool"
        self.log = state / "qrfld.log"
        self.lock = state / "qrfld.lock"
        self.socket = runtime / "ctl.sock"
        _check_socket_path(self.socket)

    @property
    def config(self) -> Path:
        """The configuration file: the one that exists, else ``qrfld.toml``.

        Raises ``AmbiguousConfigError`` when two exist.
        """
        found = [name for name in CONFIG_NAMES if (self.config_directory / name).exists()]
        if len(found) > 1:
            raise AmbiguousConfigError(
                f"two configuration files in {self.config_directory}: {found[0]} and {found[1]}",
                hint="keep one of them",
            )
        return self.config_directory / (found[0] if found else CONFIG_NAMES[0])

    def create(self) -> None:
        """Make every directory that is missing. Raises ``DirectoryError``.

        State is private (0700). The runtime directory may be entered by others: the socket in it
        has its own mode.
        """
        private = (self.state_directory, self.blobs, self.spool)
        shared = (self.config_directory, self.socket.parent)
        for directory, mode in [(d, 0o700) for d in private] + [(d, 0o755) for d in shared]:
            try:
                directory.mkdir(mode=mode, parents=True, exist_ok=True)
            except OSError as error:
                raise DirectoryError(
                    f"cannot make the directory {directory}: {error.strerror}",
                    hint="choose another with --home, or QRFLD_HOME",
                ) from error


def _system_directories(env: Mapping[str, str]) -> tuple[Path, Path, Path]:
    # systemd gives colon-separated lists; the unit's first entry is ours.
    def given(variable: str, default: str) -> Path:
        return Path(env.get(variable, "").split(":")[0] or default)

    return (
        given("CONFIGURATION_DIRECTORY", "/etc/qrfld"),
        given("STATE_DIRECTORY", "/var/lib/qrfld"),
        given("RUNTIME_DIRECTORY", "/run/qrfld"),
    )


def _user_directories(env: Mapping[str, str]) -> tuple[Path, Path, Path]:
    # "All paths must be absolute; a relative one should be ignored" (XDG base directories).
    def given(variable: str) -> Path | None:
        path = Path(env.get(variable, ""))
        return path / "qrfld" if path.is_absolute() else None

    user = Path(env["HOME"]) if env.get("HOME") else Path.home()
    state = given("XDG_DATA_HOME") or user / ".local" / "share" / "qrfld"
    config = given("XDG_CONFIG_HOME") or user / ".config" / "qrfld"
    return config, state, given("XDG_RUNTIME_DIR") or state


def _check_socket_path(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > MAX_SOCKET_PATH:
        raise SocketPathError(
            f"the control socket's path has {length} bytes, a Unix socket allows "
            f"{MAX_SOCKET_PATH}: {path}",
            hint="choose a shorter --home",
        )
