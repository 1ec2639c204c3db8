"""bodies/: the bodies of signed statements as structures, nothing signed yet (sections 11, 13)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Structure, Vector, fields, hexed, pack
from making.types import (
    FRACTION,
    HASH,
    NONNEG,
    RUN,
    U8,
    U16,
    U32,
    U63,
    Field,
    Type,
    array,
    at_bounds,
    data,
    failures,
    integer,
    sample,
    text,
)

FEDERATION, RUN_ID, NONCE = bytes(range(64, 96)), bytes(range(16)), b"\x77" * 16
ADDRESS = text(3, 255)


def node(number: int) -> bytes:
    return (number + 1).to_bytes(32)


def _address(number: int) -> str:
    return f"host-{number}.example:4500"


def _entry(number: int) -> Structure:
    return Structure(
        {
            (0, "node"): node(number),
            (2, "update"): b"\x22" * 32,
            (4, "samples"): 60,
            (6, "verdict"): 1,
        }
    )


def _limits(members: int = 1000, size: int = 1 << 28) -> Structure:
    return Structure({(1, "max_members"): members, (2, "max_model_bytes"): size})


LIMITS = Type(
    _limits(1, 1),
    _limits(1000, 1 << 40),
    (
        ("of-no-members", _limits(0)),
        ("of-1001-members", _limits(1001)),
        ("of-no-bytes", _limits(size=0)),
        ("above-1-tib", _limits(size=(1 << 40) + 1)),
        ("without-members", _limits().without("max_members")),
        ("with-unknown-even-key", _limits().with_key(4, 1)),
    ),
    [1000, 1 << 28],
)
#: Bounds that another rule would hide have vectors of their own below.
QUORUM = Type(1, 512, (("below", 0),), "1")
UPDATES = Type([], [], (), {0: 1})
EVALUATIONS = Type(0, 512, (("above", 513),), "1")
DEADLINE = Type(5e-324, 604800.0, (("zero", 0.0), ("below", -1.0), ("above", 604800.5)), 60)

GENESIS = (
    Field(0, "format", U8, 1),
    Field(2, "name", text(1, 64), "our federation"),
    Field(4, "suites", array(lambda i: i + 1, 1, 8), [1, 2]),
    Field(6, "founder_suite", U8, 1),
    Field(8, "founder_key", data(0, 4096), b"\x88" * 1952),
    Field(10, "validators", array(node, 1, 13), [node(1)]),
    Field(12, "limits", LIMITS, _limits()),
    Field(14, "created_at", U63, 1_750_000_000),
    Field(16, "nonce", RUN, NONCE),
)
ADMISSION = (
    Field(0, "federation", HASH, FEDERATION),
    Field(2, "suite_id", U8, 1),
    Field(4, "public_key", data(0, 4096), b"\x88" * 1952),
    Field(6, "name", text(1, 64), "bob"),
    Field(8, "issued_at", U63, 1_750_000_000),
    Field(10, "issuer", HASH, node(1)),
    Field(12, "serial", RUN, NONCE),
)
ADDRESS_RECORD = (
    Field(0, "federation", HASH, FEDERATION),
    Field(2, "node", HASH, node(1)),
    Field(4, "sequence", U63, 3),
    Field(6, "addresses", array(_address, 0, 8), ["a.example:4500", "[2001:db8::1]:4500"]),
)
RUN_CONFIG = (
    Field(0, "federation", HASH, FEDERATION),
    Field(2, "coordinator", HASH, node(1)),
    Field(4, "task", text(1, 64), "digits"),
    Field(6, "task_digest", HASH, b"\x99" * 32),
    Field(8, "params", array(lambda i: [f"p{i:02}", i], 0, 32), [["epochs", 2], ["rate", 0.5]]),
    Field(10, "rounds", integer(1, 100_000), 20),
    Field(12, "rule", text(1, 32), "multi-krum"),
    Field(14, "f", U16, 1),
    Field(16, "quorum", QUORUM, 2),
    Field(18, "deadline_seconds", DEADLINE, 60.0),
    Field(20, "seed", U63, 42),
    Field(22, "members", array(node, 0, 512), [node(1), node(2), node(3)]),
    Field(24, "started_at", U63, 1_750_000_000),
    Field(26, "nonce", RUN, NONCE),
)
UPDATE = (
    Field(0, "run", RUN, RUN_ID),
    Field(2, "round", U32, 1),
    Field(4, "base_model", HASH, b"\x11" * 32),
    Field(6, "update", HASH, b"\x22" * 32),
    Field(8, "update_bytes", U63, 2600),
    Field(10, "samples", U32, 287),
    Field(12, "loss", NONNEG, 0.5),
)
ROUND_RECORD = (
    Field(0, "run", RUN, RUN_ID),
    Field(2, "round", U32, 1),
    Field(4, "previous", HASH, bytes(32)),
    Field(6, "base_model", HASH, b"\x11" * 32),
    Field(8, "model", HASH, b"\x33" * 32),
    Field(10, "rule", text(1, 32), "multi-krum"),
    Field(12, "f", U16, 1),
    Field(14, "updates", UPDATES, [_entry(1), _entry(2)]),
    Field(16, "stragglers", array(lambda i: node(i + 600), 0, 512), [node(2000)]),
    Field(18, "evaluations", EVALUATIONS, 2),
    Field(20, "accuracy", FRACTION, 0.875, optional=True),
    Field(22, "loss", NONNEG, 0.25, optional=True),
    Field(24, "seconds", NONNEG, 4.5),
    Field(26, "bytes_sent", U63, 10_000),
    Field(28, "bytes_received", U63, 8000),
    Field(30, "finished_at", U63, 1_750_000_060),
)
KINDS = {
    1: ("genesis", GENESIS),
    2: ("admission", ADMISSION),
    3: ("address-record", ADDRESS_RECORD),
    16: ("run-config", RUN_CONFIG),
    17: ("update", UPDATE),
    18: ("round-record", ROUND_RECORD),
}


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    for kind, (name, table) in KINDS.items():
        good = sample(table)
        yield _good(kind, "ordinary", "every field", good)
        ignored = good.with_key(255, None)
        yield _good(kind, "unknown-odd-key", "an odd key is ignored", ignored, known=good)
        if name != "round-record":
            yield _good(kind, "least", "each field at its least", _low(name, table))
            yield _good(kind, "most", "each field at its most", at_bounds(table, "most"))
        for slug, comment, value in failures(table):
            yield _refused(kind, slug, comment, value)
    yield from _addresses()
    yield from _parameters()
    yield from _run_rules()
    yield from _record_bounds()
    yield from _record_rules()


def _low(name: str, table: tuple[Field, ...]) -> Structure:
    """Each field at its least; the least quorum needs one member."""
    least = at_bounds(table, "least")
    return least.changed("members", [node(1)]) if name == "run-config" else least


def _good(
    kind: int, slug: str, comment: str, value: Structure, *, known: Structure | None = None
) -> Vector:
    values: dict[str, Any] = {"kind": kind, "body": hexed(value.pack())}
    if len(value.pack()) < 4096:
        values["fields"] = fields(known or value)
    if known:
        values["written"] = hexed(known.pack())
    section = f"13.{list(KINDS).index(kind) + 1}"
    return Vector(f"bodies/{KINDS[kind][0]}/{slug}", "ok", section, comment, values)


def _refused(kind: int, slug: str, comment: str, value: Structure) -> Vector:
    values = {"kind": kind, "body": hexed(value.pack())}
    section = f"13.{list(KINDS).index(kind) + 1}"
    return Vector(f"bodies/{KINDS[kind][0]}/{slug}", "encoding", section, comment, values)


def _addresses() -> Iterator[Vector]:
    good = sample(ADDRESS_RECORD)
    for slug, comment, item in (
        ("address-of-2", "an address of 2 characters", "a:"),
        ("address-of-256", "an address of 256 characters", "a" * 251 + ":4500"),
        ("address-bytes", "an address as bytes", b"a:4500"),
    ):
        yield _refused(3, slug, comment, good.changed("addresses", [item]))


def _parameters() -> Iterator[Vector]:
    good = sample(RUN_CONFIG)
    kinds = [
        ["a", -(1 << 63)],
        ["b", (1 << 63) - 1],
        ["c", 1.0],
        ["d", True],
        ["e", "\u00e9" * 255],
    ]
    comment = "a parameter of every type, at its bounds"
    yield _good(16, "params-of-every-type", comment, good.changed("params", kinds))
    names = [["\u00e9", 1], ["\uffff", 1], ["\U00010000", 1]]
    # UTF-16 would put the last one before the second.
    comment = "names ascend by code points, not by UTF-16 units"
    yield _good(16, "params-beyond-16-bits", comment, good.changed("params", names))
    for slug, comment, params in (
        ("param-2-63", "an integer of 2^63", [["a", 1 << 63]]),
        ("param-null", "a value that is null", [["a", None]]),
        ("param-bytes", "a value of bytes", [["a", b"1"]]),
        ("param-array", "a value that is an array", [["a", [1]]]),
        ("param-long-text", "a text of 256 characters", [["a", "x" * 256]]),
        ("param-no-name", "an empty name", [["", 1]]),
        ("param-long-name", "a name of 65 characters", [["x" * 65, 1]]),
        ("param-alone", "a name without a value", [["a"]]),
        ("param-triple", "three elements", [["a", 1, 1]]),
        ("params-descend", "names descend", [["b", 1], ["a", 1]]),
        ("params-twice", "one name twice", [["a", 1], ["a", 2]]),
    ):
        yield _refused(16, slug, comment, good.changed("params", params))


def _run_rules() -> Iterator[Vector]:
    good = sample(RUN_CONFIG)
    twice = good.changed("members", [node(1), node(2), node(1)])
    yield _refused(16, "member-twice", "one member twice", twice)
    comment = "a quorum of 4 among 3 members"
    yield _refused(16, "quorum-above-members", comment, good.changed("quorum", 4))
    yield _good(16, "quorum-of-all", "a quorum of all members", good.changed("quorum", 3))
    genesis = sample(GENESIS)
    comment = "an odd key inside limits is ignored"
    ignored = genesis.changed("limits", _limits().with_key(3, 1))
    yield _good(1, "limits-unknown-odd-key", comment, ignored, known=genesis)


def _record_bounds() -> Iterator[Vector]:
    good = sample(ROUND_RECORD)
    full = good.changed("updates", [_entry(i) for i in range(512)]).changed("stragglers", [])
    yield _good(18, "updates-512", "the largest record: 512 updates", full)
    late = good.changed("updates", []).changed("stragglers", [node(i) for i in range(512)])
    yield _good(18, "stragglers-512", "512 stragglers", late)
    nothing = good.without("accuracy").without("loss").changed("evaluations", 0)
    yield _good(18, "unscored", "no evaluations, no accuracy, no loss", nothing)
    yield _refused(18, "evaluations-below", "-1 evaluations", nothing.changed("evaluations", -1))
    comment = "512 updates and 1 straggler: 513 nodes"
    yield _refused(18, "nodes-513", comment, full.changed("stragglers", [node(600)]))


def _record_rules() -> Iterator[Vector]:
    good = sample(ROUND_RECORD)
    entry = _entry(1)
    for slug, comment, value in (
        ("verdict-0", "verdict 0", entry.changed("verdict", 0)),
        ("verdict-4", "verdict 4", entry.changed("verdict", 4)),
        ("short-node", "a node of 31 bytes", entry.changed("node", bytes(31))),
        ("short-update", "an update of 31 bytes", entry.changed("update", bytes(31))),
        ("negative-samples", "samples below 0", entry.changed("samples", -1)),
        ("missing-verdict", "no verdict", entry.without("verdict")),
        ("unknown-even-key", "an even key nobody knows", entry.with_key(8, 1)),
        ("array", "an array instead of a structure", [node(1), b"\x22" * 32, 60, 1]),
    ):
        comment = f"an update entry: {comment}"
        yield _refused(18, f"entry-{slug}", comment, good.changed("updates", [value]))
    twice = good.changed("updates", [entry, entry])
    yield _refused(18, "update-twice", "one node twice among the updates", twice)
    both = good.changed("stragglers", [node(1)])
    yield _refused(18, "update-and-straggler", "one node in updates and stragglers", both)
    again = good.changed("stragglers", [node(2000), node(2000)])
    yield _refused(18, "straggler-twice", "one node twice among the stragglers", again)
    for slug, comment, value in (
        ("accuracy-absent", "evaluations without accuracy", good.without("accuracy")),
        ("loss-absent", "evaluations without loss", good.without("loss")),
        ("accuracy-unfounded", "accuracy and loss without evaluations",
         good.changed("evaluations", 0)),
    ):  # fmt: skip
        yield _refused(18, slug, comment, value)
    half = pack(sample(ROUND_RECORD).map()).replace(pack(0.25), b"\xcb\x7f\xf8" + bytes(6))
    values = {"kind": 18, "body": hexed(half)}
    yield Vector("bodies/round-record/loss-nan", "encoding", "11", "a loss that is NaN", values)
