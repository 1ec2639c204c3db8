"""blobs/, tensors/, updates/: names of blobs, models as bytes, updates of models (section 15)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from typing import Any

from making.basics import Vector, hexed, pack
from making.keys import sha256

LEAF = 65536


def _root(leaves: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962."""
    if len(leaves) == 1:
        return sha256(b"\x00", leaves[0])
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\x01", _root(leaves[:split]), _root(leaves[split:]))


def blob_hash(blob: bytes) -> bytes:
    leaves = [blob[at : at + LEAF] for at in range(0, len(blob), LEAF)]
    root = _root(leaves) if leaves else sha256(b"")
    return sha256(b"\x02", len(blob).to_bytes(8), root)


def blobs() -> Iterator[Vector]:
    """All vectors of blobs/."""
    different = b"".join(bytes([number]) * LEAF for number in range(7)) + b"\x07" * 5
    for slug, comment, blob in (
        ("empty", "no leaf", b""),
        ("one-byte", "a leaf of one byte", b"\x00"),
        ("one-leaf", "a whole leaf", bytes(LEAF)),
        ("one-leaf-and-a-byte", "two leaves", bytes(LEAF + 1)),
        ("three-leaves", "three leaves: the tree is not balanced", bytes(3 * LEAF)),
        ("five-leaves", "five leaves: four and one", bytes(4 * LEAF + 1)),
        ("eight-leaves", "eight leaves that all differ", different),
    ):
        values = {"blob": hexed(blob), "hash": blob_hash(blob).hex(), "length": len(blob)}
        yield Vector(f"blobs/{slug}", "ok", "15.1", comment, values)
    two = bytes(LEAF) + b"\x01" * LEAF
    node = sha256(b"\x00", two[:LEAF]) + sha256(b"\x00", two[LEAF:])
    swapped = two[LEAF:] + two[:LEAF]
    flat = sha256(two)
    for slug, comment, blob, name, length in (
        ("flipped", "one bit is wrong", b"\x01" + two[1:], blob_hash(two), len(two)),
        ("swapped-leaves", "two leaves are swapped", swapped, blob_hash(two), len(two)),
        ("longer", "a zero more", bytes(LEAF + 1), blob_hash(bytes(LEAF)), LEAF + 1),
        ("cut", "the last byte is missing", two[:-1], blob_hash(two), len(two)),
        ("other-length", "right bytes, another length than was announced", two, blob_hash(two), 5),
        ("leaf-hashes", "the hashes of two leaves in place of the leaves", node, blob_hash(two),
         len(node)),
        ("flat-hash", "SHA-256 of the whole blob is not its name", two, flat, len(two)),
    ):  # fmt: skip
        values = {"blob": hexed(blob), "hash": name.hex(), "length": length}
        yield Vector(f"blobs/refused-{slug}", "blob", "15.1", comment, values)


def head(manifest: bytes, size: int | None = None, magic: bytes = b"QRFT") -> bytes:
    start = magic + (len(manifest) if size is None else size).to_bytes(4) + manifest
    return start + bytes(-len(start) % 64)


def model(*tensors: tuple[str, str, list[int], bytes]) -> bytes:
    """A blob of (name, dtype, shape, block)."""
    data = head(pack([[name, dtype, shape] for name, dtype, shape, _ in tensors]))
    for _, dtype, _, block in tensors:
        data += bytes(-len(data) % int(dtype[1])) + block
    return data


