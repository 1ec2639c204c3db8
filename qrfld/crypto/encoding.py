"""Typed maps: names, types and bounds over the canonical encoding of ``canonical.py``.

A ``Structure`` is a msgspec struct whose fields carry a small integer for the wire::

    class Hello(Structure, frozen=True, kw_only=True):
        software: Annotated[str, Meta(max_length=64), Key(1)]
        addresses: Annotated[bytes | None, Key(2)] = None

(``frozen`` and ``kw_only`` are said again in every subclass: msgspec and mypy want it so.)

Bytes come in as *unpack → integer keys to names → msgspec.convert → compare*. The last step encodes
the struct again and demands the bytes that came, so that no leniency of a library (an int where a
float belongs, say) opens a second spelling of a signed value. Field types may be numbers, text,
bytes, Structures, optional ones, and tuples of these; an optional field that is None is left out.
Bounds belong to the type itself: ``Annotated[Annotated[str, Meta(max_length=4)] | None, Key(2)]``.

A reader ignores unknown odd keys and refuses unknown even ones, at every level: a later version
chooses with the number whether old readers may live without its new field. Signatures and hashes
always run over the bytes received, unknown fields included.
"""

from __future__ import annotations

import functools
import types
import typing
from typing import Annotated, Any, Final, NamedTuple, Self, TypeVar, Union

import msgspec
from msgspec import Meta

from qrfld.crypto.canonical import pack, unpack
from qrfld.crypto.errors import EncodingError

__all__ = [
    "DEFAULT_MAX_BYTES",
    "U8",
    "U16",
    "U32",
    "U63",
    "Bytes16",
    "Fraction",
    "Hash",
    "Key",
    "NonNegative",
    "Structure",
    "pack",
    "unpack",
]

DEFAULT_MAX_BYTES: Final = 65536

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
# Large counts stop at 2^63 - 1: they fit SQLite's and every language's signed 64-bit integer.
U63 = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Meta(ge=0.0)]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]


class Key(int):
    """The integer that stands for a field on the wire: ``Annotated[int, Key(3)]``."""


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every map that is sent, signed or stored. Equal values have equal bytes."""

    def to_map(self) -> dict[int, object]:
        """Return the map of integer keys, ready for ``pack``; fields that are None are absent."""
        result: dict[int, object] = {}
        for key, field in _fields(type(self)).items():
            value = getattr(self, field.name)
            if value is not None:
                result[key] = _plain(value)
        return result

    def to_bytes(self) -> bytes:
        """Encode canonically. Raises EncodingError when a field breaks its own type or bound."""
        checked, _ = _build(type(self), self.to_map())
        return pack(checked.to_map())

    @classmethod
    def from_map(cls, m: dict[int, object]) -> Self:
        """Build from a map of integer keys, such as ``unpack`` returns. Raises EncodingError."""
        built, known = _build(cls, m)
        _check_same(built, known)
        return built

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Self:
        """Decode one value that fills ``data``. Raises EncodingError for anything irregular."""
        value = unpack(data, max_bytes=max_bytes)
        if not isinstance(value, dict):
            raise EncodingError(f"{cls.__name__} is a map, not {type(value).__name__}")
        built, known = _build(cls, value)
        _check_same(built, known, data)
        return built


_S = TypeVar("_S", bound=Structure)


class _Field(NamedTuple):
    name: str
    nested: type[Structure] | None
    many: bool


def _build(cls: type[_S], m: dict[int, object]) -> tuple[_S, dict[int, object]]:
    """Return the struct, and ``m`` without the fields that this version does not know."""
    named, known = _split(cls, m)
    try:
        built = msgspec.convert(named, cls, strict=True, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise EncodingError(f"{cls.__name__}: {error}") from error
    return built, known


def _check_same(built: Structure, known: dict[int, object], data: bytes | memoryview = b"") -> None:
    """Check that ``built`` encodes to what came: to ``data``, or else to the known part of it."""
    encoded = pack(built.to_map())
    if encoded != data and encoded != pack(known):
        raise EncodingError(f"{type(built).__name__}: a field is not in its canonical form")


def _split(
    cls: type[Structure], m: dict[int, object]
) -> tuple[dict[str, object], dict[int, object]]:
    """Return ``m`` by field names, and by integer keys, both without unknown odd keys."""
    fields = _fields(cls)
    named: dict[str, object] = {}
    known: dict[int, object] = {}
    for key, value in m.items():
        field = fields.get(key)
        if field is not None:
            named[field.name], known[key] = _split_value(field, value)
        elif key % 2 == 0:
            raise EncodingError(f"{cls.__name__}: unknown even field {key} must be understood")
    return named, known


def _split_value(field: _Field, value: object) -> tuple[object, object]:
    if field.nested is None:
        return value, value
    if not field.many:
        return _split_one(field.nested, value)
    if not isinstance(value, list):
        return value, value  # msgspec names the field and the type
    pairs = [_split_one(field.nested, item) for item in value]
    return [named for named, _ in pairs], [known for _, known in pairs]


def _split_one(cls: type[Structure], value: object) -> tuple[object, object]:
    return _split(cls, value) if isinstance(value, dict) else (value, value)


def _plain(value: object) -> object:
    """Return ``value`` with Structures as maps and tuples as lists."""
    if isinstance(value, Structure):
        return value.to_map()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


@functools.cache
def _fields(cls: type[Structure]) -> dict[int, _Field]:
    """Return the fields of ``cls`` by key; a class that is declared wrong raises TypeError."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields: dict[int, _Field] = {}
    for name in cls.__struct_fields__:
        hint = hints[name]
        keys = [extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Key)]
        if len(keys) != 1 or keys[0] in fields:
            raise TypeError(f"{cls.__name__}.{name} needs one Key of its own")
        fields[int(keys[0])] = _Field(name, *_nesting(hint))
    return fields


def _nesting(hint: Any) -> tuple[type[Structure] | None, bool]:
    """Return the Structure inside a field type, if any, and whether the field holds many."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _nesting(args[0])
    if origin in (Union, types.UnionType):
        found = [_nesting(arg) for arg in args]
        return next((nesting for nesting in found if nesting[0]), (None, False))
    if origin is tuple and args[-1] is Ellipsis:
        return _nesting(args[0])[0], True
    if isinstance(hint, type) and issubclass(hint, Structure):
        return hint, False
    return None, False
