"""What an operator meets when things fail around a node: joining, reaching others, a full disk.

Real daemons and the real command line: every refusal names what failed and changes nothing.
"""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from daemon_process import COMMAND, Ended, children, clean, daemon, gone, qrfl, state
from half_proxy import HalfProxy
from nodes import TestNode, eventually, free_port, stopped_at_end
from small_disk import SmallDisk

from qrfld import api
from qrfld.client import RemoteError
from qrfld.crypto.identity import NodeId
from qrfld.crypto.suites import suite
from qrfld.crypto.tokens import Token
from qrfld.errors import IdentityError, QrfldError
from qrfld.net.errors import AdmissionError, PeerUnreachableError
from qrfld.paths import Paths
from qrfld.protocol.wire import m2_size

RUN = {"task": "digits", "rounds": 3, "rule": "mean", "seed": 7}
NEVER = 4_000_000_000


@pytest.fixture(scope="module")
def founder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    home = tmp_path_factory.mktemp("founder") / "home"
    node = TestNode("founder", home, env={"QRFLD_LOG_LEVEL": "debug"})
    node.init()
    with stopped_at_end([node]):
        yield node.up()


def changed(token: Token, **changes: Any) -> Token:
    return msgspec.structs.replace(token, **changes)


def token_state(node: TestNode, token: Token) -> str:
    states = {each["id"]: each["state"] for each in node.call("token.list")["tokens"]}
    found: str = states[token.token_id.hex()]
    return found


def join(home: Path, token: str) -> Ended:
    return qrfl(home, "join", "-", "--name", "new", "--listen", "127.0.0.1:7001", stdin=token)


def test_join_is_refused_says_why_and_makes_nothing(founder: TestNode, tmp_path: Path) -> None:
    token = Token.parse(founder.token())
    late = Token.parse(founder.token(expires_seconds=1))
    elsewhere = f"127.0.0.1:{free_port()}"
    eventually("one expires", lambda: token_state(founder, late) == "expired")
    wrong: list[tuple[Token, type[QrfldError], str]] = [
        (late, AdmissionError, "the token has expired"),
        (changed(late, expires_at=NEVER), AdmissionError, r"refused: the token expired \d+ s ago"),
        (changed(token, secret=bytes(32)), AdmissionError, "the token's secret is wrong"),
        (changed(token, token_id=bytes(16)), AdmissionError, "this node made no such token"),
        (
            changed(token, federation=bytes(32)),
            PeerUnreachableError,
            "of another federation",
        ),
        (changed(token, issuer=bytes(32)), PeerUnreachableError, "of another federation"),
        (changed(token, suite_id=2), PeerUnreachableError, founder.address),
        (
            changed(token, addresses=(elsewhere,)),
            PeerUnreachableError,
            f"{elsewhere}: Connection refused",
        ),
        (changed(token, addresses=()), PeerUnreachableError, "no address"),
    ]
    for given, kind, said in wrong:
        with pytest.raises(kind, match=said) as error:
            api.join_federation(Paths(tmp_path / "home"), given.text(), name="new")
        assert given.text()[6:] not in str(error.value)
        assert not (tmp_path / "home").exists()
    assert token_state(founder, token) == "open"


def test_join_by_command_is_refused_prints_what_and_what_to_do(
    founder: TestNode, tmp_path: Path
) -> None:
    used = founder.token()
    api.join_federation(Paths(tmp_path / "first"), used, name="first")
    for token, said in ((used, "the token has been redeemed"), (used[:-9], "token")):
        ended = join(tmp_path / "second", token)
        assert (ended.code, ended.out) == (5, "")
        assert said in ended.err
        assert "qrfl token create" in ended.err or "copy" in ended.err
        assert len(ended.err.splitlines()) <= 2
        assert token[6:40] not in ended.err
        assert not (tmp_path / "second").exists()


