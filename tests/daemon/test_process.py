"""The daemon's process: every way in which a start can fail, signals, and what stays secret."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_process import DAEMON, Ended, clean, daemon, run, state
from nodes import TestNode, eventually, stopped_at_end

from qrfld import __version__
from qrfld.api import init_federation
from qrfld.crypto import providers
from qrfld.crypto.unlock import Passphrase
from qrfld.daemon import main
from qrfld.paths import Paths

PASSPHRASE = "correct horse battery staple"
#: Copies of one home run at once.
ANY_PORT = {"QRFLD_LISTEN_PORT": "0"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two nodes, ``node`` and ``other``, and ``asks``, which has a passphrase."""
    directory = tmp_path_factory.mktemp("made")
    for name in ("node", "other"):
        TestNode(name, directory / name).init()
    TestNode("asks", directory / "asks").init(unlock=Passphrase(PASSPHRASE))
    return directory


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "node", tmp_path / "node"))


@pytest.fixture
def asks(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "asks", tmp_path / "asks"))


Fault = Callable[[Path, Path], object]


def overwrite(name: str, content: bytes) -> Fault:
    return lambda home, _: (home / name).write_bytes(content)


def mode(name: str, bits: int) -> Fault:
    return lambda home, _: (home / name).chmod(bits)


def missing(name: str) -> Fault:
    return lambda home, _: (home / name).unlink()


def truncate_database(home: Path, _: Path) -> None:
    path = home / "qrfld.db"
    path.write_bytes(path.read_bytes()[:6000])


def damage_database(home: Path, _: Path) -> None:
    """Break the pages behind the first one, which tells the file's kind."""
    path = home / "qrfld.db"
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)


