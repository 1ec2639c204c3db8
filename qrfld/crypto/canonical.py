"""Bounded msgpack: the bytes below every message, statement and control frame.

Signatures and hashes rest on bytes, so a value has exactly one canonical encoding and ``unpack``
refuses every other spelling of it: shortest forms only, map keys in strictly ascending order,
64-bit finite floats, UTF-8 text, no extension types, at most eight containers inside each other.

Reading is one pass of our own instead of ``msgpack.unpackb``. The C unpacker reserves room for as
many elements as a header claims before it has seen one of them, and headers nested in each other
multiply that, so none of its limits bounds the memory that a hostile kilobyte can ask for. Here a
container grows only with elements that have really arrived, and whatever is not canonical is
noticed where it stands. Writing goes through ``msgpack.packb``, which emits shortest forms.

Two dialects share the reader:

* ``pack``/``unpack``: canonical, integer keys 0..65535; everything that crosses the network.
* ``pack_text``/``unpack_text``: string keys, any spelling accepted; the local control socket, where
  scripts in any language speak and nothing is signed.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Final, NoReturn

import msgpack

from qrfld.crypto.errors import EncodingError

MAX_DEPTH: Final = 8
MAX_KEY: Final = 0xFFFF
_MIN_INTEGER: Final = -(1 << 63)
_MAX_INTEGER: Final = (1 << 64) - 1

# tag -> (bytes of the length field, smallest length that needs this form)
_BIN: Final = {0xC4: (1, 0), 0xC5: (2, 1 << 8), 0xC6: (4, 1 << 16)}
_STR: Final = {0xD9: (1, 32), 0xDA: (2, 1 << 8), 0xDB: (4, 1 << 16)}
_ARRAY: Final = {0xDC: (2, 16), 0xDD: (4, 1 << 16)}
_MAP: Final = {0xDE: (2, 16), 0xDF: (4, 1 << 16)}
# tag -> (bytes, smallest value that needs this form)
_UNSIGNED: Final = {0xCC: (1, 1 << 7), 0xCD: (2, 1 << 8), 0xCE: (4, 1 << 16), 0xCF: (8, 1 << 32)}
# tag -> (bytes, largest value that needs this form)
_SIGNED: Final = {
    0xD0: (1, -(1 << 5) - 1),
    0xD1: (2, -(1 << 7) - 1),
    0xD2: (4, -(1 << 15) - 1),
    0xD3: (8, -(1 << 31) - 1),
}
_CONSTANTS: Final[dict[int, bool | None]] = {0xC0: None, 0xC2: False, 0xC3: True}


def pack(value: object) -> bytes:
    """Encode ``value`` canonically.

    Accepts None, bool, int (-2^63 .. 2^64-1), finite float, str, bytes, list or tuple, and dict
    with keys 0..65535. Raises EncodingError for anything else.
    """
    return _write(value, _number_key)


def pack_text(value: object) -> bytes:
    """Encode ``value`` with string keys, in ascending order. Raises EncodingError."""
    return _write(value, _text_key)


def unpack(data: bytes | memoryview, *, max_bytes: int) -> object:
    """Decode exactly one canonical value that fills ``data``; bytes are copied out.

    Raises EncodingError, naming the offset, when ``data`` is longer than ``max_bytes``, truncated,
    not canonical, or followed by anything.
    """
    return _read(data, max_bytes, _Reader)


def unpack_text(data: bytes | memoryview, *, max_bytes: int) -> object:
    """Decode one value with string keys, in any msgpack spelling. Raises EncodingError.

    Depth, duplicate keys, non-finite floats and trailing bytes are refused as in ``unpack``.
    """
    return _read(data, max_bytes, _TextReader)


def _write(value: object, check_key: Callable[[object], None]) -> bytes:
    try:
        packed: bytes = msgpack.packb(_ordered(value, check_key, 0), use_bin_type=True)
    except UnicodeEncodeError as error:
        raise EncodingError("text holds a lone surrogate, which UTF-8 cannot carry") from error
    return packed


def _ordered(value: object, check_key: Callable[[object], None], depth: int) -> object:
    """Return ``value`` checked, with every map in ascending order."""
    if value is None or isinstance(value, bytes | str | bool):
        return value
    if isinstance(value, int):
        if not _MIN_INTEGER <= value <= _MAX_INTEGER:
            raise EncodingError(f"integer {value} does not fit in 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EncodingError(f"{value} is not a finite number")
        return value
    if isinstance(value, list | tuple):
        _check_depth(depth)
        return [_ordered(item, check_key, depth + 1) for item in value]
    if isinstance(value, dict):
        _check_depth(depth)
        for key in value:
            check_key(key)
        return {key: _ordered(value[key], check_key, depth + 1) for key in sorted(value)}
    raise EncodingError(f"a value of type {type(value).__name__} has no encoding")


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise EncodingError(f"more than {MAX_DEPTH} containers inside each other")


def _number_key(key: object) -> None:
    if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key <= MAX_KEY:
        raise EncodingError(f"map key {key!r:.80} is not an integer from 0 to {MAX_KEY}")


def _text_key(key: object) -> None:
    if not isinstance(key, str):
        raise EncodingError(f"map key {key!r:.80} is not text")


def _read(data: bytes | memoryview, max_bytes: int, reader_class: type[_Reader]) -> object:
    if len(data) > max_bytes:
        raise EncodingError(f"{len(data)} bytes where at most {max_bytes} are allowed")
    reader = reader_class(bytes(data))
    try:
        value = reader.value(0)
    except IndexError:
        raise EncodingError(f"truncated after {len(data)} bytes") from None
    if reader.at != len(data):
        raise EncodingError(f"{len(data) - reader.at} bytes follow the value")
    return value


class _Reader:
    """One pass over canonical bytes; ``at`` is the next unread offset."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def value(self, depth: int) -> object:
        """Read the value that begins at ``at``, inside ``depth`` containers."""
        tag = self.data[self.at]  # IndexError: the caller says "truncated"
        self.at += 1
        if tag <= 0x7F:
            return tag
        if tag >= 0xE0:
            return tag - 0x100
        if tag <= 0x8F:
            return self._map(tag & 0x0F, depth)
        if tag <= 0x9F:
            return self._array(tag & 0x0F, depth)
        if tag <= 0xBF:
            return self._text(tag & 0x1F)
        if tag in _BIN:
            return self._take(self._size(*_BIN[tag]))
        if tag in _STR:
            return self._text(self._size(*_STR[tag]))
        if tag in _ARRAY:
            return self._array(self._size(*_ARRAY[tag]), depth)
        if tag in _MAP:
            return self._map(self._size(*_MAP[tag]), depth)
        return self._scalar(tag)

    def _scalar(self, tag: int) -> object:
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag in _UNSIGNED:
            return self._size(*_UNSIGNED[tag])
        if tag in _SIGNED:
            width, most = _SIGNED[tag]
            number = int.from_bytes(self._take(width), "big", signed=True)
            if number > most:
                self._spelling(f"integer {number} in {width} bytes")
            return number
        return self._other(tag)

    def _other(self, tag: int) -> object:
        if tag == 0xCB:
            return self._finite(struct.unpack(">d", self._take(8))[0])
        self._fail(f"type 0x{tag:02x} is not allowed")

    def _finite(self, number: float) -> float:
        if not math.isfinite(number):
            self._fail(f"{number} is not a finite number")
        return number

    def _take(self, count: int) -> bytes:
        start = self.at
        end = start + count
        if end > len(self.data):
            raise IndexError
        self.at = end
        return self.data[start:end]

    def _size(self, width: int, least: int) -> int:
        size = int.from_bytes(self._take(width), "big")
        if size < least:
            self._spelling(f"{size} in {width} bytes")
        return size

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode()
        except UnicodeDecodeError:
            self._fail("text is not UTF-8")

    def _open(self, count: int, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} containers inside each other")
        # Every element takes at least one byte: refuse impossible counts before any work.
        if count > len(self.data) - self.at:
            self._fail(f"{count} elements announced, {len(self.data) - self.at} bytes left")

    def _array(self, count: int, depth: int) -> list[object]:
        self._open(count, depth)
        return [self.value(depth + 1) for _ in range(count)]

    def _map(self, count: int, depth: int) -> dict[int, object]:
        self._open(2 * count, depth)
        result: dict[int, object] = {}
        last = -1
        for _ in range(count):
            key = self.value(MAX_DEPTH)  # no container may be a key
            if type(key) is not int or not 0 <= key <= MAX_KEY:
                self._fail(f"map key is not an integer from 0 to {MAX_KEY}")
            if key <= last:
                self._fail(f"map key {key} after {last}: keys ascend and never repeat")
            last = key
            result[key] = self.value(depth + 1)
        return result

    def _spelling(self, what: str) -> None:
        self._fail(f"not the shortest form: {what}")

    def _fail(self, what: str) -> NoReturn:
        raise EncodingError(f"{what} (before offset {self.at})")


class _TextReader(_Reader):
    """The lenient dialect: string keys in any order, long forms and 32-bit floats accepted."""

    __slots__ = ()

    def _spelling(self, what: str) -> None:
        pass

    def _other(self, tag: int) -> object:
        if tag == 0xCA:
            return self._finite(struct.unpack(">f", self._take(4))[0])
        return super()._other(tag)

    def _map(self, count: int, depth: int) -> dict[str, object]:  # type: ignore[override]
        self._open(2 * count, depth)
        result: dict[str, object] = {}
        for _ in range(count):
            key = self.value(MAX_DEPTH)
            if type(key) is not str:
                self._fail("map key is not text")
            if key in result:
                self._fail(f"map key {key!r:.80} twice")
            result[key] = self.value(depth + 1)
        return result
