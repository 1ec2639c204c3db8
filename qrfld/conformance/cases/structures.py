"""One encoding a value (section 11) and the bounds of every type (sections 2.1 and 12).

Most are variants of RUN_SYNC for a run that nobody knows: {0: run, 2: next_round}. The good one is
refused by itself and changes nothing; one wrong byte closes the connection.
"""

from __future__ import annotations

from typing import Final

from qrfld.conformance.cases.frames import closing_with, going_on
from qrfld.conformance.speaker import Pair
from qrfld.conformance.verdict import Case
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.frames import MessageFrame

_RUN: Final = "c410" + "a5" * 16
_SYNC: Final = f"8200{_RUN}0201"
#: RUN_SYNC with a value under an unknown odd key, which is to be ignored if it is canonical.
_WITH: Final = f"8300{_RUN}020103"
_HASH: Final = "c420" + "5a" * 32
_ZERO: Final = "cb0000000000000000"


def _digest(count: int) -> str:
    return f"8100dc{count:04x}" + f"92{_HASH}00" * count


def _start(seconds: str) -> str:
    """ROUND_START with this in place of seconds_left."""
    return f"8600{_RUN}020104{_HASH}060108{_HASH}0a{seconds}"


def _evaluation(accuracy: str, loss: str = _ZERO) -> str:
    return f"8600{_RUN}020104{_HASH}06{accuracy}08{loss}0a01"


def _refused(reason: str) -> str:
    return f"83000102030 4{reason}".replace(" ", "")


def _end(state: str) -> str:
    return f"8300{_RUN}02{state}04a0"


_BAD: Final[list[tuple[str, str, int, str]]] = [
    ("int-long", "an integer that is not in its shortest form", 19, f"8200{_RUN}02cc01"),
    ("int-16", "an integer in 16 bits that fits 8", 19, f"8200{_RUN}02cd0080"),
    ("int-64", "an integer in 64 bits that fits 32", 19, f"8200{_RUN}02cf0000000000000001"),
    ("int-signed", "a non-negative integer in the int family", 19, f"8200{_RUN}02d001"),
    ("int-negative", "a negative u32", 19, f"8200{_RUN}02ff"),
    ("int-2^32", "a u32 of 2^32", 19, f"8200{_RUN}02cf0000000100000000"),
    ("int-float", "a float where an integer belongs", 19, f"8200{_RUN}02cb3ff0000000000000"),
    ("int-bool", "a bool where an integer belongs", 19, f"8200{_RUN}02c3"),
    ("int-null", "null where an integer belongs", 19, f"8200{_RUN}02c0"),
    ("key-long", "a key that is not in its shortest form", 19, f"8200{_RUN}cc0201"),
    ("key-repeated", "a repeated key", 19, f"8300{_RUN}02010201"),
    ("keys-descending", "keys out of order", 19, f"82020100{_RUN}"),
    ("key-text", "a key that is text", 19, f"8300{_RUN}0201a16101"),
    ("key-negative", "a negative key", 19, f"8300{_RUN}0201ff01"),
    ("key-65536", "a key above 65,535", 19, f"8300{_RUN}0201ce0001000101"),
    ("key-even", "an unknown even key", 19, f"8300{_RUN}02010401"),
    ("key-even-nested", "an unknown even key inside", 5, "8100918200c4016102c0"),
    ("field-missing", "a missing field", 19, f"8100{_RUN}"),
    ("field-null", "null for an optional field", 5, "8100918200c4016101c0"),
    ("map-long", "a map that is not in its shortest form", 19, f"de000200{_RUN}0201"),
    ("map-array", "an array in place of the map", 19, f"92{_RUN}01"),
    ("map-cut-short", "a map that ends early", 19, _SYNC[:-2]),
    ("trailing", "a byte behind the value", 19, f"{_SYNC}c0"),
    ("bytes-long", "bytes that are not in their shortest form", 19, f"8200c50010{'a5' * 16}0201"),
    ("bytes-text", "text where bytes belong", 19, f"8200b0{'61' * 16}0201"),
    ("bytes-15", "15 bytes for a run ID", 19, f"8200c40f{'a5' * 15}0201"),
    ("bytes-17", "17 bytes for a run ID", 19, f"8200c411{'a5' * 17}0201"),
    ("text-long", "text that is not in its shortest form", 4, _refused("d903616263")),
    ("text-256", "text of 256 code points", 4, _refused("da0100" + "61" * 256)),
    ("text-not-utf8", "text that is not UTF-8", 4, _refused("a1ff")),
    ("text-surrogate", "a surrogate in text", 4, _refused("a3eda080")),
    ("array-1001", "an array with one element too many", 6, _digest(1001)),
    ("array-8", "eight MEMBERS entries", 5, "810098" + "8100c40161" * 8),
    ("array-long", "an array that is not in its shortest form", 6, f"8100dc000192{_HASH}00"),
    ("tuple-3", "three elements where two belong", 6, f"81009193{_HASH}0000"),
    ("u63-2^63", "an integer of 2^63 where 2^63 - 1 ends", 6, f"81009192{_HASH}cf8000000000000000"),
    ("float-int", "an integer where a float belongs", 11, _start("05")),
    ("float-negative", "negative seconds", 11, _start("cbbff0000000000000")),
    ("float-week", "seconds beyond a week", 11, _start("cb41227500cccccccd")),
    ("float-fraction", "an accuracy above 1", 15, _evaluation("cb3ff8000000000000")),
    ("float-nan", "a loss that is not a number", 15, _evaluation(_ZERO, "cb7ff8000000000000")),
    ("float-infinite", "an infinite loss", 15, _evaluation(_ZERO, "cb7ff0000000000000")),
    ("float-32", "a float in 32 bits", 15, _evaluation("ca00000000")),
    ("state-0", "a RUN_END with state 0", 17, _end("00")),
    ("state-4", "a RUN_END with state 4", 17, _end("04")),
    ("statement-empty", "an empty statement", 12, "8100c400"),
    ("ignored-int-long", "a long integer under an unknown key", 19, f"{_WITH}cc01"),
    ("ignored-float-32", "a 32-bit float under an unknown key", 19, f"{_WITH}ca3f800000"),
    ("ignored-nan", "NaN under an unknown key", 19, f"{_WITH}cb7ff8000000000000"),
    ("ignored-extension", "an extension type", 19, f"{_WITH}d40000"),
    ("ignored-timestamp", "a timestamp", 19, f"{_WITH}d6ff00000000"),
    ("ignored-c1", "the byte 0xc1", 19, f"{_WITH}c1"),
    ("ignored-not-utf8", "text that is not UTF-8 under an unknown key", 19, f"{_WITH}a1ff"),
    ("ignored-keys", "a map with text keys under an unknown key", 19, f"{_WITH}81a16101"),
    ("depth-9", "nine containers inside each other", 19, f"{_WITH}{'91' * 8}01"),
    ("depth-60000", "sixty thousand containers", 19, f"{_WITH}{'91' * 60_000}01"),
    ("count-array", "an array of 2^32 - 1 elements", 19, f"{_WITH}ddffffffff"),
    ("count-map", "a map of 2^32 - 1 elements", 19, f"{_WITH}dfffffffff"),
    ("count-bytes", "bytes of 2^32 - 1", 19, f"{_WITH}c6ffffffff"),
]

