"""What all targets check with: refusals by name, memory in proportion, one encoding per value."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Final, TypeVar

from qrfld.errors import QrfldError

_T = TypeVar("_T")

#: No refusal repeats a hostile value at length: this goes to logs and terminals.
MAX_ERROR_TEXT: Final = 2000


class InvariantError(AssertionError):
    """An invariant does not hold."""


class Refused:
    """What `attempt` gives instead of a result: the input was refused by name."""


REFUSED: Final = Refused()


def require(holds: bool, what: str) -> None:
    """Raise InvariantError that says ``what`` should have held."""
    if not holds:
        raise InvariantError(what)


def attempt(call: Callable[[], _T], *errors: type[QrfldError]) -> _T | Refused:
    """The result of ``call``, or REFUSED when it raises one of ``errors`` with a fit text.

    Any other exception goes on: it is a finding.
    """
    try:
        return call()
    except errors as error:
        require_named(error)
        return REFUSED


def require_named(error: QrfldError) -> None:
    """A refusal has a name of its own and a text, and the text is short."""
    require(error.name not in ("", "qrfld"), f"{error!r} has a name")
    require(0 < len(str(error)) <= MAX_ERROR_TEXT, f"the text of {type(error).__name__} is short")


def extends(received: object, known: object) -> bool:
    """Whether ``received`` is ``known``, but for unknown fields with odd keys at any level."""
    if isinstance(known, dict) and isinstance(received, dict):
        extra = received.keys() - known.keys()
        return all(key % 2 for key in extra) and all(
            key in received and extends(received[key], value) for key, value in known.items()
        )
    if isinstance(known, list) and isinstance(received, list):
        return len(known) == len(received) and all(map(extends, received, known))
    return type(received) is type(known) and received == known


@contextmanager
def memory_within(limit: int) -> Iterator[None]:
    """Require that what runs inside never holds more than ``limit`` bytes more than before.

    While a Python function traces every line, its own memory would count: then nothing is measured.
    """
    if isinstance(sys.gettrace(), FunctionType):
        yield
        return
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    require(peak <= limit, f"{peak} bytes were held, allowed are {limit}")
