"""A case of the catalogue, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from qrfld.errors import QrfldError

Stage = TypeVar("Stage")


class DeviationError(QrfldError):
    """The implementation did what the specification forbids, or not what it demands."""


class InconclusiveError(QrfldError):
    """The situation that a case needs did not come about; nothing was shown either way."""


class TargetError(QrfldError):
    """There is nothing to test: nobody answers, or the token opens no door."""


class Verdict(Enum):
    """What a case found."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Case(Generic[Stage]):
    """One rule of the specification and how to see whether it is kept.

    ``run`` returns if the rule was kept and raises DeviationError if not. ``section`` is that of
    spec/PROTOCOL.md, ``rule`` says in one line what the implementation has to do. A rule that the
    specification only recommends (SHOULD) is not ``required``.
    """

    id: str
    section: str
    rule: str
    run: Callable[[Stage], Awaitable[None]]
    required: bool = True


@dataclass(frozen=True)
class Result:
    """What a case found, with the reason if it did not pass. ``seconds`` is how long it took."""

    id: str
    section: str
    rule: str
    required: bool
    verdict: Verdict
    detail: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The result as a plain map."""
        return {**asdict(self), "verdict": self.verdict.value, "seconds": round(self.seconds, 3)}


def conforms(results: list[Result]) -> bool:
    """Whether no required rule was broken, and at least one was kept."""
    failed = [r for r in results if r.required and r.verdict is Verdict.FAILED]
    return not failed and any(r.verdict is Verdict.PASSED for r in results)


def expect(holds: bool, otherwise: str) -> None:
    """Raise DeviationError, saying ``otherwise``, unless it ``holds``."""
    if not holds:
        raise DeviationError(otherwise)
