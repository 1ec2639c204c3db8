"""Values and near misses for any field of a Structure, made from its declared type.

``values(hint)`` is a hypothesis strategy of allowed values; ``misses(hint)`` lists values just
outside: one step over each bound, and one of every other type.
"""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Union

from hypothesis import strategies as st
from msgspec import Meta

from qrfld.crypto.encoding import Key, Structure

TEXT = st.characters(exclude_categories=["Cs"])
OF_EVERY_TYPE: tuple[object, ...] = (None, True, 7, -7, 1.5, "text", b"bytes", [], [None], {1: 2})


def fields(cls: type[Structure]) -> dict[str, tuple[int, Any]]:
    """Return the key and the type of each field, by name."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        name: (next(int(m) for m in hints[name].__metadata__ if isinstance(m, Key)), hints[name])
        for name in cls.__struct_fields__
    }


def structures(cls: type[Structure]) -> st.SearchStrategy[Any]:
    """Return allowed values of ``cls``, rules between fields aside."""
    return st.builds(cls, **{name: values(hint) for name, (_, hint) in fields(cls).items()})


def bounds(hint: Any) -> tuple[Any, dict[str, Any]]:
    """Return the type without its annotations, and what the Metas say together."""
    found: dict[str, Any] = {}
    while typing.get_origin(hint) is Annotated:
        for meta in hint.__metadata__:
            if isinstance(meta, Meta):
                for name in ("ge", "gt", "le", "lt", "min_length", "max_length"):
                    if getattr(meta, name) is not None:
                        found.setdefault(name, getattr(meta, name))
        hint = hint.__origin__
    return hint, found


def values(hint: Any) -> st.SearchStrategy[Any]:
    base, limit = bounds(hint)
    lengths = {"min_size": limit.get("min_length", 0), "max_size": limit.get("max_length", 8)}
    if lengths["max_size"] > 4096 and base is bytes:
        lengths["max_size"] = 100  # the bound itself is tested by misses()
    origin = typing.get_origin(base)
    if origin in (Union, types.UnionType):
        return st.one_of([values(arg) for arg in typing.get_args(base)])
    if origin is tuple:
        args = typing.get_args(base)
        if args[-1] is Ellipsis:
            return st.lists(values(args[0]), max_size=min(3, lengths["max_size"])).map(tuple)
        return st.tuples(*[values(arg) for arg in args])
    if isinstance(base, type) and issubclass(base, Structure):
        return structures(base)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        type(None): st.none(),
        bool: st.booleans(),
        bytes: st.binary(**lengths),
        str: st.text(TEXT, **lengths),
    }
    if base in simple:
        return simple[base]
    if base is int:
        return st.integers(limit.get("ge"), limit.get("le"))
    assert base is float, hint
    return st.floats(
        min_value=limit.get("ge", limit.get("gt")),
        max_value=limit.get("le"),
        exclude_min="gt" in limit,
        allow_nan=False,
        allow_infinity=False,
    )


def misses(hint: Any) -> list[object]:
    base, _ = bounds(hint)
    options = typing.get_args(base) if typing.get_origin(base) in (Union, types.UnionType) else ()
    kinds = {typing.get_origin(b) or b for b, _ in map(bounds, options or (base,))}
    python = {list if kind is tuple else dict if _nested(kind) else kind for kind in kinds}
    wrong = [value for value in OF_EVERY_TYPE if type(value) not in python]
    if type(None) in python:
        wrong += [None]  # an absent optional field has one spelling: absence
    for option in options or (hint,):
        wrong += _beyond(*bounds(option if options else hint))
    return wrong


def _nested(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Structure)


def _beyond(base: Any, limit: dict[str, Any]) -> list[object]:
    unit: dict[Any, Any] = {bytes: b"x", str: "x"}
    wrong: list[object] = []
    if base in unit and "max_length" in limit:
        wrong.append(unit[base] * (limit["max_length"] + 1))
    if base in unit and limit.get("min_length"):
        wrong.append(unit[base] * (limit["min_length"] - 1))
    if typing.get_origin(base) is tuple:
        item = typing.get_args(base)[0]
        wrong += [[miss] for miss in misses(item)]
    if base in (int, float):
        step = base(1)
        wrong += [limit[name] - step for name in ("ge",) if name in limit]
        wrong += [limit[name] + step for name in ("le",) if name in limit]
        wrong += [limit["gt"]] if "gt" in limit else []
    return wrong
