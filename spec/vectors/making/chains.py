"""chains/: which round record a member takes next (sections 12 and 13.6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Structure, Vector, hexed
from making.bodies import ROUND_RECORD, RUN_CONFIG, node, sample
from making.keys import sha256

COORDINATOR = node(1)
CONFIG = sample(RUN_CONFIG).changed("rounds", 3)
RUN = sha256(b"qrfld-1 statement", b"\x10", COORDINATOR, CONFIG.pack())[:16]


def _id(record: Structure) -> bytes:
    return sha256(b"qrfld-1 statement", b"\x12", COORDINATOR, record.pack())


def _entry(number: int, verdict: int = 1) -> Structure:
    return Structure({(0, "node"): node(number), (2, "update"): b"\x22" * 32,
                      (4, "samples"): 60, (6, "verdict"): verdict})  # fmt: skip


def _after(held: list[Structure]) -> Structure:
    """The record that may come next."""
    number = len(held) + 1
    record = sample(ROUND_RECORD).changed("run", RUN).changed("round", number)
    record = record.changed("updates", [_entry(1), _entry(2)]).changed("stragglers", [node(3)])
    record = record.changed("model", bytes([0x40 + number]) * 32)
    if held:
        record = record.changed("previous", _id(held[-1]))
        record = record.changed("base_model", held[-1][(8, "model")])
    return record


FIRST = _after([])
SECOND = _after([FIRST])
THIRD = _after([FIRST, SECOND])


def _vector(
    slug: str, expect: str, comment: str, held: list[Structure], record: Structure
) -> Vector:
    values: dict[str, Any] = {
        "config": hexed(CONFIG.pack()),
        "run": RUN.hex(),
        "held": [{"id": _id(one).hex(), "body": hexed(one.pack())} for one in held],
        "record": hexed(record.pack()),
    }
    return Vector(f"chains/{slug}", expect, "13.6", comment, values)


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    none: list[Structure] = []
    one, two = [FIRST], [FIRST, SECOND]
    yield _vector("first", "ok", "the first record", none, FIRST)
    yield _vector("second", "ok", "the second record", one, SECOND)
    yield _vector("last", "ok", "the record of the last round", two, THIRD)
    exact = FIRST.changed("updates", [_entry(1), _entry(2, 2), _entry(3, 3)]).changed(
        "stragglers", []
    )
    yield _vector("suspect-counts", "ok", "a suspect update is used and counts", none, exact)
    fourth = _after([FIRST, SECOND, THIRD])
    used = [_entry(1), _entry(2, 3)]
    for slug, comment, held, record in (
        ("other-run", "of another run", none, FIRST.changed("run", bytes(16))),
        ("round-0", "round 0", none, FIRST.changed("round", 0)),
        ("round-skipped", "round 2 before round 1", none, FIRST.changed("round", 2)),
        ("round-again", "round 1 again", one, SECOND.changed("round", 1)),
        ("first-with-previous", "the first record names a previous one", none,
         FIRST.changed("previous", b"\x01" * 32)),
        ("previous-zero", "the second record names none", one, SECOND.changed("previous",
         bytes(32))),
        ("previous-other", "previous is not the record that is held", one,
         SECOND.changed("previous", b"\x01" * 32)),
        ("previous-skips", "previous is the record before the last", two,
         THIRD.changed("previous", _id(FIRST))),
        ("other-base", "base_model is not the last record's model", one,
         SECOND.changed("base_model", b"\x01" * 32)),
        ("beyond-rounds", "round 4 of a run of 3", [*two, THIRD], fourth),
        ("other-rule", "another rule than the run's", none, FIRST.changed("rule", "mean")),
        ("other-f", "another f than the run's", none, FIRST.changed("f", 0)),
        ("stranger-in-updates", "an update of no member", none,
         FIRST.changed("updates", [_entry(1), _entry(9)])),
        ("stranger-in-stragglers", "a straggler that is no member", none,
         FIRST.changed("stragglers", [node(9)])),
        ("below-quorum", "one used update, the quorum is 2", none, FIRST.changed("updates", used)),
    ):  # fmt: skip
        yield _vector(f"refused-{slug}", "statement", comment, held, record)
