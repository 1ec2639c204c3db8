"""Texts on the command line that stand for something: a duration, a parameter, a name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from qrfld.errors import UsageError

Parameter = str | int | float | bool

MAX_PARAMETERS: Final = 32
MAX_EXPIRY_SECONDS: Final = 365 * 86_400
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_WORDS: Final[dict[str, bool]] = {"true": True, "false": False}


def seconds(text: str) -> int:
    """``90``, ``90s``, ``15m``, ``2h`` or ``7d`` as seconds, at most a year. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    value = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 1 <= value <= MAX_EXPIRY_SECONDS:
        raise UsageError(
            f"{text!r} is not a duration from 1 second to 365 days",
            hint="write 90s, 15m, 2h or 7d",
        )
    return value


def parameters(words: Iterable[str]) -> dict[str, Parameter]:
    """``key=value`` words as the parameters of a task.

    A value that reads as an integer, a finite number, ``true`` or ``false`` is one; anything else
    is text. Raises UsageError for a word without ``=``, an empty or repeated key, or too many.
    """
    found: dict[str, Parameter] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not key:
            raise UsageError(
                f"--param {word!r} is not key=value", hint="for example --param alpha=0.5"
            )
        if key in found:
            raise UsageError(f"--param {key} is given twice", hint="give it once")
        found[key] = _value(value)
    if len(found) > MAX_PARAMETERS:
        raise UsageError(
            f"{len(found)} parameters, a run takes up to {MAX_PARAMETERS}", hint="give fewer"
        )
    return found


def _value(text: str) -> Parameter:
    if text in _WORDS:
        return _WORDS[text]
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]{1,3})?", text):
        number = float(text)
        if abs(number) != float("inf"):
            return number
    return text
