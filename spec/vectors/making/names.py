"""identity/ and tokens/: node IDs and join tokens as people carry them (sections 4.1 and 14)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from making.basics import Structure, Vector, fields
from making.keys import identity, sha256
from making.types import HASH, RUN, U8, U63, Field, array, failures, sample

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def check_character(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        product = ALPHABET.index(digit) * (2 if place % 2 == 0 else 1)
        total += product // 32 + product % 32
    return ALPHABET[-total % 32]


def _grouped(digits: str) -> str:
    """52 base-32 digits with their check characters, in groups."""
    parts = [digits[at : at + 13] for at in range(0, 52, 13)]
    plain = "".join(part + check_character(part) for part in parts)
    return "-".join(plain[at : at + 7] for at in range(0, 56, 7))


def text_of(node_id: bytes) -> str:
    return _grouped(base64.b32encode(node_id).decode().rstrip("="))


def identities() -> Iterator[Vector]:
    """All vectors of identity/."""
    for suite in (1, 2):
        who = identity(suite, 0)
        values = {"seed": who.seed.hex(), **who.json(), **_named(who.node_id)}
        yield Vector(f"identity/suite-{suite}", "ok", "4.1", "from seed to text", values)
    for slug, node_id in (("zeros", bytes(32)), ("ones", b"\xff" * 32)):
        yield Vector(f"identity/{slug}", "ok", "4.1", "a node ID at the edge", _named(node_id))
    node_id = identity(1, 0).node_id
    text = text_of(node_id)
    lookalike = base64.b32decode("OIB" + "A" * 49 + "====")
    confused = text_of(lookalike).replace("O", "0").replace("I", "1").replace("B", "8")
    for slug, comment, spelled, named in (
        ("lower-case", "case does not matter", text.lower(), node_id),
        ("no-dashes", "dashes do not matter", text.replace("-", ""), node_id),
        ("spaces", "spaces do not matter", f" {text.replace('-', ' ')} ", node_id),
        ("lookalikes", "0, 1 and 8 are O, I and B", confused, lookalike),
    ):
        values = {"text": spelled, "node_id": named.hex(), "written": text_of(named)}
        yield Vector(f"identity/{slug}", "ok", "4.1", comment, values)
    for slug, comment, spelled in _mistyped(text, node_id):
        yield Vector(f"identity/refused-{slug}", "node-id", "4.1", comment, {"text": spelled})


def _named(node_id: bytes) -> dict[str, str]:
    return {"node_id": node_id.hex(), "text": text_of(node_id)}


def _mistyped(text: str, node_id: bytes) -> Iterator[tuple[str, str, str]]:
    plain = text.replace("-", "")
    for quarter in range(4):
        at = 14 * quarter + 5
        other = ALPHABET[(ALPHABET.index(plain[at]) + 1) % 32]
        wrong = plain[:at] + other + plain[at + 1 :]
        yield f"wrong-in-quarter-{quarter + 1}", "one character is wrong", wrong
    at = next(n for n in range(12) if plain[n] != plain[n + 1])
    swapped = plain[:at] + plain[at + 1] + plain[at] + plain[at + 2 :]
    yield "swapped", "two neighbours are swapped", swapped
    wrong = plain[:13] + ALPHABET[(ALPHABET.index(plain[13]) + 1) % 32] + plain[14:]
    yield "check-character", "the check character is wrong", wrong
    yield "short", "55 characters", plain[:-1]
    yield "long", "57 characters", plain + "A"
    yield "empty", "nothing", ""
    yield "nine", "9 is no digit of base 32", plain[:3] + "9" + plain[4:]
    yield "beyond-ascii", "a letter beyond ASCII", plain[:3] + "\u00e9" + plain[4:]
    digits = base64.b32encode(node_id).decode().rstrip("=")
    beyond = digits[:-1] + ALPHABET[ALPHABET.index(digits[-1]) | 1]
    yield "bits-beyond-256", "a bit is set beyond the 256th", _grouped(beyond)


def _address(number: int) -> str:
    return f"host-{number}.example:4500"


TOKEN = (
    Field(0, "version", U8, 1),
    Field(2, "federation", HASH, bytes(range(64, 96))),
    Field(4, "suite_id", U8, 1),
    Field(6, "issuer", HASH, b"\x21" * 32),
    Field(8, "token_id", RUN, b"\x55" * 16),
    Field(10, "secret", HASH, b"\x66" * 32),
    Field(12, "expires_at", U63, 1_750_003_600),
    Field(14, "addresses", array(_address, 0, 4), ["a.example:4500", "[2001:db8::1]:4500"]),
)


def _checksum(framed: bytes) -> bytes:
    return sha256(b"qrfld-1 token checksum", framed)[:4]


def _armoured(data: bytes) -> str:
    return "qrfl1-" + base64.b32encode(data).decode().rstrip("=").lower()


def _token(structure: bytes, size: int | None = None) -> str:
    framed = (len(structure) if size is None else size).to_bytes(2) + structure
    return _armoured(framed + _checksum(framed))


def tokens() -> Iterator[Vector]:
    """All vectors of tokens/."""
    good = sample(TOKEN)
    text = _token(good.pack())
    yield _good("ordinary", "a token as it is issued", text, good)
    bare = good.changed("addresses", [])
    yield _good("no-addresses", "a token without an address", _token(bare.pack()), bare)
    second = good.changed("suite_id", 2)
    yield _good("suite-2", "for an identity of suite 2", _token(second.pack()), second)
    more = good.with_key(255, 1)
    yield _good("unknown-odd-key", "an odd key is ignored", _token(more.pack()), good, written=text)
    wrapped = "\n ".join(text[at : at + 60].upper() for at in range(0, len(text), 60))
    yield _good(
        "wrapped", "case and white space do not matter", f" {wrapped}\n", good, written=text
    )
    long = good.changed("addresses", ["a" * 247 + ":4500", "b"])
    long = _of_length(long, 1024)
    yield _good("longest", "1,024 characters", _token(long.pack()), long)
    over = _of_length(long, 1026)
    yield _refused("too-long", "more than 1,024 characters", _token(over.pack()))
    for slug, comment, broken in failures(TOKEN):
        yield _refused(slug, comment, _token(broken.pack()))
    yield from _garbled(text, good)


def _of_length(value: Structure, characters: int) -> Structure:
    """The token with a second address that gives its text this length."""
    first = value[(14, "addresses")][0]
    for size in range(1, 250):
        changed = value.changed("addresses", [first, "b" * size + ":4500"])
        if len(_token(changed.pack())) == characters:
            return changed
    raise ValueError(characters)


def _values(text: str) -> dict[str, Any]:
    return {"token": text}


def _good(
    slug: str, comment: str, text: str, value: Structure, written: str | None = None
) -> Vector:
    more = {"fields": fields(value)} | ({"written": written} if written else {})
    more["secret_hash"] = sha256(b"qrfld-1 token secret", value[(10, "secret")]).hex()
    return Vector(f"tokens/{slug}", "ok", "14", comment, _values(text) | more)


def _refused(slug: str, comment: str, text: str) -> Vector:
    return Vector(f"tokens/{slug}", "token", "14", comment, _values(text))


def _garbled(text: str, good: Structure) -> Iterator[Vector]:
    packed = good.pack()
    framed = len(packed).to_bytes(2) + packed
    data = framed + _checksum(framed)
    mistyped = text[:50] + ("a" if text[50] != "a" else "b") + text[51:]
    last = text[-1]
    spelled = text[:-1] + next(c for c in "abcdefghijklmnopqrstuvwxyz234567"
                               if c != last and _decoded(text[:-1] + c) == data)  # fmt: skip
    for slug, comment, wrong in (
        ("empty", "nothing", ""),
        ("prefix-only", "a prefix alone", "qrfl1-"),
        ("no-prefix", "no prefix", text[6:]),
        ("prefix-of-version-2", "another prefix", "qrfl2-" + text[6:]),
        ("mistyped", "one character is wrong", mistyped),
        ("cut", "the last 8 characters are missing", text[:-8]),
        ("padded", "padding, which base32 has elsewhere", text + "="),
        ("not-base-32", "a character that is no digit", text[:50] + "1" + text[51:]),
        ("beyond-ascii", "a letter beyond ASCII", text[:50] + "\u00e9" + text[51:]),
        ("other-spelling", "bits of the last character that belong to no byte", spelled),
        ("checksum", "a wrong checksum", _armoured(framed + bytes(4))),
        ("checksum-without-length", "the checksum leaves the length out",
         _armoured(framed + sha256(b"qrfld-1 token checksum", packed)[:4])),
        ("length-short", "a length of one too few", _token(packed, len(packed) - 1)),
        ("length-long", "a length of one too many", _token(packed, len(packed) + 1)),
        ("version-2", "a later version", _token(good.changed("version", 2).pack())),
        ("suite-unknown", "a suite that nobody knows", _token(good.changed("suite_id", 63).pack())),
        ("address-no-port", "an address without a port",
         _token(good.changed("addresses", ["a.example"]).pack())),
        ("long-key", "the structure is not canonical", _token(b"\x88\xcc" + packed[1:])),
        ("trailing", "a byte after the structure", _token(packed + b"\x00")),
    ):  # fmt: skip
        yield _refused(f"refused-{slug}", comment, wrong)


def _decoded(text: str) -> bytes:
    digits = text.removeprefix("qrfl1-").upper()
    return base64.b32decode(digits + "=" * (-len(digits) % 8))
