"""What a target raised: told apart by type and place, kept on disk, made small."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Callable
from pathlib import Path

MINIMISE_SECONDS = 20.0
_ROOT = Path(__file__).parents[1]


def signature(error: BaseException) -> str:
    """The same for exceptions of one type from one line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_ROOT)]
    places = [f"{Path(f.filename).relative_to(_ROOT)}:{f.lineno}" for f in ours]
    # Where `require` stands is where every broken invariant ends.
    telling = [place for place in places if not place.startswith("fuzz/invariants.py")]
    return " ".join((type(error).__name__, *telling[-1:]))


class Findings:
    """The directory of a target's findings; the first of each signature is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: set[str] = set()

    def keep(self, data: bytes, error: Exception) -> None:
        """Write the input and the traceback, unless its like is there."""
        what = signature(error)
        if what in self._seen:
            return
        self._seen.add(what)
        self._directory.mkdir(parents=True, exist_ok=True)
        stem = f"finding-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
        (self._directory / f"{stem}.txt").write_text("".join(traceback.format_exception(error)))
        (self._directory / stem).write_bytes(data)


def outcome(check: Callable[[bytes], None], data: bytes) -> str:
    """The signature of what ``data`` raises; the empty string if nothing."""
    try:
        check(data)
    except Exception as error:
        return signature(error)
    return ""


def minimise(
    check: Callable[[bytes], None], data: bytes, seconds: float = MINIMISE_SECONDS
) -> bytes:
    """A shorter, plainer input that raises the same; stops after ``seconds``."""
    wanted = outcome(check, data)
    end = time.monotonic() + seconds
    size = max(1, len(data) // 2)
    while wanted and time.monotonic() < end:
        shorter = _without(check, data, size, wanted, end)
        if shorter == data and size == 1:
            break
        data, size = shorter, max(1, size // 2)
    for at in range(len(data)):
        plain = data[:at] + b"\0" + data[at + 1 :]
        if wanted and time.monotonic() < end and outcome(check, plain) == wanted:
            data = plain
    return data


def _without(
    check: Callable[[bytes], None], data: bytes, size: int, wanted: str, end: float
) -> bytes:
    """``data`` without each run of ``size`` bytes that it does not need."""
    at = 0
    while at < len(data) and time.monotonic() < end:
        shorter = data[:at] + data[at + size :]
        if outcome(check, shorter) == wanted:
            data = shorter
        else:
            at += size
    return data
