from __future__ import annotations

from qrfld.conformance.report import as_json, conforms, lines, summary
from qrfld.conformance.verdict import Result, Verdict


def result(verdict: Verdict, *, required: bool = True, detail: str = "") -> Result:
    return Result("flags", "5.2", "fails if a flag is set", required, verdict, detail, 0.12345)


PASSED, SKIPPED = result(Verdict.PASSED), result(Verdict.SKIPPED, detail="no cookie was asked for")
FAILED = result(Verdict.FAILED, detail="it sent 44 bytes")
ADVISED = result(Verdict.FAILED, required=False, detail="it waits for ever")


def test_required_rule_is_broken_and_the_run_does_not_conform() -> None:
    assert not conforms([PASSED, FAILED])
    assert summary([PASSED, FAILED]) == "does not conform: 1 passed, 1 failed, 0 advised, 0 skipped"


def test_recommendation_is_not_followed_and_the_run_conforms() -> None:
    assert conforms([PASSED, ADVISED, SKIPPED])
    assert (
        summary([PASSED, ADVISED, SKIPPED]) == "conforms: 1 passed, 0 failed, 1 advised, 1 skipped"
    )


def test_nothing_was_shown_and_nothing_conforms() -> None:
    assert not conforms([])
    assert not conforms([SKIPPED])


def test_reader_sees_the_reason_below_the_rule() -> None:
    assert lines(PASSED) == ["ok       flags                    5.2   fails if a flag is set"]
    assert lines(FAILED)[1].strip() == "it sent 44 bytes"
    assert lines(ADVISED)[0].startswith("advised")
    assert lines(SKIPPED)[0].startswith("skipped")


def test_script_gets_every_case() -> None:
    answer = as_json("127.0.0.1:7483", [PASSED, FAILED])
    assert answer["conforms"] is False
    assert (answer["passed"], answer["failed"]) == (1, 1)
    assert answer["cases"][1] == {
        "id": "flags",
        "section": "5.2",
        "rule": "fails if a flag is set",
        "required": True,
        "verdict": "failed",
        "detail": "it sent 44 bytes",
        "seconds": 0.123,
    }
