from __future__ import annotations

import os
from pathlib import Path

import pytest

from qrfld.errors import ConfigError
from qrfld.paths import AmbiguousConfigError, DirectoryError, Paths, SocketPathError

STATE_NAMES = (
    "keystore",
    "unlock",
    "database",
    "blobs",
    "spool",
    "log",
    "lock",
    "socket",
    "config",
)


@pytest.fixture
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def test_home_given_holds_everything() -> None:
    paths = Paths(Path("/h"), {})
    assert {getattr(paths, name).parent for name in STATE_NAMES} == {Path("/h")}
    assert len({getattr(paths, name) for name in STATE_NAMES}) == len(STATE_NAMES)


def test_home_from_environment_is_used() -> None:
    assert Paths(None, {"QRFLD_HOME": "/h"}).database == Path("/h/qrfld.db")


def test_home_argument_wins_over_environment() -> None:
    assert Paths(Path("/a"), {"QRFLD_HOME": "/b"}).database == Path("/a/qrfld.db")


def test_home_relative_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Paths(Path("n1"), {}).database == tmp_path / "n1" / "qrfld.db"


def test_root_uses_system_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    paths = Paths(None, {})
    assert paths.config == Path("/etc/qrfld/qrfld.toml")
    assert paths.database == Path("/var/lib/qrfld/qrfld.db")
    assert paths.socket == Path("/run/qrfld/ctl.sock")


@pytest.mark.usefixtures("ordinary_user")
def test_unit_with_dynamic_user_uses_directories_of_systemd() -> None:
    env = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "RUNTIME_DIRECTORY": "/run/a"}
    paths = Paths(None, env)
    assert paths.database == Path("/var/lib/a/qrfld.db")
    assert paths.socket == Path("/run/a/ctl.sock")
    assert paths.config == Path("/etc/qrfld/qrfld.toml")


@pytest.mark.usefixtures("ordinary_user")
def test_user_uses_xdg_directories() -> None:
    env = {"XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c", "XDG_RUNTIME_DIR": "/r", "HOME": "/u"}
    paths = Paths(None, env)
    assert paths.config == Path("/c/qrfld/qrfld.toml")
    assert paths.database == Path("/d/qrfld/qrfld.db")
    assert paths.socket == Path("/r/qrfld/ctl.sock")


@pytest.mark.usefixtures("ordinary_user")
def test_user_with_relative_xdg_value_ignores_it() -> None:
    paths = Paths(None, {"XDG_DATA_HOME": "d", "HOME": "/u"})
    assert paths.database == Path("/u/.local/share/qrfld/qrfld.db")
    assert paths.socket == Path("/u/.local/share/qrfld/ctl.sock")
    assert paths.config == Path("/u/.config/qrfld/qrfld.toml")


def test_socket_path_of_107_bytes_is_accepted() -> None:
    home = "/" + "h" * (107 - len("//ctl.sock"))
    assert len(str(Paths(Path(home), {}).socket)) == 107


def test_socket_path_of_108_bytes_is_refused_with_its_length() -> None:
    home = "/" + "h" * (108 - len("//ctl.sock"))
    with pytest.raises(SocketPathError, match="108 bytes"):
        Paths(Path(home), {})


def test_socket_path_is_measured_in_bytes_not_characters() -> None:
    with pytest.raises(SocketPathError):
        Paths(Path("/" + "é" * 60), {})


@pytest.mark.parametrize("name", ["qrfld.yaml", "qrfld.yml", "qrfld.json"])
def test_config_of_another_format_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert Paths(tmp_path, {}).config == tmp_path / name


def test_config_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "qrfld.toml").touch()
    (tmp_path / "qrfld.json").touch()
    with pytest.raises(AmbiguousConfigError, match=r"qrfld\.toml and qrfld\.json") as caught:
        _ = Paths(tmp_path, {}).config
    assert caught.value.exit_code == ConfigError.exit_code


def test_create_makes_private_directories(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "a" / "b", {})
    paths.create()
    paths.create()
    for directory in (paths.state_directory, paths.blobs, paths.spool):
        assert directory.stat().st_mode & 0o777 == 0o700


def test_create_over_a_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DirectoryError, match="file"):
        Paths(tmp_path / "file" / "x", {}).create()
