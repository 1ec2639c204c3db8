"""Founding a node, and starting and stopping its daemon, from a program."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_process import clean, gone, run, state
from small_disk import SmallDisk

from qrfld import api
from qrfld.api import AlreadyMemberError, DaemonStartError
from qrfld.client import ControlClient
from qrfld.crypto.errors import (
    CertificateError,
    GenesisError,
    KeystoreError,
    TokenError,
    UnsupportedSuiteError,
)
from qrfld.crypto.identity import NodeId
from qrfld.crypto.keystore import load
from qrfld.crypto.tokens import Token
from qrfld.crypto.unlock import Passphrase, read_key_file
from qrfld.errors import IdentityError, QrfldError
from qrfld.homes import own_identity
from qrfld.net.errors import AdmissionError, PeerUnreachableError
from qrfld.paths import Paths
from qrfld.store.errors import DiskFullError

LISTEN = "127.0.0.1:7001"
ANY_PORT = {"QRFLD_LISTEN_PORT": "0"}
PASSPHRASE = "correct horse"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "node")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node that is opened by a passphrase."""
    paths = Paths(tmp_path_factory.mktemp("made") / "node")
    api.init_federation(paths, name="a", federation="f", unlock=Passphrase(PASSPHRASE))
    return paths.state_directory


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    with SmallDisk.mounted() as disk:
        yield disk


def copy(made: Path, target: Path) -> Paths:
    return Paths(Path(shutil.copytree(made, target / "copy")))


@pytest.mark.parametrize("suite_id", [1, 2])
def test_init_makes_a_whole_private_home(paths: Paths, suite_id: int) -> None:
    info = api.init_federation(
        paths, name="ann", federation="clinic", suite_id=suite_id, listen=LISTEN
    )
    assert api.node_info(paths) == info
    assert (info.name, info.federation, info.home) == ("ann", "clinic", str(paths.home))
    assert ("1024" in info.suite) == (suite_id == 2)
    identity = load(paths.keystore, read_key_file(paths.unlock))
    assert identity.node_id == NodeId.parse(info.node_id)
    assert identity.node_id.short == info.short
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in paths.state_directory.iterdir()}
    assert modes == {
        "qrfld.toml": 0o644,
        "identity.key": 0o600,
        "unlock.key": 0o600,
        "qrfld.db": 0o600,
        "blobs": 0o700,
        "spool": 0o700,
    }


def test_init_with_a_passphrase_makes_no_key_file(made: Path) -> None:
    assert not (made / "unlock.key").exists()
    load(made / "identity.key", Passphrase(PASSPHRASE))


def test_init_twice_is_refused_and_changes_nothing(made: Path, tmp_path: Path) -> None:
    paths = copy(made, tmp_path)
    before = state(paths.state_directory)
    with pytest.raises(AlreadyMemberError, match="use another --home"):
        api.init_federation(paths, name="b", federation="g")
    token = a_token().text()
    with pytest.raises(AlreadyMemberError, match="belongs to a federation already"):
        api.join_federation(paths, token, name="b")
    assert state(paths.state_directory) == before


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"federation": ""}, GenesisError),
        ({"federation": "x" * 65}, GenesisError),
        ({"federation": "line\nbreak"}, GenesisError),
        ({"name": "x" * 65}, QrfldError),
        ({"name": "\x1b[2J"}, QrfldError),
        ({"name": ""}, CertificateError),
        ({"suite_id": 5}, UnsupportedSuiteError),
    ],
    ids=str,
)
def test_init_with_a_wrong_value_is_refused_and_makes_nothing(
    paths: Paths, options: dict[str, object], error: type[QrfldError]
) -> None:
    with pytest.raises(error):
        api.init_federation(paths, **{"name": "a", "federation": "f", **options})  # type: ignore[arg-type]
    assert not paths.state_directory.exists()


