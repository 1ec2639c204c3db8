"""Testing a client: the tester is the one node of a federation, and receives it badly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from qrfld.conformance.calls import CALL_SECONDS, Calls
from qrfld.conformance.cases import (
    blobs,
    frames,
    reception,
    records,
    second_message,
    streams,
    structures,
)
from qrfld.conformance.house import House
from qrfld.conformance.program import Program
from qrfld.conformance.runner import Plan
from qrfld.conformance.sessions import Sessions
from qrfld.conformance.speaker import Pair
from qrfld.conformance.verdict import Case
from qrfld.conformance.wire import PROMPT
from qrfld.crypto.tokens import Token

#: How long a client may take to call that nobody starts, in seconds.
PERSON_SECONDS: Final = 120.0

RECEIVING: Final[Sequence[Case[Calls]]] = (*reception.CASES, *second_message.CASES)
TALKING: Final[Sequence[Case[Pair]]] = (
    *records.CASES,
    *frames.CASES,
    *structures.CASES,
    *streams.CASES,
    *blobs.CASES,
)


def catalogue() -> list[Case[Any]]:
    """All cases for a client, in the order of a run."""
    return [*RECEIVING, *TALKING]


@dataclass(frozen=True)
class Reception:
    """A federation that awaits a client: where, with which token, and what will be tested."""

    address: str
    token: Token
    plans: list[Plan]


@asynccontextmanager
async def receiving(
    host: str,
    port: int,
    *,
    suite_id: int = 1,
    command: str | None = None,
    log: Path | None = None,
    prompt: float = PROMPT,
    patience: float | None = None,
) -> AsyncIterator[Reception]:
    """Listen, with a new federation. ``command`` is started for each case, if there is one.

    ``patience`` is how long a client may take to call, in seconds: by default longer if a person
    has to start it. TargetError if the port cannot be had.
    """
    program = Program.parse(command, log) if command is not None else None
    usual = CALL_SECONDS if program is not None else PERSON_SECONDS
    calls = Calls(House.found(suite_id), program, prompt, patience or usual)
    async with planned(calls, host, port) as reception:
        yield reception


@asynccontextmanager
async def planned(calls: Calls, host: str, port: int) -> AsyncIterator[Reception]:
    """Listen for these calls. TargetError if the port cannot be had."""
    async with calls.listening(host, port):
        sessions = Sessions(calls.session)
        try:
            yield Reception(calls.address, calls.invite(), _plans(calls, sessions))
        finally:
            await sessions.close()


def _plans(calls: Calls, sessions: Sessions) -> list[Plan]:
    """A client that still serves is one that comes again; without sessions the next case shows."""

    async def comes_again() -> None:
        return

    async def announced(case: Case[Any], stage: Any) -> None:
        calls.case = case.id
        await (sessions.run(case) if stage is sessions else case.run(stage))

    return [
        *(Plan(case, partial(announced, case, calls), comes_again) for case in RECEIVING),
        *(Plan(case, partial(announced, case, sessions), sessions.renew) for case in TALKING),
    ]
