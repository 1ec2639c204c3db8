"""Runs cases one after the other, and after each looks whether the node still serves.

A case that ends in any other way than passing, deviating or being inconclusive has met a defect of
the tester or a node that is gone: the first stops nothing but is reported as a failure, the second
ends the run, for no later case could be judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from qrfld.conformance.verdict import (
    Case,
    DeviationError,
    InconclusiveError,
    Result,
    Verdict,
)

#: No case takes longer, whatever the implementation does.
CASE_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """A case together with what it is to be run on."""

    case: Case[Any]
    run: Callable[[], Awaitable[None]]
    #: Raises DeviationError if the node has suffered.
    still_serves: Callable[[], Awaitable[None]]


def chosen(plans: list[Plan], patterns: tuple[str, ...]) -> list[Plan]:
    """The plans whose case's id matches one of the shell patterns; all without any."""
    if not patterns:
        return plans
    return [plan for plan in plans if any(fnmatch(plan.case.id, p) for p in patterns)]


async def judge(plans: list[Plan]) -> AsyncIterator[Result]:
    """One result after the other, in order. Raises TargetError when the node is gone."""
    loop = asyncio.get_running_loop()
    for plan in plans:
        case, start = plan.case, loop.time()
        verdict, detail = await _verdict(plan)
        yield Result(
            case.id,
            case.section,
            case.rule,
            case.required,
            verdict,
            detail,
            loop.time() - start,
        )


async def _verdict(plan: Plan) -> tuple[Verdict, str]:
    try:
        async with asyncio.timeout(CASE_SECONDS):
            await plan.run()
    except DeviationError as error:
        return Verdict.FAILED, error.message
    except InconclusiveError as error:
        return Verdict.SKIPPED, error.message
    except TimeoutError:
        return Verdict.FAILED, f"no end after {CASE_SECONDS:.0f} s"
    try:
        await plan.still_serves()
    except DeviationError as error:
        return Verdict.FAILED, f"afterwards it did not serve: {error.message}"
    return Verdict.PASSED, ""