def test_init_killed_at_any_moment_can_be_repeated(paths: Paths) -> None:
    """What a kill can leave: everything but the database, which is renamed into place last."""
    first = api.init_federation(paths, name="a", federation="f", listen=LISTEN)
    paths.database.rename(paths.database.with_name("qrfld.db.new"))
    again = api.init_federation(paths, name="a", federation="f", listen=LISTEN)
    assert again.node_id == first.node_id
    assert not paths.database.with_name("qrfld.db.new").exists()


def refusal(home: Path) -> QrfldError | None:
    """Why a node cannot be founded in ``home``, None when it has been."""
    try:
        api.init_federation(Paths(home), name="a", federation="f")
    except QrfldError as error:
        return error
    return None


def test_init_on_a_full_disk_says_so_and_makes_nothing(small_disk: SmallDisk) -> None:
    """At every fill level, from no room at all to just enough."""
    home, kinds = small_disk.path / "home", set()
    for pages in range(200):
        small_disk.leave(pages)
        before = state(small_disk.path)
        if (error := refusal(home)) is None:
            break
        assert str(home) in str(error), pages
        assert re.search("full|No space|no room", str(error)), (pages, str(error))
        assert state(small_disk.path) == before, pages
        kinds.add(type(error))
    assert api.node_info(Paths(home)).name == "a"
    assert kinds >= {KeystoreError, DiskFullError}


