"""The types of section 2.1: for each, values at its bounds and values just outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from making.basics import Structure


@dataclass(frozen=True)
class Type:
    """``least`` and ``most`` stand at the bounds, ``outside`` one step beyond; ``wrong`` is of
    another type."""

    least: Any
    most: Any
    outside: tuple[tuple[str, Any], ...]
    wrong: Any


@dataclass(frozen=True)
class Field:
    """One row of a table: key, name, type, and an everyday value."""

    key: int
    name: str
    type: Type
    value: Any
    optional: bool = False


def integer(least: int, most: int) -> Type:
    outside = (("below", least - 1), ("above", most + 1))
    return Type(least, most, outside, "1")


def number(least: float, most: float | None = None) -> Type:
    outside = [("below", least - 1.0)]
    if most is not None:
        outside.append(("above", most + 0.5))
    # An integer where a float belongs: the mistake that lenient readers forgive.
    return Type(least, 1.5e308 if most is None else most, tuple(outside), 1)


def data(least: int, most: int) -> Type:
    outside = [("too-long", b"\x11" * (most + 1))]
    if least:
        outside.insert(0, ("too-short", b"\x11" * (least - 1)))
    return Type(b"\x11" * least, b"\x11" * most, tuple(outside), "text")


def text(least: int, most: int) -> Type:
    outside = [("too-long", "x" * (most + 1))]
    if least:
        outside.insert(0, ("empty", ""))
    # Two bytes each in UTF-8: lengths of text are code points.
    return Type("x" * least, "\u00e9" * most, tuple(outside), b"bytes")


def array(item: Any, least: int, most: int) -> Type:
    """Elements: ``item(i)`` for each place, so that they can all differ."""
    outside = [("too-many", [item(i) for i in range(most + 1)])]
    if least:
        outside.insert(0, ("too-few", [item(i) for i in range(least - 1)]))
    full = [item(i) for i in range(most)]
    return Type([item(i) for i in range(least)], full, tuple(outside), {0: 1})


BOOL = Type(False, True, (), 1)
U8, U16, U32 = integer(0, (1 << 8) - 1), integer(0, (1 << 16) - 1), integer(0, (1 << 32) - 1)
U63 = integer(0, (1 << 63) - 1)
FRACTION, NONNEG, SECONDS = number(0.0, 1.0), number(0.0), number(0.0, 604800.0)
HASH, RUN = data(32, 32), data(16, 16)
STATEMENT, DOCUMENT, REASON = data(1, 65472), data(1, 16384), text(0, 255)


def sample(table: tuple[Field, ...], *, optional: bool = True) -> Structure:
    """The structure of everyday values, with or without its optional fields."""
    return Structure({(f.key, f.name): f.value for f in table if optional or not f.optional})


def at_bounds(table: tuple[Field, ...], which: str) -> Structure:
    """The structure with each field at its ``least`` or ``most``."""
    return Structure({(f.key, f.name): getattr(f.type, which) for f in table})


def failures(table: tuple[Field, ...]) -> Iterator[tuple[str, str, Structure]]:
    """(slug, what is wrong, structure) for every way of breaking one field of a structure."""
    good = sample(table)
    for row in table:
        slug = row.name.replace("_", "-")
        if row.optional:
            changed = good.changed(row.name, None)
            yield f"null-{slug}", f"the optional {row.name} is null instead of absent", changed
        else:
            yield f"missing-{slug}", f"{row.name} is missing", good.without(row.name)
        changed = good.changed(row.name, row.type.wrong)
        yield f"wrong-type-{slug}", f"{row.name} is of another type", changed
        for bound, value in row.type.outside:
            yield f"{slug}-{bound}", f"{row.name} is {_words(bound)}", good.changed(row.name, value)
    yield "unknown-even-key", "an even key that no reader of version 1 knows", good.with_key(254, 1)


def _words(bound: str) -> str:
    words = {"below": "below its lowest value", "above": "above its highest value"}
    return words.get(bound, bound.replace("-", " "))
