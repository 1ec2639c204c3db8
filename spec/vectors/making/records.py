"""records/: sealed records of one direction, key updates and limits (section 6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Vector, hexed
from making.frames import BULK, CONTROL, KEY_UPDATE, close, ping
from making.keys import AES, CHACHA, SUITES, Chain

MAX_RECORDS, MAX_BYTES = 1 << 24, 1 << 36
MAX_CONTROL, MAX_BULK = 65_600, 1_048_640
STEP = bytes([KEY_UPDATE])


def _chain(suite: int = 1, aead: int = AES, first: int = 0) -> Chain:
    return Chain(SUITES[suite], aead, bytes(range(first, first + SUITES[suite].hlen)))


def _stream(chain: Chain, frames: list[bytes], counter: int = 0) -> bytes:
    """The records of these frames, stepping the chain after each KEY_UPDATE."""
    records = []
    for frame in frames:
        records.append(chain.record(counter, frame))
        chain, counter = (chain.next(), 0) if frame == STEP else (chain, counter + 1)
    return b"".join(records)


A, B, C = ping(b"aaaaaaaa"), ping(b"bbbbbbbb"), ping(b"cccccccc")


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    for suite in (1, 2):
        for aead, name in ((AES, "aes"), (CHACHA, "chacha")):
            yield _good(f"suite-{suite}-{name}", "three records", _chain(suite, aead), [A, B, C])
    for aead, name in ((AES, "aes"), (CHACHA, "chacha")):
        frames = [A, STEP, B, STEP, STEP, C]
        comment = "keys are updated, at last twice in a row"
        yield _good(f"key-update-{name}", comment, _chain(1, aead), frames, section="6.3")
    yield _good("key-update-suite-2", "a key is updated", _chain(2), [STEP, A], section="6.3")
    comment = "a counter of more than a byte"
    yield _good("counter-65537", comment, _chain(), [A, B], sealed={"records": 65537, "bytes": 0})
    yield from _lengths()
    yield from _counters()
    yield from _keys()
    yield from _limits()
    yield from _ends()


def _vector(
    slug: str,
    expect: str,
    section: str,
    comment: str,
    stream: bytes,
    frames: list[bytes],
    *,
    chain: Chain | None = None,
    connection: str = CONTROL,
    sealed: dict[str, int] | None = None,
) -> Vector:
    chain = chain or _chain()
    values: dict[str, Any] = {
        "connection": connection,
        "wire_suite": chain.aead << 8 | chain.suite.id,
        "chain": chain.secret.hex(),
        **({"sealed": sealed} if sealed else {}),
        "stream": hexed(stream),
        "frames": [frame.hex() for frame in frames],
    }
    return Vector(f"records/{slug}", expect, section, comment, values)


def _good(
    slug: str,
    comment: str,
    chain: Chain,
    frames: list[bytes],
    *,
    section: str = "6.2",
    sealed: dict[str, int] | None = None,
) -> Vector:
    frames = [*frames, close()]
    stream = _stream(chain, frames, sealed["records"] if sealed else 0)
    return _vector(slug, "ok", section, comment, stream, frames, chain=chain, sealed=sealed)


def _bad(
    slug: str, comment: str, stream: bytes, frames: tuple[bytes, ...] = (), section: str = "6.2"
) -> Vector:
    return _vector(slug, "bad-record", section, comment, stream, list(frames))


def _lengths() -> Iterator[Vector]:
    empty = _chain().record(0, b"")
    yield _bad("length-0", "a length of 0", bytes(4), section="6.1")
    yield _bad("length-16", "a sealed frame of no bytes", empty, section="6.1")
    for kind, most in ((CONTROL, MAX_CONTROL), (BULK, MAX_BULK)):
        over = (most + 1).to_bytes(4)
        comment = f"{most + 1:,} bytes are announced"
        yield _vector(
            f"length-{kind}-above", "bad-record", "6.1", comment, over, [], connection=kind
        )
        comment = f"{most:,} bytes are announced, the most there are; then TCP ends"
        header = most.to_bytes(4)
        yield _vector(
            f"length-{kind}-most", "truncated", "6.1", comment, header, [], connection=kind
        )
    yield _bad("length-huge", "4 GiB are announced", b"\xff" * 4, section="6.1")


def _counters() -> Iterator[Vector]:
    chain = _chain()
    first, second, third = (chain.record(n, f) for n, f in enumerate((A, B, C)))
    for slug, comment, stream, opened in (
        ("replayed", "a record twice", first + first, (A,)),
        ("replayed-later", "the first record after the second", first + second + first, (A, B)),
        ("swapped", "the second record before the first", second + first, ()),
        ("dropped", "the second record is missing", first + third, (A,)),
        ("from-1", "the counter begins at 1", second, ()),
    ):
        yield _bad(slug, comment, stream, opened)
    little = first + chain.record(1 << 88, B)
    yield _bad("counter-little-endian", "the counter's bytes in the other order", little, (A,))


def _flip(data: bytes, at: int) -> bytes:
    place = at % len(data)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _keys() -> Iterator[Vector]:
    chain, good = _chain(), _chain().record(0, A)
    size = good[:4]
    other = Chain(chain.suite, CHACHA, chain.secret)
    longer = (len(good) - 3).to_bytes(4) + good[4:] + b"\x00"
    for slug, comment, stream in (
        ("flipped-tag", "the last bit is wrong", _flip(good, -1)),
        ("flipped-text", "the first bit of the sealed frame is wrong", _flip(good, 4)),
        ("longer", "a byte after the tag, counted in the length", longer),
        ("no-aad", "the length is not authenticated", size + chain.seal(0, A, b"")),
        (
            "little-endian-aad",
            "another spelling of the length",
            size + chain.seal(0, A, size[::-1]),
        ),
        ("other-direction", "sealed with another chain", _chain(first=100).record(0, A)),
        ("other-aead", "sealed with the other AEAD", other.record(0, A)),
        ("not-sealed", "zeros in place of a tag", size + A + bytes(16)),
        ("too-early", "the next key without a KEY_UPDATE", chain.next().record(0, A)),
    ):
        yield _bad(slug, comment, stream)
    update = chain.record(0, STEP)
    yield _bad(
        "old-key", "the old key after a KEY_UPDATE", update + chain.record(1, A), (STEP,), "6.3"
    )
    kept = update + chain.next().record(1, A)
    yield _bad("counter-kept", "the counter goes on after a KEY_UPDATE", kept, (STEP,), "6.3")


def _limits() -> Iterator[Vector]:
    size = len(A) + 16
    for slug, comment, sealed in (
        ("last-record", "record 2^24 under one key", {"records": MAX_RECORDS - 2, "bytes": 0}),
        ("last-byte", "byte 2^36 under one key",
         {"records": 9, "bytes": MAX_BYTES - size - len(close()) - 16}),
    ):  # fmt: skip
        yield _good(slug, comment, _chain(), [A], section="6.3", sealed=sealed)
    sealed = {"records": MAX_RECORDS - 1, "bytes": 0}
    comment = "the last record is a KEY_UPDATE"
    yield _good(
        "last-record-key-update", comment, _chain(), [STEP, A], section="6.3", sealed=sealed
    )
    for slug, comment, sealed in (
        ("too-many-records", "record 2^24 + 1 under one key", {"records": MAX_RECORDS, "bytes": 0}),
        ("too-many-bytes", "one byte more than 2^36 under one key",
         {"records": 9, "bytes": MAX_BYTES - size + 1}),
    ):  # fmt: skip
        stream = _chain().record(sealed["records"], A)
        yield _vector(slug, "key-limit", "6.3", comment, stream, [], sealed=sealed)
    sealed = {"records": MAX_RECORDS, "bytes": 0}
    stream = _chain().record(MAX_RECORDS, STEP)
    comment = "a KEY_UPDATE counts like any other record"
    yield _vector("key-update-too-late", "key-limit", "6.3", comment, stream, [], sealed=sealed)


def _ends() -> Iterator[Vector]:
    good = _chain().record(0, A)
    for slug, comment, stream, opened in (
        ("end-in-length", "TCP ends inside a length", good + good[:3], [A]),
        ("end-in-record", "TCP ends before the last byte of a record", good[:-1], []),
        ("end-between", "TCP ends between records, without a CLOSE", good, [A]),
    ):
        yield _vector(slug, "truncated", "8", comment, stream, opened)
