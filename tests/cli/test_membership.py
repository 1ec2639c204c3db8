from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from command_line import CommandLine
from fixture_daemon import FixtureDaemon
from terminal import Terminal

from qrfld.crypto.identity import NodeId
from qrfld.crypto.tokens import Token


def test_init_founds_a_federation_that_id_shows(qrfl: CommandLine) -> None:
    names = ("--federation", "clinic", "--name", "alice")
    where = ("--listen", "127.0.0.1:7001", "--advertise", "alice.example.org:7483")
    made = qrfl("init", *names, *where, "--json")
    assert made.code == 0, made.err
    info = made.json
    assert (info["version"], info["name"], info["federation"]) == (1, "alice", "clinic")
    assert NodeId.parse(info["node_id"]).short == info["short"]
    assert info["suite"] == "X25519+ML-KEM-768 / ML-DSA-65"
    assert qrfl("id", "--json").json == info
    assert info["node_id"] in qrfl("id").out
    config = qrfl("config", "show", "--json").json["config"]
    assert config["listen"]["port"] == 7001
    assert config["node"]["advertise"] == ["alice.example.org:7483"]
    assert (qrfl.home / "unlock.key").stat().st_mode & 0o777 == 0o600


def test_init_with_suite_2_takes_the_larger_algorithms(qrfl: CommandLine) -> None:
    info = qrfl("init", "--federation", "f", "--suite", "2", "--json").json
    assert info["suite"] == "X25519+ML-KEM-1024 / ML-DSA-87"


def test_init_with_a_passphrase_file_makes_no_key_file(qrfl: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "p").write_text("correct horse\n")
    done = qrfl("init", "--federation", "f", "--passphrase-file", str(tmp_path / "p"))
    assert done.code == 0, done.err
    assert (qrfl.home / "identity.key").exists()
    assert not (qrfl.home / "unlock.key").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--suite", "5"], 2),
        (["--federation", ""], 2),
        (["--listen", "nowhere"], 2),
        (["--advertise", "host:99999"], 2),
        (["--name", "evil\x1b[2J"], 2),
        (["--name", "x" * 65], 2),
        (["--passphrase-file", "/nonexistent"], 4),
    ],
)
def test_init_that_cannot_be_leaves_no_node(
    qrfl: CommandLine, arguments: list[str], code: int
) -> None:
    done = qrfl("init", "--federation", "f", *arguments, "--json")
    assert done.code == code, done.err
    assert done.json["error"]["name"] != "internal"
    assert arguments[0] in done.err
    assert qrfl("id").code == 5
    assert qrfl("init", "--federation", "f").code == 0  # the home is as good as new


def test_init_twice_is_refused_and_changes_nothing(qrfl: CommandLine) -> None:
    qrfl("init", "--federation", "f", "--name", "alice")
    before = {path.name: path.read_bytes() for path in qrfl.home.glob("*.key")}
    done = qrfl("init", "--federation", "other")
    assert done.code == 5
    assert str(qrfl.home) in done.err
    assert {path.name: path.read_bytes() for path in qrfl.home.glob("*.key")} == before
    assert qrfl("id", "--json").json["federation"] == "f"


def test_id_without_a_node_says_how_to_make_one(qrfl: CommandLine) -> None:
    done = qrfl("id")
    assert done.code == 5
    assert "qrfl init" in done.err


@pytest.mark.parametrize("token", ["nonsense", "qrfl1-aaaa", "-", ""])
def test_join_with_no_token_is_refused_by_name_and_makes_no_node(
    qrfl: CommandLine, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("x" * 100_000))
    done = qrfl("join", token, "--json")
    assert done.code == 5
    assert done.json["error"]["name"] == "token"
    assert qrfl("id").code == 5


def test_join_of_a_person_at_a_terminal_asks_for_the_token_and_ends_with_the_line(
    tmp_path: Path,
) -> None:
    with Terminal(["--home", str(tmp_path / "h"), "join", "-"]) as terminal:
        terminal.until("Token: ")
        terminal.type("nonsense\n")
        assert terminal.end() == 5


def test_next_command_is_one_that_reaches_this_node(qrfl: CommandLine) -> None:
    assert f"`qrfl --home {qrfl.home} up`" in qrfl("init", "--federation", "f").err


def token(expires_at: int) -> str:
    made = Token.create(
        federation=bytes(32),
        suite_id=1,
        issuer=NodeId(bytes(32)),
        expires_at=expires_at,
        addresses=["127.0.0.1:1"],
    )
    return made.text()


def test_join_with_an_expired_token_is_refused_before_any_connection(qrfl: CommandLine) -> None:
    done = qrfl("join", token(1))
    assert done.code == 5
    assert "expired" in done.err


def test_join_of_an_issuer_that_is_away_names_the_address_and_not_the_secret(
    qrfl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = token(int(time.time()) + 60)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"  {text}\n"))
    done = qrfl("join", "-")
    assert done.code != 0
    assert "127.0.0.1:1" in done.err
    assert text not in done.err


def test_token_is_alone_on_standard_output(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["token.create"] = {
        "token": "qrfl1-abc",
        "id": "00" * 16,
        "expires_at": time.time() + 7200,
    }
    done = qrfl("token", "create", "--expires", "2h")
    assert done.out == "qrfl1-abc\n"
    assert "within 2 h 00 min" in done.err
    assert daemon.asked == [("token.create", {"expires_seconds": 7200})]
    assert qrfl("token", "create", "--json").json["token"] == "qrfl1-abc"


def test_token_list_shows_states_and_no_secret(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    soon = time.time() + 600
    tokens = [
        {"id": "aa" * 16, "expires_at": soon, "state": "open", "redeemed_by": None},
        {"id": "bb" * 16, "expires_at": soon, "state": "redeemed", "redeemed_by": "GR6L44J"},
        {"id": "cc" * 16, "expires_at": 1, "state": "expired", "redeemed_by": None},
    ]
    daemon.answers["token.list"] = {"tokens": tokens}
    rows = [line.split() for line in qrfl("token", "list").out.splitlines()[1:]]
    assert [(row[1], row[-1]) for row in rows] == [
        ("open", "-"),
        ("redeemed", "GR6L44J"),
        ("expired", "-"),
    ]
    assert qrfl("token", "list", "--json").json["tokens"] == tokens
