from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from qrfld.conformance import runner
from qrfld.conformance.runner import Plan
from qrfld.conformance.verdict import (
    Case,
    DeviationError,
    InconclusiveError,
    Result,
    TargetError,
    Verdict,
)


async def passes(_: object = None) -> None:
    return


async def deviates(_: object = None) -> None:
    raise DeviationError("it sent 3 bytes")


def plan(run: Callable[[object], Awaitable[None]], then: Callable[[], Awaitable[None]]) -> Plan:
    return Plan(Case("a-case", "5.2", "does as it should", run), lambda: run(None), then)


async def only(one: Plan) -> Result:
    (result,) = [result async for result in runner.judge([one])]
    return result


async def test_case_keeps_the_rule_and_passes() -> None:
    assert (await only(plan(passes, passes))).verdict is Verdict.PASSED


async def test_case_deviates_and_fails_with_the_reason() -> None:
    result = await only(plan(deviates, passes))
    assert (result.verdict, result.detail) == (Verdict.FAILED, "it sent 3 bytes")


async def test_node_no_longer_serves_and_the_case_fails() -> None:
    result = await only(plan(passes, deviates))
    assert result.verdict is Verdict.FAILED
    assert result.detail == "afterwards it did not serve: it sent 3 bytes"


async def test_situation_does_not_come_about_and_the_case_is_skipped() -> None:
    async def undecided(_: object) -> None:
        raise InconclusiveError("no cookie was asked for")

    assert (await only(plan(undecided, deviates))).verdict is Verdict.SKIPPED


async def test_case_has_no_end_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CASE_SECONDS", 0.01)

    async def waits(_: object) -> None:
        await asyncio.Event().wait()

    assert (await only(plan(waits, passes))).detail == "no end after 0 s"


async def test_node_is_gone_and_the_run_ends() -> None:
    async def nobody(_: object) -> None:
        raise TargetError("127.0.0.1:1 does not answer")

    with pytest.raises(TargetError):
        await only(plan(nobody, passes))


def test_patterns_choose_cases() -> None:
    plans = [plan(passes, passes)]
    assert runner.chosen(plans, ()) == plans
    assert runner.chosen(plans, ("b-*", "a-*")) == plans
    assert runner.chosen(plans, ("b-*",)) == []