def f4(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


N = ("n", "u1", [3], b"\x01\x02\x03")
W = ("w", "f4", [2, 1], f4(1.0, -2.0))


def tensors() -> Iterator[Vector]:
    """All vectors of tensors/."""
    nan = bytes.fromhex("0000c07f")
    for slug, comment, parts in (
        ("mixed", "the vector of section 15.2: a byte of padding between the blocks", (N, W)),
        ("flat", "float32 only: no gaps", (W, ("b", "f4", [], f4(0.5)))),
        ("every-dtype", "one tensor of each type",
         (("a", "u1", [1], b"\x01"), ("b", "f2", [1], b"\x00\x3c"), ("c", "f4", [1], f4(1.0)),
          ("d", "f8", [1], struct.pack("<d", 1.0)), ("e", "i4", [1], b"\xfe\xff\xff\xff"),
          ("f", "i8", [1], b"\xfd" + b"\xff" * 7))),
        ("padding-7", "seven bytes of padding before a block of f8",
         (("a", "u1", [1], b"\x01"), ("b", "f8", [1], struct.pack("<d", 1.0)))),
        ("scalar", "an empty shape is a scalar", (("s", "f4", [], f4(1.5)),)),
        ("empty-tensor", "a dimension of 0: no items", (("e", "f4", [3, 0, 2], b""), W)),
        ("eight-dimensions", "the most dimensions", (("d", "u1", [1] * 8, b"\x01"),)),
        ("order", "the writer's order stands", (("z", "u1", [1], b"\x01"), ("a", "u1", [1],
         b"\x02"))),
        ("longest-name", "a name of 256 characters", (("~" * 255 + " ", "u1", [1], b"\x01"),)),
        ("not-finite", "NaN is refused where it is used, not here", (("w", "f4", [1], nan),)),
    ):  # fmt: skip
        blob = model(*parts)
        values = {"blob": hexed(blob), "max_bytes": 1 << 20, "tensors": list(_listed(parts)),
                  "hash": blob_hash(blob).hex()}  # fmt: skip
        yield Vector(f"tensors/{slug}", "ok", "15.2", comment, values)
    for slug, comment, blob in _refused_tensors():
        limit = len(blob) - 1 if slug == "larger-than-allowed" else 1 << 20
        values = {"blob": hexed(blob), "max_bytes": limit}
        yield Vector(f"tensors/refused-{slug}", "tensor", "15.2", comment, values)


def _listed(parts: tuple[tuple[str, str, list[int], bytes], ...]) -> Iterator[dict[str, Any]]:
    at = len(head(pack([[name, dtype, shape] for name, dtype, shape, _ in parts])))
    for name, dtype, shape, block in parts:
        at += -at % int(dtype[1])
        listed = {"name": name, "dtype": dtype, "shape": shape, "offset": at, "data": hexed(block)}
        if prod(shape) * int(dtype[1]) != len(block):
            raise ValueError(name)
        at += len(block)
        yield listed


def _refused_tensors() -> Iterator[tuple[str, str, bytes]]:
    good, flat = model(N, W), model(W)
    yield "larger-than-allowed", "a blob of more than max_bytes", good
    yield "empty", "no bytes", b""
    yield "magic", "another magic", b"QRFX" + good[4:]
    yield "cut-in-prefix", "half a manifest length", good[:6]
    yield "cut-in-manifest", "the blob ends inside the manifest", good[:12]
    yield "cut-in-padding", "the blob ends inside the head's padding", good[:60]
    yield "cut-in-block", "the last byte is missing", good[:-1]
    yield "longer", "a byte after the last block", good + b"\x00"
    yield "head-padding", "the head's padding is not zero", good[:63] + b"\x01" + good[64:]
    yield "block-padding", "the padding between blocks is not zero", good[:67] + b"\x01" + good[68:]
    manifest = pack([["w", "f4", [2, 1]]])
    yield (
        "manifest-length",
        "the manifest's length is one too many",
        head(manifest, len(manifest) + 1) + W[3],
    )
    yield (
        "manifest-huge",
        "a manifest of 65,537 bytes is announced",
        b"QRFT" + (65537).to_bytes(4) + flat[8:],
    )
    trailing = head(manifest + b"\x00") + W[3]
    yield "manifest-trailing", "a byte after the manifest's value", trailing
    spelled = manifest[:-3] + b"\x92\xcc\x02\x01"
    yield "manifest-long-integer", "2 in uint 8", head(spelled) + W[3]
    for slug, comment, entries, data in (
        ("map", "a map instead of an array", {0: ["w", "f4", [2, 1]]}, W[3]),
        ("no-tensor", "no entry", [], b""),
        ("entry-of-two", "an entry without a shape", [["w", "f4"]], b""),
        ("entry-of-four", "an entry of four", [["w", "f4", [2, 1], 0]], W[3]),
        ("name-empty", "an empty name", [["", "f4", [2, 1]]], W[3]),
        ("name-long", "a name of 257 characters", [["x" * 257, "f4", [2, 1]]], W[3]),
        ("name-beyond-ascii", "a letter beyond ASCII", [["\u00e9", "f4", [2, 1]]], W[3]),
        ("name-control", "a control character", [["a\n", "f4", [2, 1]]], W[3]),
        ("name-delete", "0x7f is not printable", [["a\x7f", "f4", [2, 1]]], W[3]),
        ("name-bytes", "a name as bytes", [[b"w", "f4", [2, 1]]], W[3]),
        ("name-twice", "one name twice", [["w", "f4", [1]], ["w", "f4", [1]]], W[3]),
        ("dtype-unknown", "a type that is none", [["w", "u4", [2, 1]]], W[3]),
        ("dtype-byte-order", "a type with a byte order", [["w", "<f4", [2, 1]]], W[3]),
        ("dtype-complex", "complex numbers", [["w", "c8", [1]]], W[3]),
        ("shape-integer", "a shape that is no array", [["w", "f4", 2]], W[3]),
        ("shape-nine", "nine dimensions", [["w", "u1", [1] * 9]], b"\x01"),
        ("shape-negative", "two negative dimensions", [["w", "u1", [-1, -1]]], b"\x01"),
        ("shape-float", "a dimension that is a float", [["w", "f4", [2.0, 1]]], W[3]),
        ("shape-true", "a dimension that is true", [["w", "u1", [True]]], b"\x01"),
        ("shape-huge", "2^48 + 1 bytes, though no items", [["w", "u1", [0, (1 << 48) + 1]]], b""),
        ("shape-wraps", "a product of 2^64, which wraps to 0", [["w", "u1", [1 << 32, 1 << 32]]],
         b""),
    ):  # fmt: skip
        yield slug, comment, head(pack(entries)) + data
    many = [[f"{number:04}", "u1", []] for number in range(4097)]
    yield "tensors-4097", "4,097 tensors", head(pack(many)) + bytes(4097)


def updates() -> Iterator[Vector]:
    """All vectors of updates/."""
    big = 3.0e38
    base = ("w", "f4", [2, 1], f4(big, -2.0))
    nan, infinite = f4(float("nan"), 0.0), f4(0.0, float("inf"))
    for slug, expect, comment, update in (
        ("ordinary", "ok", "an update that fits its model", model(("w", "f4", [2, 1], f4(0.5,
         0.5)))),
        ("back", "ok", "large, but the sum is finite", model(("w", "f4", [2, 1], f4(-big, 0.0)))),
        ("nan", "update", "NaN", model(("w", "f4", [2, 1], nan))),
        ("infinite", "update", "an infinity", model(("w", "f4", [2, 1], infinite))),
        ("sum-infinite", "update", "finite, but the sum is not",
         model(("w", "f4", [2, 1], f4(big, 0.0)))),
        ("other-shape", "update", "transposed", model(("w", "f4", [1, 2], f4(0.5, 0.5)))),
        ("other-name", "update", "another name", model(("v", "f4", [2, 1], f4(0.5, 0.5)))),
        ("other-dtype", "update", "integers of the same size",
         model(("w", "i4", [2, 1], bytes(8)))),
        ("more-tensors", "update", "a tensor more",
         model(("w", "f4", [2, 1], f4(0.5, 0.5)), ("b", "f4", [1], f4(0.5)))),
        ("fewer-items", "update", "an item less than its manifest says",
         model(("w", "f4", [2, 1], f4(0.5)))),
        ("no-model", "update", "no model at all", b"QRFX" + bytes(68)),
    ):  # fmt: skip
        values = {"model": hexed(model(base)), "update": hexed(update)}
        yield Vector(f"updates/{slug}", expect, "12", comment, values)
