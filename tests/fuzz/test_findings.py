from __future__ import annotations

from pathlib import Path

from fuzz.findings import Findings, minimise, outcome, signature
from fuzz.invariants import require


def check(data: bytes) -> None:
    """Two bugs: one needs two bytes in order, the other a length."""
    if b"\x07" in data and b"\x09" in data[data.index(b"\x07") :]:
        raise KeyError(data)
    require(len(data) < 500, "this is short")


def caught(data: bytes) -> Exception:
    try:
        check(data)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_finding_is_made_as_small_as_it_can_be() -> None:
    data = bytes(range(1, 200)) * 2
    assert minimise(check, data) == b"\x07\x09"
    assert minimise(check, b"x" * 700) == bytes(500)


def test_minimising_keeps_what_was_found() -> None:
    long = b"x" * 700 + b"\x07\x09"
    assert outcome(check, long).startswith("KeyError")
    assert minimise(check, long) == b"\x07\x09"


def test_input_that_is_no_finding_stays() -> None:
    assert minimise(check, b"fine") == b"fine"
    assert outcome(check, b"fine") == ""


def test_signature_names_the_type_and_the_line_that_tells() -> None:
    first, second = caught(b"\x07\x09"), caught(b"x" * 500)
    assert signature(first) == signature(caught(b"ab\x07c\x09"))
    assert signature(first) != signature(second)
    assert signature(second).startswith("InvariantError tests/fuzz/test_findings.py:")


def test_first_of_each_signature_is_kept(tmp_path: Path) -> None:
    findings = Findings(tmp_path / "findings")
    for data in (b"\x07\x09", b"more \x07\x09", b"x" * 500):
        findings.keep(data, caught(data))
    kept = sorted((tmp_path / "findings").iterdir())
    assert {path.suffix for path in kept} == {"", ".txt"}
    assert sorted(path.read_bytes() for path in kept if not path.suffix) == [
        b"\x07\x09",
        b"x" * 500,
    ]
    assert any("KeyError" in path.read_text() for path in kept if path.suffix)
