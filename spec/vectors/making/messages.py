"""messages/: every message type at its bounds and broken in one way each (section 12)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Structure, Vector, fields, hexed, pack
from making.types import (
    BOOL,
    DOCUMENT,
    FRACTION,
    HASH,
    NONNEG,
    REASON,
    RUN,
    SECONDS,
    STATEMENT,
    U16,
    U32,
    U63,
    Field,
    array,
    at_bounds,
    failures,
    integer,
    sample,
    text,
)

RUN_ID = bytes(range(16))
MODEL, UPDATE, PREVIOUS = b"\x33" * 32, b"\x22" * 32, b"\x44" * 32
#: Documents and statements are opaque to a reader of messages: any bytes serve.
BYTES = b"\x81\x01\x02"


def _entry(number: int) -> Structure:
    return Structure({(0, "certificate"): bytes([number, 1]), (1, "addresses"): bytes([number, 2])})


def _known(number: int) -> list[object]:
    return [number.to_bytes(32), number]


def _run(*rest: Field) -> tuple[Field, ...]:
    return (Field(0, "run", RUN, RUN_ID), *rest)


ROUND = Field(2, "round", U32, 7)

TABLES: dict[tuple[int, str], tuple[Field, ...]] = {
    (1, "HELLO"): (
        Field(0, "software", text(0, 64), "qrfld 0.1"),
        Field(2, "certificate", DOCUMENT, BYTES, optional=True),
        Field(3, "addresses", DOCUMENT, BYTES, optional=True),
    ),
    (2, "JOIN"): (
        Field(0, "token_id", RUN, b"\x55" * 16),
        Field(2, "secret", HASH, b"\x66" * 32),
        Field(4, "name", text(1, 64), "bob"),
    ),
    (3, "WELCOME"): (
        Field(0, "genesis", DOCUMENT, BYTES),
        Field(2, "certificate", DOCUMENT, BYTES),
    ),
    (4, "REFUSED"): (
        Field(0, "about", U16, 2),
        Field(2, "error", U16, 3),
        Field(4, "reason", REASON, "used"),
    ),
    (5, "MEMBERS"): (Field(0, "entries", array(_entry, 0, 7), [_entry(1)]),),
    (6, "DIGEST"): (
        Field(0, "members", array(lambda _: _known(5), 0, 1000), [_known(5), _known(9)]),
    ),
    (10, "RUN_OFFER"): (Field(0, "config", STATEMENT, BYTES),),
    (11, "ROUND_START"): _run(
        ROUND,
        Field(4, "model", HASH, MODEL),
        Field(6, "model_bytes", U63, 2600),
        Field(8, "previous", HASH, PREVIOUS),
        Field(10, "seconds_left", SECONDS, 12.5),
    ),
    (12, "UPDATE"): (Field(0, "statement", STATEMENT, BYTES),),
    (13, "UPDATE_RECEIPT"): _run(
        ROUND,
        Field(4, "update", HASH, UPDATE),
        Field(6, "accepted", BOOL, True),
        Field(8, "reason", REASON, ""),
    ),
    (14, "EVALUATE"): _run(
        ROUND, Field(4, "model", HASH, MODEL), Field(6, "model_bytes", U63, 2600)
    ),
    (15, "EVALUATION"): _run(
        ROUND,
        Field(4, "model", HASH, MODEL),
        Field(6, "accuracy", FRACTION, 0.75),
        Field(8, "loss", NONNEG, 0.5),
        Field(10, "samples", U32, 60),
    ),
    (16, "ROUND_RECORD"): (Field(0, "statement", STATEMENT, BYTES),),
    (17, "RUN_END"): _run(
        Field(2, "state", integer(1, 3), 1), Field(4, "reason", REASON, "finished")
    ),
    (18, "TRAINING_FAILED"): _run(ROUND, Field(4, "reason", REASON, "no data")),
    (19, "RUN_SYNC"): _run(Field(2, "next_round", U32, 300)),
}


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    for (code, name), table in TABLES.items():
        yield from _of_type(code, name, table)
    yield from _one_spelling()
    yield from _codes()
    yield from _nested()


def _vector(
    slug: str, expect: str, comment: str, code: int, body: bytes, section: str = "12", **more: Any
) -> Vector:
    values = {"body": hexed(code.to_bytes(2) + body), **more}
    return Vector(f"messages/{slug}", expect, section, comment, values)


def _good(
    slug: str,
    comment: str,
    kind: tuple[int, str],
    value: Structure,
    *,
    known: Structure | None = None,
) -> Vector:
    """A message that is read; ``known`` is what is left of it when unknown fields are ignored."""
    code, name = kind
    more: dict[str, Any] = {"name": name}
    if slug != "digest/most":  # a thousand elements: only that they are read
        more["fields"] = fields(known or value)
    if known:
        more["written"] = hexed(code.to_bytes(2) + known.pack())
    return _vector(slug, "ok", comment, code, value.pack(), "11.1" if known else "12", **more)


def _of_type(code: int, name: str, table: tuple[Field, ...]) -> Iterator[Vector]:
    kind, place = (code, name), name.lower().replace("_", "-")
    good = sample(table)
    yield _good(f"{place}/ordinary", f"{name} with all fields", kind, good)
    if any(field.optional for field in table):
        short = sample(table, optional=False)
        yield _good(f"{place}/shortest", f"{name} without optional fields", kind, short)
    for which in ("least", "most"):
        comment = f"{name}, each field at its {which}"
        yield _good(f"{place}/{which}", comment, kind, at_bounds(table, which))
    ignored = good.with_key(255, ["of", 2.0])
    yield _good(f"{place}/unknown-odd-key", "an odd key is ignored", kind, ignored, known=good)
    for slug, comment, broken in failures(table):
        yield _vector(f"{place}/{slug}", "bad-message", f"{name}: {comment}", code, broken.pack())


def _one_spelling() -> Iterator[Vector]:
    """RUN_SYNC spelled otherwise: the frame decodes to the same fields in a lenient reader."""
    run = b"\xc4\x10" + RUN_ID
    tail = b"\x02\xcd\x01\x2c"
    for slug, comment, body in (
        ("long-key", "key 0 in uint 8", b"\x82\xcc\x00" + run + tail),
        ("long-integer", "300 in uint 32", b"\x82\x00" + run + b"\x02\xce\x00\x00\x01\x2c"),
        ("long-map", "two fields in map 16", b"\xde\x00\x02\x00" + run + tail),
        ("long-bytes", "16 bytes in bin 16", b"\x82\x00\xc5\x00\x10" + RUN_ID + tail),
        ("keys-descend", "key 2 before key 0", b"\x82" + tail + b"\x00" + run),
        ("key-twice", "next_round twice", b"\x83\x00" + run + tail + tail),
        ("float-round", "300.0 where an integer belongs",
         b"\x82\x00" + run + b"\x02\xcb\x40\x72\xc0" + bytes(5)),
        ("text-run", "the run as text", b"\x82\x00\xb0" + b"x" * 16 + tail),
        ("trailing", "a byte after the structure", b"\x82\x00" + run + tail + b"\x00"),
        ("cut", "the last byte is missing", (b"\x82\x00" + run + tail)[:-1]),
        ("array", "an array instead of a map", pack([RUN_ID, 300])),
        ("null", "null instead of a map", b"\xc0"),
        ("nan", "an unknown odd field holds NaN",
         b"\x83\x00" + run + tail + b"\x03\xcb\x7f\xf8" + bytes(6)),
        ("odd-key-long-form", "an unknown odd field is not canonical",
         b"\x83\x00" + run + tail + b"\x03\xcc\x01"),
        ("text-keys", "keys that are text", b"\x82\xa1\x30" + run + b"\xa1\x32\xcd\x01\x2c"),
    ):  # fmt: skip
        yield _vector(f"spelling/{slug}", "bad-message", f"RUN_SYNC: {comment}", 19, body, "11")
    loss = pack({0: RUN_ID, 2: 7, 4: MODEL, 6: 0.75, 8: 0.5, 10: 60})
    half = b"\xcb" + bytes.fromhex("3fe0000000000000")
    for slug, value in (
        ("nan-loss", "7ff8000000000000"),
        ("infinite-loss", "7ff0000000000000"),
    ):
        body = loss.replace(half, b"\xcb" + bytes.fromhex(value))
        yield _vector(
            f"spelling/{slug}", "bad-message", "EVALUATION: loss not finite", 15, body, "11"
        )


def _codes() -> Iterator[Vector]:
    body = pack({0: RUN_ID})
    yield _vector("codes/unknown-even", "bad-message", "code 20 is not of this version", 20, body)
    yield _vector("codes/unknown-even-0", "bad-message", "code 0 is not of this version", 0, body)
    yield _vector("codes/unknown-odd", "ignored", "an odd code is ignored", 21, body)
    yield _vector("codes/unknown-odd-any", "ignored", "its bytes are not looked at", 65535, b"\xc1")
    # The largest structure that is read: an odd field fills it up.
    room = 65536 - len(pack({0: RUN_ID, 2: 300})) - len(b"\x03\xc5\xff\xff")
    good = sample(TABLES[(19, "RUN_SYNC")])
    full = good.with_key(3, bytes(room))
    comment = "a structure of 65,536 bytes, the largest"
    yield _good("codes/largest", comment, (19, "RUN_SYNC"), full, known=good)


def _nested() -> Iterator[Vector]:
    """Fields of the structures and tuples inside MEMBERS and DIGEST."""
    entry = _entry(1)
    ignored = Structure({(0, "entries"): [entry.with_key(3, 1)]})
    known = Structure({(0, "entries"): [entry]})
    kind = (5, "MEMBERS")
    comment = "an odd key is ignored at every level"
    yield _good("members/entry-unknown-odd-key", comment, kind, ignored, known=known)
    for slug, comment, value in (
        ("unknown-even-key", "refused at every level", entry.with_key(2, 1)),
        ("missing-certificate", "certificate is missing", entry.without("certificate")),
        ("wrong-type-certificate", "certificate is text", entry.changed("certificate", "x")),
        ("empty-certificate", "certificate is empty", entry.changed("certificate", b"")),
        ("null-addresses", "null instead of absent", entry.changed("addresses", None)),
        ("array", "an array instead of a structure", [b"\x01"]),
    ):
        body = Structure({(0, "entries"): [value]}).pack()
        yield _vector(f"members/entry-{slug}", "bad-message", f"an entry: {comment}", 5, body)
    for slug, comment, item in (
        ("short", "a node without its sequence", [bytes(32)]),
        ("long", "three elements", [bytes(32), 1, 1]),
        ("node-31", "a node of 31 bytes", [bytes(31), 1]),
        ("negative-sequence", "a sequence below 0", [bytes(32), -1]),
        ("sequence-above", "a sequence of 2^63", [bytes(32), 1 << 63]),
        ("map", "a map instead of an array", {0: bytes(32), 2: 1}),
    ):
        body = pack({0: [item]})
        yield _vector(f"digest/member-{slug}", "bad-message", f"an element: {comment}", 6, body)
