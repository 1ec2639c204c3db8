"""Testing a node that listens: the tester dials it, as a stranger, as a guest and as a member."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from qrfld.conformance.cases import (
    blobs,
    cookies,
    entry,
    first_message,
    frames,
    joining,
    records,
    resumption,
    strangers,
    streams,
    structures,
    third_message,
)
from qrfld.conformance.door import Door, Invited
from qrfld.conformance.inside import Inside
from qrfld.conformance.membership import Membership, redeem
from qrfld.conformance.runner import Plan
from qrfld.conformance.sessions import Sessions
from qrfld.conformance.speaker import Pair
from qrfld.conformance.verdict import Case, TargetError
from qrfld.conformance.wire import PROMPT, Pace
from qrfld.crypto.identity import Identity
from qrfld.crypto.tokens import Token

#: How often the tester connects: an implementation need not take more from one address.
BURST: Final = 40
PER_SECOND: Final = 15.0

KNOCKING: Final[Sequence[Case[Door]]] = strangers.CASES
SHAKING: Final[Sequence[Case[Invited]]] = (
    *first_message.CASES,
    *cookies.CASES,
    *third_message.CASES,
)
ENTERING: Final[Sequence[Case[Inside]]] = (
    *entry.CASES,
    *joining.CASES,
    *resumption.CASES,
)
TALKING: Final[Sequence[Case[Pair]]] = (
    *records.CASES,
    *frames.CASES,
    *structures.CASES,
    *streams.CASES,
    *blobs.CASES,
)


def catalogue() -> list[Case[Any]]:
    """All cases for a node that listens, in the order of a run."""
    return [*KNOCKING, *SHAKING, *ENTERING, *TALKING]


async def plans(
    address: str | None,
    token: Token | None,
    folder: Path | None,
    *,
    prompt: float = PROMPT,
    pace: Pace | None = None,
) -> tuple[str, list[Plan]]:
    """The address under test, and what can be run with what the tester knows.

    ``address`` is ``host:port``, by default the first of the token. A membership in ``folder``
    stands for a token; a token that is redeemed leaves one there. Raises TargetError when the node
    does not answer or refuses the token, KeystoreError for a folder that cannot be used.
    """
    kept = Membership.load(folder) if folder is not None else None
    token = kept.token if kept is not None else token
    known = token.addresses if token is not None else ()
    where = address or (known[0] if known else None)
    if where is None:
        raise TargetError("neither an address nor a token that names one", hint="give HOST:PORT")
    door = Door(where, prompt, pace or Pace(BURST, PER_SECOND))
    await door.still_serves()
    if token is None:
        return where, [*_planned(KNOCKING, door, door.still_serves)]
    node = Invited(
        where,
        prompt,
        door.pace,
        federation=token.federation,
        node=token.issuer_id,
        suite_id=token.suite_id,
    )
    membership = kept or await redeem(node, token, Identity.generate(token.suite_id))
    if kept is None and folder is not None:
        membership.save(folder)
    inside = Inside.of(node, membership)
    sessions = Sessions(inside.session)
    return where, [
        *_planned(KNOCKING, door, node.still_serves),
        *_planned(SHAKING, node, inside.still_serves),
        *_planned(ENTERING, inside, inside.still_serves),
        *(Plan(case, partial(sessions.run, case), sessions.renew) for case in TALKING),
    ]


def _planned(
    cases: Sequence[Case[Any]], stage: object, still_serves: Callable[[], Awaitable[None]]
) -> list[Plan]:
    return [Plan(case, partial(case.run, stage), still_serves) for case in cases]
