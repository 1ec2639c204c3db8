from __future__ import annotations

from command_line import CommandLine


def test_measurement_is_printed_as_an_object_or_as_tables(qrfl: CommandLine) -> None:
    arguments = ("bench", "aggregate", "--columns", "50", "--rows", "5")
    done = qrfl(*arguments, "--json")
    assert done.code == 0
    assert done.json["version"] == 1
    assert done.json["bench"] == "aggregate"
    assert done.json["columns"] == 50
    assert qrfl(*arguments).out.startswith("### Aggregation rules, 50 columns")


def test_handshakes_run_in_two_processes_of_their_own(qrfl: CommandLine) -> None:
    # Apart: the second process imports the first one's main module.
    words = ("bench", "handshake", "--seconds", "0.01", "--suite", "1", "--provider", "openssl")
    done = qrfl.apart(*words, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["contenders"][-2]["bytes"] == 12_991


def test_unknown_provider_is_a_clear_error(qrfl: CommandLine) -> None:
    done = qrfl("bench", "handshake", "--provider", "nobody", "--json")
    assert done.code == 1
    assert "nobody" in done.json["error"]["message"]