def test_join_when_issuer_dies_before_its_answer_is_repeated_and_gets_the_same_certificate(
    tmp_path: Path,
) -> None:
    issuer, home = TestNode("issuer", tmp_path / "issuer"), tmp_path / "new"
    # The handshake comes through, and not a byte of what is said in it.
    with HalfProxy(issuer.port, m2_size(suite(1))) as network, stopped_at_end([issuer]):
        issuer.init()
        issuer.up()
        token = changed(Token.parse(issuer.token()), addresses=(network.address,))
        command = [*COMMAND, "--home", str(home), "join", "-", "--name", "new"]
        joining = subprocess.Popen(
            command,
            env=clean(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert joining.stdin is not None
        joining.stdin.write(token.text())
        joining.stdin.close()
        joining.stdin = None
        eventually("it is redeemed", lambda: token_state(issuer, token) == "redeemed")
        issuer.kill()
        network.drop()
        out, said = joining.communicate(timeout=60)
        assert (joining.returncode, out) == (1, "")
        assert "closed the session" in said
        assert not Paths(home).database.exists()
        issuer.up()
        network.limit = None
        again = qrfl(home, "join", "-", "--name", "new", stdin=token.text())
        assert (again.code, again.err.count("Traceback")) == (0, 0), again.err
        with sqlite3.connect(issuer.paths.database) as theirs:
            ((issued,),) = theirs.execute("SELECT certificate FROM tokens").fetchall()
        with sqlite3.connect(Paths(home).database) as ours:
            query = "SELECT value FROM meta WHERE key = 'certificate'"
            assert ours.execute(query).fetchall() == [(issued,)]
        theirs.close()
        ours.close()


def test_join_on_a_full_disk_is_repeated_when_there_is_room(founder: TestNode) -> None:
    with SmallDisk.mounted() as disk:
        paths, token = Paths(disk.path / "home"), founder.token()
        disk.leave(1)
        before = state(disk.path)
        with pytest.raises(QrfldError, match=r"No space|no room|full"):
            api.join_federation(paths, token, name="new", listen="127.0.0.1:7001")
        assert state(disk.path) == before
        assert token_state(founder, Token.parse(token)) == "open"
        disk.leave(12)  # for the key, not for the database
        with pytest.raises(QrfldError, match=r"full|no room"):
            api.join_federation(paths, token, name="new", listen="127.0.0.1:7001")
        assert token_state(founder, Token.parse(token)) == "redeemed"
        assert not paths.database.exists()
        disk.empty()
        assert api.join_federation(paths, token, name="new", listen="127.0.0.1:7001").name == "new"


def test_daemon_on_a_full_disk_says_so_and_goes_on_serving() -> None:
    with SmallDisk.mounted() as disk:
        node = TestNode("a", disk.path / "home")
        node.init()
        disk.leave(0)
        before = state(node.home)
        ended = daemon(node.home)
        assert ended.code == 1
        assert ended.line().startswith("qrfld: disk-full: ")
        assert str(node.home) in ended.line()
        after = state(node.home)
        # SQLite leaves an empty log where it could not begin one.
        assert node.paths.database.with_name("qrfld.db-wal").stat().st_size == 0
        assert {name: after[name] for name in before} == before
        disk.empty()
        with stopped_at_end([node]):
            node.up()
            disk.leave(0)
            error = eventually("the last page is used", lambda: refusal(node, "token.create"))
            assert error.name == "disk-full"
            assert str(node.paths.database) in str(error)
            with pytest.raises(RemoteError, match="full"):
                node.call("run.start", **RUN)
            assert node.call("status")["run"] is None
            disk.empty()
            node.call("run.start", **RUN)
            eventually("a run is over", lambda: node.run()["state"] == "finished")
            assert node.down() == 0


def refusal(node: TestNode, method: str) -> RemoteError | None:
    try:
        node.call(method)
    except RemoteError as error:
        return error
    return None


def test_members_that_cannot_be_reached_are_named_and_tried_again(
    founder: TestNode, tmp_path: Path
) -> None:
    node = TestNode("b", tmp_path / "b")
    node.join(founder.token())
    seen = eventually("it is given up for now", lambda: peer(founder, "b", "unreachable"))
    assert seen["last_error"] == "no address of it is known yet"
    founder.down()
    # A bootstrap address that nobody listens on is one more to try.
    nowhere = f"127.0.0.1:{free_port()}"
    node.env["QRFLD_BOOTSTRAP_PEERS"] = f"{seen_id(node)}@{nowhere}"
    with stopped_at_end([node]):
        node.up()
        seen = eventually("it says so", lambda: peer(node, "founder", "unreachable"))
        assert nowhere in seen["last_error"]
        assert seen["address"] == founder.address
        assert node.sessions() == 0
        founder.up()
        eventually("they meet", lambda: peer(node, "founder", "connected"))
        eventually("both know", lambda: peer(founder, "b", "connected"))
        assert peer(node, "founder", "connected")["last_error"] == ""
        assert node.down() == 0
        eventually("it is missed", lambda: peer(founder, "b", "unreachable"))


def peer(node: TestNode, name: str, wanted: str) -> Any:
    found = [each for each in node.call("peers")["peers"] if each["name"] == name]
    return found[0] if found and found[0]["state"] == wanted else None


def seen_id(node: TestNode) -> str:
    """The founder's node ID, as the joined node knows it without its daemon."""
    with sqlite3.connect(node.paths.database) as connection:
        rows = connection.execute("SELECT node_id FROM members ORDER BY added_at").fetchall()
    connection.close()
    return str(NodeId(rows[0][0]))


@pytest.fixture
def training(tmp_path: Path) -> Iterator[tuple[TestNode, int]]:
    """A node in the middle of a run, and its worker."""
    node = TestNode("a", tmp_path / "home")
    node.init()
    with stopped_at_end([node]):
        node.up()
        node.call("run.start", **{**RUN, "rounds": 20})
        eventually("a round is over", lambda: node.run()["round"] >= 1)
        assert node.process is not None
        (worker,) = children(node.process.pid)
        yield node, worker


def test_daemon_is_killed_and_its_worker_dies_with_it(training: tuple[TestNode, int]) -> None:
    node, worker = training
    node.kill()
    eventually("the worker is gone", lambda: gone(worker))
    node.up()
    eventually("it goes on", lambda: node.run()["round"] >= 2)


def test_daemon_stops_during_a_run_and_goes_on_with_it_later(
    training: tuple[TestNode, int],
) -> None:
    node, worker = training
    before = node.run()
    assert node.down() == 0
    assert gone(worker)
    assert "Traceback" not in node.log()
    assert list(node.paths.spool.iterdir()) == []
    node.up()
    after = node.run()
    assert (after["run"], after["state"]) == (before["run"], "running")
    assert after["rounds"][: len(before["rounds"])] == before["rounds"]
    node.call("run.stop")
    assert node.run()["state"] == "stopped"


def test_nothing_secret_has_been_logged(founder: TestNode) -> None:
    """After all that has been done to it above, at the most talkative level."""
    log = founder.log()
    assert '"level": "debug"' in log or '"level": "info"' in log
    token = founder.token()
    for secret in (token, Token.parse(token).secret.hex(), founder.paths.unlock.read_bytes().hex()):
        assert secret not in log
    assert "qrfl1-" not in log.replace("qrfl1-[redacted]", "")


def test_second_join_of_a_member_is_refused(founder: TestNode, tmp_path: Path) -> None:
    paths = Paths(tmp_path / "home")
    api.join_federation(paths, founder.token(), name="new", listen="127.0.0.1:7001")
    before = state(paths.state_directory)
    token = founder.token()
    with pytest.raises(IdentityError, match="belongs to a federation already"):
        api.join_federation(paths, token, name="new")
    assert state(paths.state_directory) == before
    assert token_state(founder, Token.parse(token)) == "open"
