"""``python -m fuzz.distil [TARGET…]``: choose the corpus to commit.

Takes a target's seeds, its committed corpus and what campaigns on this machine collected. Chooses
the input that takes most steps from line to line in `qrfld`, then the one that adds most, and so
on; a step that is taken twice, 4 or 8 times counts as another one. Ends when nothing is added, or
at 50 inputs or the target's share of bytes. Inputs that break the invariant are left out.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz.__main__ import WORK
from fuzz.findings import outcome
from fuzz.targets import Target, load, names

#: Of all corpora together; tests/fuzz/test_corpus.py holds it.
MAX_CORPUS_BYTES = 200_000
MAX_INPUTS = 50
_PACKAGE = str(Path(__file__).parents[1] / "qrfld")

Step = tuple[object, int, int, int]
MOST_OFTEN = 4


def steps(target: Target, data: bytes) -> set[Step]:
    """The steps from line to line of `qrfld` that an input takes, and about how often each."""
    taken: Counter[tuple[object, int, int]] = Counter()

    def enter(frame: FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        code, last = frame.f_code, 0

        def line(frame: FrameType, event: str, arg: object) -> Any:
            nonlocal last
            taken[code, last, frame.f_lineno] += 1
            last = frame.f_lineno
            return line

        return line

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        target.check(data)
    finally:
        sys.settrace(before)
    return {(*step, min(count.bit_length(), MOST_OFTEN)) for step, count in taken.items()}


def chosen(target: Target, inputs: Iterable[bytes], max_bytes: int) -> list[bytes]:
    """The inputs to keep, those that add most first."""
    sound = [data for data in sorted(set(inputs), key=_size) if not outcome(target.check, data)]
    left = {data: steps(target, data) for data in sound}
    kept: list[bytes] = []
    room = max_bytes
    while len(kept) < MAX_INPUTS:
        fitting = [data for data in left if len(data) <= room]
        best = max(fitting, key=lambda data: len(left[data]), default=b"")
        new = left.pop(best, set())
        if not new:
            break
        kept.append(best)
        room -= len(best)
        for others in left.values():
            others -= new
    return kept


def _size(data: bytes) -> tuple[int, bytes]:
    return len(data), data


def distil(target: Target, max_bytes: int) -> int:
    """Rewrite the committed corpus of a target; its bytes."""
    found = [target.corpus, WORK / target.name / "corpus"]
    files = [path for directory in found if directory.is_dir() for path in directory.iterdir()]
    inputs = [*target.seeds(), *(path.read_bytes() for path in files)]
    kept = chosen(target, inputs, max_bytes)
    target.corpus.mkdir(parents=True, exist_ok=True)
    for path in target.corpus.iterdir():
        path.unlink()
    for data in kept:
        (target.corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return sum(map(len, kept))


def main(arguments: list[str]) -> None:
    """Distil the targets that are named, or all."""
    for name in arguments or names():
        target = load(name)
        size = distil(target, MAX_CORPUS_BYTES // len(names()))
        print(f"{name}: {len(list(target.corpus.iterdir()))} inputs, {size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