#: Founds a node as another user, who may not write there.
AS_NOBODY = """
import os, sys
from pathlib import Path
from qrfld import api
from qrfld.errors import QrfldError
from qrfld.paths import Paths
os.seteuid(65534)
try:
    api.init_federation(Paths(Path(sys.argv[1])), name="a", federation="f")
except QrfldError as error:
    print(f"{error.name}: {error}")
os.seteuid(0)  # what runs at exit, such as coverage, is ours again
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("mode", [0o700, 0o555], ids=["closed", "unwritable"])
def test_init_in_a_directory_of_another_user_says_so(mode: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory) / "home"
        Path(directory).chmod(mode)
        ended = run([sys.executable, "-c", AS_NOBODY, str(home)])
        assert ended.err == ""
        assert "Permission denied" in ended.out
        assert str(home) in ended.out
        assert not home.exists()


def test_node_info_without_a_node_says_how_to_make_one(paths: Paths) -> None:
    with pytest.raises(IdentityError, match=r"there is no node in .*qrfl init founds"):
        api.node_info(paths)
    assert not paths.state_directory.exists()


def a_token(**changes: object) -> Token:
    given: dict[str, object] = {
        "federation": bytes(32),
        "suite_id": 1,
        "issuer": NodeId(bytes(32)),
        "expires_at": 4_000_000_000,
        "addresses": ("127.0.0.1:1",),
    }
    return Token.create(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "hello", "qrfl1-", "qrfl1-aaaa", "\0" * 10, "x" * 10_000])
def test_join_without_a_token_is_refused_and_makes_nothing(paths: Paths, text: str) -> None:
    with pytest.raises(TokenError):
        api.join_federation(paths, text, name="b")
    assert not paths.state_directory.exists()


def test_join_with_a_token_that_lost_its_end_is_refused_and_makes_nothing(paths: Paths) -> None:
    text = a_token().text()
    for end in (len(text) - 1, len(text) - 8, len(text) // 2):
        with pytest.raises(TokenError) as refused:
            api.join_federation(paths, text[:end], name="b")
        assert text[10:40] not in str(refused.value)
    assert not paths.state_directory.exists()


def test_join_with_an_expired_token_is_refused_and_makes_nothing(paths: Paths) -> None:
    with pytest.raises(AdmissionError, match=r"expired .*qrfl token create"):
        api.join_federation(paths, a_token(expires_at=1).text(), name="b")
    assert not paths.state_directory.exists()


def test_join_is_repeated_after_the_token_has_expired_asks_the_issuer(paths: Paths) -> None:
    """It may have admitted the identity that the first attempt has left."""
    paths.create()
    own_identity(paths, 1, None)
    before = state(paths.state_directory)
    with pytest.raises(PeerUnreachableError):
        api.join_federation(paths, a_token(expires_at=1).text(), name="b")
    assert state(paths.state_directory) == before


def test_join_at_an_issuer_that_does_not_answer_makes_nothing(paths: Paths) -> None:
    with pytest.raises(PeerUnreachableError, match=r"127\.0\.0\.1:1: .*is its daemon running"):
        api.join_federation(paths, a_token().text(), name="b")
    assert not paths.state_directory.exists()


@pytest.fixture
def started(made: Path, tmp_path: Path) -> Iterator[Paths]:
    paths = copy(made, tmp_path)
    api.start_daemon(paths, passphrase=PASSPHRASE, environ=ANY_PORT)
    yield paths
    api.stop_daemon(paths)


def test_start_and_stop_come_back_when_it_has_happened(started: Paths) -> None:
    pid = ControlClient(started.socket).call("status")["pid"]
    assert not gone(pid)
    assert os.getsid(pid) == pid  # it outlives the terminal that started it
    assert api.stop_daemon(started)
    assert gone(pid)
    assert not started.socket.exists()
    assert not api.stop_daemon(started)


def test_start_beside_a_running_daemon_gives_its_own_error(started: Paths) -> None:
    with pytest.raises(
        DaemonStartError, match=r"^another daemon \(process \d+\) works in"
    ) as error:
        api.start_daemon(started, passphrase=PASSPHRASE, environ=ANY_PORT)
    assert error.value.exit_code == 1


def test_start_with_a_wrong_passphrase_gives_error_and_exit_code(
    made: Path, tmp_path: Path
) -> None:
    paths = copy(made, tmp_path)
    before = state(paths.state_directory)
    with pytest.raises(DaemonStartError, match="the passphrase is wrong") as error:
        api.start_daemon(paths, passphrase="correct donkey", environ=ANY_PORT)
    assert error.value.exit_code == 5
    assert "donkey" not in str(error.value)
    assert str(paths.log) in error.value.hint
    assert state(paths.state_directory) == before


@pytest.mark.parametrize("text", ["", "x" * 1025, "x" * 1_000_000])
def test_start_with_what_is_no_passphrase_is_refused_at_once(
    made: Path, tmp_path: Path, text: str
) -> None:
    with pytest.raises(KeystoreError, match="1 to 1024 bytes"):
        api.start_daemon(copy(made, tmp_path), passphrase=text)


def test_start_without_a_node_is_refused_and_makes_nothing(paths: Paths) -> None:
    with pytest.raises(IdentityError, match="there is no node"):
        api.start_daemon(paths)
    assert not paths.state_directory.exists()


def test_start_takes_too_long_ends_the_daemon(made: Path, tmp_path: Path) -> None:
    paths = copy(made, tmp_path)
    with pytest.raises(DaemonStartError, match=f"not up after 0 s: see {paths.log}"):
        api.start_daemon(paths, passphrase=PASSPHRASE, timeout=0.01, environ=ANY_PORT)
    held = subprocess.run(["flock", "-n", paths.lock, "true"], check=False).returncode
    assert held == 0 or not paths.lock.exists()


def test_start_is_killed_without_a_word_says_by_what(made: Path, tmp_path: Path) -> None:
    paths = copy(made, tmp_path)
    paths.log.write_text("qrfld: old-error: an old story\n")
    (tmp_path / "sitecustomize.py").write_text("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(DaemonStartError, match=r"ended without a word \(signal 9\)"):
        api.start_daemon(paths, environ={"PYTHONPATH": str(tmp_path)})


def test_api_is_quick_to_import_and_light() -> None:
    heavy = "('torch', 'sklearn', 'scipy', 'pandas', 'typer', 'rich', 'yaml')"
    look = f"import sys, qrfld.api, qrfld.daemon; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", look], env=clean(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
