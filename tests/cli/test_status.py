from __future__ import annotations

from command_line import CommandLine
from fixture_daemon import FixtureDaemon, peer, run_summary, status


def test_status_names_node_federation_suite_and_run(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    shown = qrfl("status").out
    assert "alice (GR6L44J)" in shown
    assert "clinic" in shown
    assert "X25519+ML-KEM-768 / ML-DSA-65 / AES-256-GCM (openssl)" in shown
    assert "up 1 h 02 min" in shown
    assert "3, 2 connected" in shown
    assert "round 2 of 10, training, 91.5%" in shown


def test_status_without_a_run_says_none(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["status"] = status(run=None, listen=[])
    shown = qrfl("status").out
    assert "run         none" in shown
    assert "listening   -" in shown


def test_status_in_lab_mode_warns_first(qrfl: CommandLine, daemon: FixtureDaemon) -> None:
    daemon.answers["status"] = status(warnings=["LAB MODE: attacks"])
    assert qrfl("status").out.startswith("warning: LAB MODE: attacks\n")


def test_status_json_keeps_the_keys_and_names_the_daemons_version(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    answer = qrfl("status", "--json").json
    assert answer["version"] == 1
    assert answer["qrfld"] == "0.1.0"
    assert answer["run"] == run_summary()
    assert [p["name"] for p in answer["peers"]] == ["alice", "bob", "carol"]


def test_watch_without_a_terminal_or_json_is_refused(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    done = qrfl("status", "--watch")
    assert done.code == 2
    assert "--json" in done.err


def test_watch_without_a_daemon_exits_3(qrfl: CommandLine) -> None:
    assert qrfl("status", "--watch", "--json").code == 3


def test_peers_shows_a_row_each_and_why_one_is_away(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    error = "192.0.2.7:7483: connection refused"
    away = peer("carol", "unreachable", rtt_ms=None, suite="", last_error=error)
    daemon.answers["peers"] = {"peers": [peer("bob"), away]}
    head, bob, carol = qrfl("peers").out.splitlines()
    heads = ["NAME", "NODE", "STATE", "ADDRESS", "RTT", "SENT", "RECEIVED", "SESSION"]
    assert head.split() == heads
    assert "1.2 ms" in bob
    assert "123 kB" in bob
    assert carol.split()[2:4] == ["unreachable", "192.0.2.7:7483"]
    assert carol.endswith("  connection refused")
    assert qrfl("peers", "--json").json["peers"][1] == away


def test_peer_with_a_hostile_name_is_escaped_on_a_line_of_its_own(
    qrfl: CommandLine, daemon: FixtureDaemon
) -> None:
    daemon.answers["peers"] = {"peers": [peer("evil\x1b]0;owned\x07\nbob  connected")]}
    lines = qrfl("peers").out.splitlines()
    assert len(lines) == 2
    assert "evil\\x1b]0;owned\\x07\\nbob" in lines[1]
