"""`qrfl crypto list`, and what the command line says of suites that this machine lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from toy_suites import install, install_toy

from qrfld.crypto import providers
from qrfld.crypto.suites import SUITES

#: The linker's search is switched off, so that a machine with liboqs plays one without.
WITHOUT_LIBOQS = (
    "import ctypes.util, sys; ctypes.util.find_library = lambda name: None\n"
    "from qrfld.cli.app import run; sys.exit(run(sys.argv[1:]))"
)


def without_liboqs(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `qrfl` where no liboqs can be found."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OQS", "QRFLD"))}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBOQS, "--home", str(home), *arguments],
        env={**kept, "OQS_INSTALL_PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )


def by_id(answer: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in answer["suites"]}


def test_list_names_every_suite_its_provider_and_sizes(qrfl: CommandLine) -> None:
    answer = qrfl("crypto", "list", "--no-measure", "--json").json
    rows = by_id(answer)
    assert list(rows) == list(SUITES)
    assert rows[1]["available"]
    assert rows[1]["provider"] == providers.available()[0]
    sizes = rows[4]["sizes"]
    assert (sizes["m1"], sizes["m2"], sizes["m3"]) == (9711, 15_097, 5279)
    assert (sizes["encapsulation_key"], sizes["ciphertext"]) == (9616, 9752)
    here = "liboqs" in providers.available()
    assert rows[3]["available"] == rows[4]["available"] == here
    assert {p["name"]: p["available"] for p in answer["providers"]} == {
        "liboqs": here,
        "openssl": True,
    }
    assert "microseconds" not in answer["algorithms"][0]
    assert "aeads" not in answer


def test_list_measures_each_algorithm_of_each_provider(qrfl: CommandLine) -> None:
    answer = qrfl("crypto", "list", "--json").json
    for row in answer["algorithms"]:
        operations = row.get("microseconds", {})
        assert bool(operations) == row["available"]
        assert all(value > 0 for value in operations.values())
    measured = {(r["algorithm"], r["provider"]) for r in answer["algorithms"] if r["available"]}
    assert {("ML-KEM-768", name) for name in providers.available()} <= measured
    assert {aead["name"] for aead in answer["aeads"]} == {"AES-256-GCM", "ChaCha20-Poly1305"}
    assert sum(aead["preferred"] for aead in answer["aeads"]) == 1
    assert set(answer["x25519"]["microseconds"]) == {"keygen", "exchange"}


def test_list_shows_the_same_to_a_person(qrfl: CommandLine) -> None:
    out = qrfl("crypto", "list").out
    for suite in SUITES.values():
        assert suite.name in out
    assert "MB/s, preferred here" in out
    assert "X25519: keygen" in out
    assert out.splitlines()[-1].startswith(os.uname().machine)


def test_list_without_liboqs_says_what_is_missing(tmp_path: Path) -> None:
    done = without_liboqs(tmp_path, "crypto", "list", "--no-measure")
    assert (done.returncode, done.stderr) == (0, "")
    assert "suite 3 is unavailable: no provider for ML-KEM-512" in done.stdout
    assert "suite 4 is unavailable: no provider for FrodoKEM-640-AES" in done.stdout
    assert "liboqs not installed" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("no liboqs")


def test_list_shows_plugins_and_refuses_broken_ones(qrfl: CommandLine, site: Path) -> None:
    install_toy(site)
    install(site, "broken", "raise RuntimeError('\\x1b[2Jboom')", n65="SUITE")
    install(site, "greedy", "", n3="SUITE")
    done = qrfl("crypto", "list", "--no-measure")
    assert "64     X25519+ML-KEM-1024 / ML-DSA-44" in done.out
    assert "offer of 65 is refused: the plugin of private suite 65 is refused: broken" in done.out
    assert "offer of 3 is refused: greedy: private suites have numbers from 64" in done.out
    assert "\x1b" not in done.out
    answer = qrfl("crypto", "list", "--json").json
    assert [row["number"] for row in answer["refused"]] == ["65", "3"]
    assert by_id(answer)[64]["available"]


@pytest.mark.parametrize("number", ["3", "4"])
def test_init_with_a_suite_that_nobody_here_has_writes_nothing(tmp_path: Path, number: str) -> None:
    home = tmp_path / "home"
    done = without_liboqs(home, "init", "--federation", "f", "--suite", number)
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"of suite {number}" in done.stderr
    assert "liboqs not installed" in done.stderr
    assert "qrfl crypto list" in done.stderr
    assert not home.exists()


def test_init_with_a_plugin_uses_its_suite(qrfl: CommandLine, site: Path) -> None:
    install_toy(site)
    done = qrfl("init", "--federation", "f", "--suite", "64", "--json")
    assert done.json["suite"] == "X25519+ML-KEM-1024 / ML-DSA-44"


def test_init_with_a_broken_plugin_names_it(qrfl: CommandLine, site: Path) -> None:
    install(site, "broken", "raise RuntimeError('boom')", n65="SUITE")
    done = qrfl("init", "--federation", "f", "--suite", "65", "--json")
    assert done.code == 1
    assert done.json["error"]["name"] == "suite-plugin"
    assert "broken: RuntimeError: boom" in done.json["error"]["message"]
    assert not qrfl.home.exists()
