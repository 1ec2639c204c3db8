"""encoding/: values and their one spelling; everything else is refused (section 11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Vector, hexed, notation, pack

#: 1,000 nested arrays cost 1 kB; a recursive reader without a bound falls over.
_DEEP = 1000

VALUES: tuple[tuple[str, str, Any], ...] = (
    ("null", "null", None),
    ("false", "false", False),
    ("true", "true", True),
    *((f"integer-{n}".replace("--", "-minus-"), f"the integer {n}", n)
      for n in (0, 127, 128, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 63) - 1,
                1 << 63, (1 << 64) - 1, -1, -32, -33, -128, -129, -32768, -32769, -(1 << 31),
                -(1 << 31) - 1, -(1 << 63))),
    ("float-one-and-a-half", "a float", 1.5),
    ("float-whole", "a whole float stays a float", 1.0),
    ("float-minus-zero", "minus zero is not zero", -0.0),
    ("float-smallest", "the smallest subnormal", 5e-324),
    ("text-empty", "empty text", ""),
    ("text-31", "the longest fixstr", "x" * 31),
    ("text-32", "the first str 8", "x" * 32),
    ("text-255", "the longest str 8", "x" * 255),
    ("text-256", "the first str 16", "x" * 256),
    ("text-beyond-16-bits", "code points of one to four bytes", "a\u00e9\u20ac\U0001f600\x00"),
    ("bytes-empty", "no bytes", b""),
    ("bytes-255", "the longest bin 8", b"\x07" * 255),
    ("bytes-256", "the first bin 16", b"\x07" * 256),
    ("bytes-65530", "a bin 16", b"\x07" * 65530),
    ("array-empty", "no elements", []),
    ("array-15", "the longest fixarray", [1] * 15),
    ("array-16", "the first array 16", [1] * 16),
    ("map-empty", "no fields", {}),
    ("map-15", "the largest fixmap", dict.fromkeys(range(15))),
    ("map-16", "the first map 16", dict.fromkeys(range(16))),
    ("map-key-65535", "the highest key", {65535: 0}),
    ("map-order", "keys ascend as numbers, not as bytes", {0: 1, 127: 2, 128: 3, 256: 4}),
    ("depth-8", "eight containers inside each other", [[[{0: [[[[]]]]}]]]),
    ("mixed", "the value of section 11.1", {0: [True, None, 1.5, "\u00e9", b"\x00"], 1: -1}),
)  # fmt: skip

#: slug, what is wrong, bytes.
REFUSED: tuple[tuple[str, str, bytes], ...] = (
    ("integer-0-in-uint-8", "0 is a positive fixint", b"\xcc\x00"),
    ("integer-127-in-uint-8", "127 is a positive fixint", b"\xcc\x7f"),
    ("integer-255-in-uint-16", "255 fits uint 8", b"\xcd\x00\xff"),
    ("integer-65535-in-uint-32", "65535 fits uint 16", b"\xce\x00\x00\xff\xff"),
    ("integer-32-bits-in-uint-64", "2^32-1 fits uint 32", b"\xcf" + b"\x00" * 4 + b"\xff" * 4),
    ("integer-minus-1-in-int-8", "-1 is a negative fixint", b"\xd0\xff"),
    ("integer-minus-32-in-int-8", "-32 is a negative fixint", b"\xd0\xe0"),
    ("integer-minus-128-in-int-16", "-128 fits int 8", b"\xd1\xff\x80"),
    ("integer-minus-32768-in-int-32", "-32768 fits int 16", b"\xd2\xff\xff\x80\x00"),
    ("integer-31-bits-in-int-64", "-2^31 fits int 32", b"\xd3" + b"\xff" * 4 + b"\x80\x00\x00\x00"),
    ("integer-1-in-int-8", "a non-negative integer in the int family", b"\xd0\x01"),
    ("integer-128-in-int-16", "a non-negative integer in the int family", b"\xd1\x00\x80"),
    ("integer-in-int-64", "a non-negative integer in the int family", b"\xd3\x7f" + b"\xff" * 7),
    ("float-32", "float 32 has no place", b"\xca\x3f\xc0\x00\x00"),
    ("float-nan", "not a number", b"\xcb\x7f\xf8" + bytes(6)),
    ("float-signalling-nan", "another NaN", b"\xcb\x7f\xf0" + bytes(5) + b"\x01"),
    ("float-infinity", "infinity", b"\xcb\x7f\xf0" + bytes(6)),
    ("float-minus-infinity", "minus infinity", b"\xcb\xff\xf0" + bytes(6)),
    ("text-31-in-str-8", "31 bytes are a fixstr", b"\xd9\x1f" + b"x" * 31),
    ("text-255-in-str-16", "255 bytes fit str 8", b"\xda\x00\xff" + b"x" * 255),
    ("text-1-in-str-32", "1 byte is a fixstr", b"\xdb\x00\x00\x00\x01x"),
    ("text-not-utf-8", "a lone continuation byte", b"\xa1\x80"),
    ("text-overlong", "'/' in two bytes", b"\xa2\xc0\xaf"),
    ("text-surrogate", "half of a surrogate pair in UTF-8", b"\xa3\xed\xa0\x80"),
    ("text-beyond-unicode", "U+110000", b"\xa4\xf4\x90\x80\x80"),
    ("text-cut-character", "the first byte of two", b"\xa1\xc3"),
    ("bytes-255-in-bin-16", "255 bytes fit bin 8", b"\xc5\x00\xff" + b"\x07" * 255),
    ("bytes-1-in-bin-32", "1 byte fits bin 8", b"\xc6\x00\x00\x00\x01\x07"),
    ("array-15-in-array-16", "15 elements are a fixarray", b"\xdc\x00\x0f" + b"\x01" * 15),
    ("array-1-in-array-32", "1 element is a fixarray", b"\xdd\x00\x00\x00\x01\x01"),
    ("map-1-in-map-16", "1 field is a fixmap", b"\xde\x00\x01\x00\x01"),
    ("map-1-in-map-32", "1 field is a fixmap", b"\xdf\x00\x00\x00\x01\x00\x01"),
    ("map-keys-descend", "key 0 after key 1", b"\x82\x01\x01\x00\x01"),
    ("map-key-twice", "key 0 twice", b"\x82\x00\x01\x00\x02"),
    ("map-key-text", "a key that is text", b"\x81\xa1a\x01"),
    ("map-key-negative", "key -1", b"\x81\xff\x01"),
    ("map-key-65536", "a key above 65535", b"\x81\xce\x00\x01\x00\x00\x01"),
    ("map-key-true", "true is not 1", b"\x81\xc3\x01"),
    ("map-key-float", "1.0 is not 1", b"\x81\xcb\x3f\xf0" + bytes(6) + b"\x01"),
    ("map-key-null", "a key that is null", b"\x81\xc0\x01"),
    ("map-key-array", "a container as a key", b"\x81\x90\x01"),
    ("map-key-not-shortest", "key 0 in uint 8", b"\x81\xcc\x00\x01"),
    ("depth-9", "nine containers inside each other", b"\x91" * 8 + b"\x90"),
    ("depth-9-map", "nine containers, the last one a map", b"\x91" * 8 + b"\x80"),
    ("depth-1000", "arrays without end", b"\x91" * _DEEP),
    ("extension-fixext-1", "an extension type", b"\xd4\x05\x00"),
    ("extension-timestamp", "a timestamp", b"\xd6\xff\x00\x00\x00\x00"),
    ("extension-ext-8", "an extension type", b"\xc7\x00\x05"),
    ("never-used", "the byte 0xc1", b"\xc1"),
    ("empty", "no value at all", b""),
    ("trailing", "a second value after the first", b"\x01\x01"),
    ("trailing-after-map", "a byte after the map", b"\x80\x00"),
    ("cut-integer", "a uint 16 of one byte", b"\xcd\x01"),
    ("cut-float", "a float of seven bytes", b"\xcb" + bytes(7)),
    ("cut-text", "two of three bytes", b"\xa3ab"),
    ("cut-bytes", "a bin 8 without its length", b"\xc4"),
    ("cut-array", "one of two elements", b"\x92\x01"),
    ("cut-map", "a key without its value", b"\x81\x00"),
    ("count-array-huge", "2^32-1 elements announced, none there", b"\xdd\xff\xff\xff\xff"),
    ("count-map-huge", "2^32-1 fields announced, none there", b"\xdf\xff\xff\xff\xff"),
    ("count-map-16", "the count doubled is more than the rest", b"\xde\x00\x10" + b"\x00" * 31),
    ("count-bytes-huge", "4 GiB announced, none there", b"\xc6\xff\xff\xff\xff"),
    ("count-nested", "headers that each announce what is left",
     b"\xdc\x00\x10" * 5 + b"\xc0" * 15),
    ("too-large", "one byte more than max_bytes", pack(b"\x07" * 300)),
)  # fmt: skip

#: Values that a writer must refuse.
UNWRITABLE: tuple[tuple[str, str, Any], ...] = (
    ("write-nan", "NaN has no encoding", {"float": "7ff8000000000000"}),
    ("write-infinity", "infinity has no encoding", {"float": "7ff0000000000000"}),
    ("write-too-large-integer", "2^64 has no encoding", {"int": str(1 << 64)}),
    ("write-too-small-integer", "-2^63-1 has no encoding", {"int": str(-(1 << 63) - 1)}),
    ("write-key-65536", "keys end at 65535", {"map": [[65536, None]]}),
    ("write-negative-key", "keys are not negative", {"map": [[-1, None]]}),
    ("write-depth-9", "nine containers inside each other", notation([[[[[[[[[]]]]]]]]])),
)


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    for slug, comment, value in VALUES:
        values = {"bytes": hexed(pack(value)), "max_bytes": 65536, "value": notation(value)}
        yield Vector(f"encoding/{slug}", "ok", "11", comment, values)
    for slug, comment, data in REFUSED:
        limit = len(data) - 1 if slug == "too-large" else 65536
        values = {"bytes": hexed(data), "max_bytes": limit}
        yield Vector(f"encoding/refused-{slug}", "encoding", "11", comment, values)
    for slug, comment, value in UNWRITABLE:
        yield Vector(f"encoding/{slug}", "encoding", "11", comment, {"value": value})
