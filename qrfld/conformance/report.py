"""Results for people and for scripts."""

from __future__ import annotations

from typing import Any, Final

from qrfld.conformance.verdict import Case, Result, Verdict, conforms

__all__ = ["as_json", "conforms", "lines", "listed", "summary"]

_WORDS: Final = {Verdict.PASSED: "ok", Verdict.FAILED: "FAILED", Verdict.SKIPPED: "skipped"}


def lines(result: Result) -> list[str]:
    """One result: verdict, id, section, rule; the reason below if it did not pass."""
    word = _WORDS[result.verdict]
    if result.verdict is Verdict.FAILED and not result.required:
        word = "advised"
    text = f"{word:<8} {result.id:<24} {result.section:<5} {result.rule}"
    return [text, f"         {result.detail}"] if result.detail else [text]


def listed(case: Case[Any]) -> str:
    """One case that was not run."""
    need = "must" if case.required else "should"
    return f"{need:<8} {case.id:<24} {case.section:<5} {case.rule}"


def summary(results: list[Result]) -> str:
    """The last line."""
    counts = _counts(results)
    words = ", ".join(f"{count} {what}" for what, count in counts.items())
    verdict = "conforms" if conforms(results) else "does not conform"
    return f"{verdict}: {words}"


def as_json(target: str, results: list[Result]) -> dict[str, Any]:
    """A whole run as a plain map."""
    return {
        "target": target,
        "conforms": conforms(results),
        **_counts(results),
        "cases": [result.as_json() for result in results],
    }


def _counts(results: list[Result]) -> dict[str, int]:
    failed = [r for r in results if r.verdict is Verdict.FAILED]
    return {
        "passed": sum(r.verdict is Verdict.PASSED for r in results),
        "failed": sum(r.required for r in failed),
        "advised": sum(not r.required for r in failed),
        "skipped": sum(r.verdict is Verdict.SKIPPED for r in results),
    }