_GOOD: Final[list[tuple[str, str, int, str]]] = [
    ("sync", "a RUN_SYNC for a run that it does not know", 19, _SYNC),
    ("key-odd", "an unknown odd key", 19, f"{_WITH}a0"),
    ("key-odd-nested", "an unknown odd key inside", 5, "810091820 0c40161 03c0".replace(" ", "")),
    ("depth-8", "eight containers inside each other", 19, f"{_WITH}{'91' * 7}01"),
    (
        "text-255",
        "text of 255 code points and 1,020 bytes",
        4,
        _refused("da03fc" + "f09f9982" * 255),
    ),
    ("int-widest", "the widest u32", 19, f"8200{_RUN}02ceffffffff"),
    ("statement-garbage", "a statement that is none", 12, "8100c40161"),
    ("offer-garbage", "a RUN_OFFER that is none", 10, "8100c40161"),
    ("members-garbage", "a certificate that is none", 5, "8100918100c40161"),
    ("refused-unknown-code", "a REFUSED with an unknown code", 4, "8300ccff02cdea6004a0"),
]


def _message(code: int, structure: str) -> MessageFrame:
    return MessageFrame(code.to_bytes(2) + bytes.fromhex(structure))


CASES: Final[list[Case[Pair]]] = [
    *(
        Case(
            f"value-{name}",
            "11",
            f"goes on after {what}",
            going_on("control", _message(code, structure)),
        )
        for name, what, code, structure in _GOOD
    ),
    *(
        Case(
            f"value-{name}",
            "11",
            f"refuses {what}",
            closing_with("control", ErrorCode.BAD_MESSAGE, _message(code, structure)),
        )
        for name, what, code, structure in _BAD
    ),
]