def database_of_tomorrow(home: Path, _: Path) -> None:
    connection = sqlite3.connect(home / "qrfld.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def keystore_of_another(home: Path, other: Path) -> None:
    for name in ("identity.key", "unlock.key"):
        (home / name).unlink()
        shutil.copy2(other / name, home / name)


FAULTS: dict[str, tuple[Fault, int, str, tuple[str, ...]]] = {
    "keystore missing": (missing("identity.key"), 5, "keystore", ("identity.key", "No such file")),
    "keystore wide": (
        mode("identity.key", 0o644),
        5,
        "keystore",
        ("identity.key has mode 0644", "chmod 600"),
    ),
    "keystore damaged": (
        overwrite("identity.key", b"QRFLDKEY" + bytes(40)),
        5,
        "keystore",
        ("identity.key is damaged", "backup"),
    ),
    "keystore of another node": (
        keystore_of_another,
        5,
        "identity",
        ("identity.key is of node", "the database of node", "backup"),
    ),
    "key file missing": (
        missing("unlock.key"),
        5,
        "keystore",
        ("no key file", "unlock.key", "giv"),
    ),
    "key file too large": (
        overwrite("unlock.key", bytes(100)),
        5,
        "keystore",
        ("unlock.key has 100 bytes", "at most"),
    ),
    "key file too short": (
        overwrite("unlock.key", bytes(31)),
        5,
        "keystore",
        ("32 bytes, not 31",),
    ),
    "key file wide": (mode("unlock.key", 0o640), 5, "keystore", ("mode 0640", "chmod 600")),
    "key file of another": (
        overwrite("unlock.key", bytes(32)),
        5,
        "keystore",
        ("key file is wrong",),
    ),
    "database missing": (
        missing("qrfld.db"),
        1,
        "database-missing",
        ("qrfld.db does not exist", "qrfl init"),
    ),
    "database empty": (overwrite("qrfld.db", b""), 1, "database-missing", ("qrfld.db is empty",)),
    "database is text": (
        overwrite("qrfld.db", b"hello" * 2000),
        1,
        "database-corrupt",
        ("qrfld.db is not a database", "backup"),
    ),
    "database truncated": (truncate_database, 1, "database-corrupt", ("qrfld.db", "backup")),
    "database damaged": (damage_database, 1, "database-corrupt", ("qrfld.db", "backup")),
    "database newer": (database_of_tomorrow, 1, "database-newer", ("version 99", "install")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_start_with_a_fault_says_one_line_and_changes_nothing(
    fault: str, home: Path, made: Path
) -> None:
    break_it, code, name, said = FAULTS[fault]
    break_it(home, made / "other")
    before = state(home)
    ended = daemon(home)
    line = ended.line()
    assert ended.code == code, line
    assert line.startswith(f"qrfld: {name}"), line
    assert all(part in line for part in said), line
    assert state(home) == before


CONFIGS: dict[str, tuple[str, str, dict[str, str], str, tuple[str, ...]]] = {
    "unknown key": (
        "qrfld.toml",
        "[listen]\nprot = 1\n",
        {},
        "unknown-key",
        ("listen.prot", "qrfld.toml, line 2", "did you mean 'port'?"),
    ),
    "unknown section": ("qrfld.toml", "[lissten]\n", {}, "unknown-key", ("lissten", "'listen'")),
    "wrong type": (
        "qrfld.toml",
        '[listen]\nport = "no"\n',
        {},
        "config-value",
        ("listen.port is 'no'", "line 2", "0 to 65535"),
    ),
    "out of range": (
        "qrfld.toml",
        "[limits]\nsessions = 0\n",
        {},
        "config-value",
        ("limits.sessions is 0", "1 to 4096"),
    ),
    "not TOML": ("qrfld.toml", "[listen\n", {}, "config-file", ("not valid TOML", "line 1")),
    "YAML": (
        "qrfld.yaml",
        "listen:\n  port: 99999\n",
        {},
        "config-value",
        ("listen.port is 99999", "qrfld.yaml, line 2"),
    ),
    "JSON": (
        "qrfld.json",
        '{"listen":\n {"host": 5}}',
        {},
        "config-value",
        ("listen.host is 5", "qrfld.json, line 2"),
    ),
    "two files": (
        "qrfld.json",
        "{}",
        {},
        "ambiguous-config",
        ("qrfld.toml and qrfld.json", "keep one"),
    ),
    "override": (
        "qrfld.toml",
        "",
        {"QRFLD_LISTEN_PORT": "many"},
        "config-value",
        ("listen.port is 'many' in QRFLD_LISTEN_PORT",),
    ),
    "unknown variable": (
        "qrfld.toml",
        "",
        {"QRFLD_LISTEN_PROT": "1"},
        "unknown-key",
        ("listen.prot", "QRFLD_LISTEN_PROT", "'port'"),
    ),
    "mistyped peer": (
        "qrfld.toml",
        '[bootstrap]\npeers = ["ABCDEFG@10.0.0.1:7483"]\n',
        {},
        "config-value",
        ("bootstrap.peers", "ABCDEFG"),
    ),
    "unknown attack": (
        "qrfld.toml",
        '[lab]\nattack = "tickle"\n',
        {},
        "config-value",
        ("lab.attack is 'tickle'", "sign-flip"),
    ),
    "missing provider": (
        "qrfld.toml",
        '[crypto]\nprovider = "liboqs"\n',
        {"OQS_INSTALL_PATH": "/nonexistent"},
        "config-value",
        ("crypto.provider is 'liboqs'", "liboqs not installed", "OQS_INSTALL_PATH"),
    ),
    "control characters": (
        "qrfld.toml",
        '[lab]\nattack = "\\u001b[2J\\n"\n',
        {},
        "config-value",
        ("lab.attack", "x1b"),
    ),
}


def refused(home: Path, fault: str) -> tuple[dict[str, str], Callable[[Ended], None]]:
    """Write a wrong configuration; returns its environment, and the check of what is said."""
    name, text, env, error, said = CONFIGS[fault]
    if fault != "two files":
        (home / "qrfld.toml").unlink()
    (home / name).write_text(text)
    before = state(home)

    def check(ended: Ended) -> None:
        line = ended.line()
        assert ended.code == 4, line
        assert line.startswith(f"qrfld: {error}: "), line
        assert all(part in line for part in said), line
        assert state(home) == before

    return env, check


@pytest.mark.parametrize("fault", CONFIGS)
def test_wrong_configuration_is_checked_names_key_value_and_place(
    fault: str,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env, check = refused(home, fault)
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(providers, "_chosen", None)  # not to outlive this test
    providers.load.cache_clear()
    code = main(["--home", str(home), "--check-config"])
    check(Ended(code, *capsys.readouterr()))


@pytest.mark.parametrize("fault", ["unknown key", "missing provider"])
def test_wrong_configuration_at_the_start_names_key_value_and_place(fault: str, home: Path) -> None:
    env, check = refused(home, fault)
    check(daemon(home, env=env))


@pytest.mark.parametrize("name", ["qrfld.toml", "qrfld.yaml", "qrfld.json"])
def test_configuration_of_each_format_is_checked_valid(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"listen": {"port": 1}}' if name != "qrfld.toml" else "")
    ended = daemon(tmp_path, "--check-config")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{tmp_path / name}: configuration is valid\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_home_is_empty_says_who_makes_a_node_and_makes_nothing(tmp_path: Path) -> None:
    ended = daemon(tmp_path / "nobody")
    assert ended.code == 4
    assert "nobody/qrfld.toml: No such file" in ended.line()
    assert "qrfl init" in ended.line()
    assert not (tmp_path / "nobody").exists()


def test_socket_path_is_too_long_says_how_long_it_may_be(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100)
    ended = daemon(home)
    assert ended.code == 4
    assert ended.line().startswith("qrfld: socket-path: ")
    assert "107" in ended.line()
    assert "--home" in ended.line()
    assert not home.exists()


def test_port_is_in_use_names_it_and_changes_nothing(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        before = state(home)
        ended = daemon(home, env={"QRFLD_LISTEN_PORT": str(taken.getsockname()[1])})
    line = ended.line()
    assert ended.code == 4
    assert line.startswith("qrfld: port-in-use: ")
    assert all(part in line for part in (address, "in use", "listen.port")), line
    assert state(home) == before


def test_socket_has_a_directory_in_its_place_names_it(home: Path) -> None:
    (home / "ctl.sock").mkdir()
    ended = daemon(home, env=ANY_PORT)
    assert ended.code == 1
    assert str(home / "ctl.sock") in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-host.invalid"])
def test_listen_host_is_not_ours_names_it_and_changes_nothing(host: str, home: Path) -> None:
    before = state(home)
    ended = daemon(home, env={"QRFLD_LISTEN_HOST": host})
    assert ended.code == 4
    assert ended.line().startswith(f"qrfld: listen-address: cannot listen on {host}:")
    assert "listen.host" in ended.line()
    assert state(home) == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("wrong", "the passphrase is wrong"),
        ("", "1 to 1024 bytes, not 0"),
        ("x" * 5000, "1 to 1024 bytes"),
        (None, "nothing was given to unlock the keystore with"),
    ],
    ids=["wrong", "empty", "endless", "none"],
)
def test_passphrase_does_not_open_says_so_and_never_shows_it(
    given: str | None, said: str, asks: Path
) -> None:
    before = state(asks)
    ended = daemon(asks, env={} if given is None else {"QRFLD_PASSPHRASE": given})
    line = ended.line()
    assert ended.code == 5
    assert line.startswith("qrfld: keystore: ")
    assert said in line
    assert not given or given not in line.removeprefix("qrfld: keystore").replace(said, "")
    assert state(asks) == before


def test_passphrase_given_where_a_key_file_opens_says_so(home: Path) -> None:
    ended = daemon(home, env={"QRFLD_PASSPHRASE": PASSPHRASE, **ANY_PORT})
    assert ended.code == 5
    assert "opens with a key file, not with a passphrase" in ended.line()


def test_passphrase_descriptor_is_closed_says_which(asks: Path) -> None:
    ended = daemon(asks, "--passphrase-fd", "77")
    assert ended.code == 2
    assert "--passphrase-fd 77" in ended.line()


def test_credential_of_systemd_unlocks_in_place_of_the_key_file(home: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (home / "unlock.key").rename(credentials / "qrfld.key")
    node = TestNode("node", home, env={"CREDENTIALS_DIRECTORY": str(credentials), **ANY_PORT})
    with stopped_at_end([node]):
        node.up()
        assert node.down() == 0


def test_version_and_unknown_options_end_as_usual(tmp_path: Path) -> None:
    shown = run([*DAEMON, "--version"])
    assert (shown.code, shown.out) == (0, f"qrfld {__version__}\n")
    refused = run([*DAEMON, "--hmoe", str(tmp_path)])
    assert refused.code == 2
    assert "--hmoe" in refused.err


@pytest.fixture(scope="module")
def running(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    """One node that was started with a passphrase in its environment."""
    home = Path(shutil.copytree(made / "asks", tmp_path_factory.mktemp("running") / "asks"))
    node = TestNode("asks", home, env={"QRFLD_PASSPHRASE": PASSPHRASE, **ANY_PORT})
    with stopped_at_end([node]):
        yield node.up()


def test_second_daemon_in_a_home_is_refused_and_the_first_goes_on(running: TestNode) -> None:
    ended = daemon(running.home, env=running.env)
    assert ended.code == 1
    assert ended.line().startswith("qrfld: already-running: ")
    assert running.process is not None
    assert f"process {running.process.pid}" in ended.line()
    assert "qrfl down" in ended.line()
    assert running.answers()


def test_passphrase_is_nowhere_to_be_seen_after_the_start(running: TestNode) -> None:
    assert running.process is not None
    proc = Path(f"/proc/{running.process.pid}")
    for place in ("environ", "cmdline"):
        assert PASSPHRASE.encode() not in (proc / place).read_bytes()
    assert PASSPHRASE not in running.log()


def test_daemon_carries_no_training_library(running: TestNode) -> None:
    assert running.process is not None
    mapped = Path(f"/proc/{running.process.pid}/maps").read_text()
    for library in ("/torch/", "/sklearn/", "/scipy/"):
        assert library not in mapped


def owner(lock: Path) -> str:
    """The pid in a lock file, "" while there is none."""
    return lock.read_text().strip() if lock.exists() else ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_daemon_in_order(number: signal.Signals, home: Path) -> None:
    node = TestNode("node", home, env=ANY_PORT)
    with stopped_at_end([node]):
        node.up()
        assert node.process is not None
        node.process.send_signal(number)
        assert node.process.wait(60) == 0
        node.process = None
    assert not node.paths.socket.exists()
    assert not list(home.glob("qrfld.db-*"))  # the database was closed
    assert '"stopped"' in node.log()
    assert "Traceback" not in node.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_during_the_start_leaves_a_home_that_starts(
    number: signal.Signals, asks: Path
) -> None:
    before = state(asks)
    env = {"QRFLD_PASSPHRASE": PASSPHRASE, **ANY_PORT}
    process = subprocess.Popen(
        [*DAEMON, "--home", str(asks)],
        env=clean(env),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a background job
    )
    with process:
        try:
            # The lock is taken, the passphrase is being stretched.
            ours = str(process.pid)
            eventually("the lock is held", lambda: owner(asks / "qrfld.lock") == ours)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode in (0, 130, -signal.SIGTERM)
    assert "Traceback" not in said
    assert state(asks) == before
    node = TestNode("asks", asks, env=env)
    with stopped_at_end([node]):
        node.up()
        assert node.down() == 0


def test_kill_leaves_a_home_that_starts(home: Path) -> None:
    node = TestNode("node", home, env=ANY_PORT)
    with stopped_at_end([node]):
        node.up()
        token = node.call("token.create")["id"]
        node.kill()
        assert node.paths.socket.exists()  # a stale one
        node.up()
        assert [each["id"] for each in node.call("token.list")["tokens"]] == [token]
        assert node.down() == 0


def test_init_uses_a_second_home_for_a_second_node(home: Path, tmp_path: Path) -> None:
    other = init_federation(Paths(tmp_path / "second"), name="b", federation="test")
    assert other.home == str(tmp_path / "second")
