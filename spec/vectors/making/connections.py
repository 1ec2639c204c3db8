"""connections/: what an open connection does with frames in turn (sections 8 and 9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Vector, hexed, pack
from making.frames import (
    BULK,
    CONTROL,
    chunk,
    close,
    credit,
    get,
    message,
    ping,
    pong,
    reset,
    stream_credit,
)

WINDOW = 262_144
RESPONDER, INITIATOR = "responder", "initiator"
CANCELLED = 6


def _update(size: int, code: int = 12) -> bytes:
    """The body of an UPDATE of this many bytes, code and structure; code 21 is ignored."""
    return code.to_bytes(2) + pack({0: b"\x11" * (size - 7)})


#: 64 of these fill the first window; 16 of them are worth a new grant.
BODY = _update(4096)
FILL = WINDOW // 4096
ODD = _update(4096, 21)
SPENT = 17


def receive(frame: bytes, times: int = 1) -> dict[str, Any]:
    return {"receive": hexed(frame)} | ({"times": times} if times > 1 else {})


def send(frame: bytes, times: int = 1) -> dict[str, Any]:
    return {"send": hexed(frame)} | ({"times": times} if times > 1 else {})


def answer(frame: bytes) -> dict[str, Any]:
    return {"answer": hexed(frame)}


END = {"end": True}
_ALMOST = receive(message(BODY), FILL - 1)
_FULL = (_ALMOST, receive(message(BODY)))
_GRANTED = (*_FULL, {"consume": SPENT * 4096}, answer(credit(WINDOW + SPENT * 4096)))
_ASKED = (send(get(1, 0, 100)),)
_OFFERED = (receive(get(1, 0, 100)),)

#: slug, outcome, comment, steps; on a control connection, where our side is the responder.
CREDIT = (
    ("first-window", "ok", "262,144 bytes of messages before any grant", _FULL),
    ("beyond-window", "credit-exceeded", "one byte more than the first window",
     (_ALMOST, receive(message(_update(4097))))),
    ("after-window", "credit-exceeded", "a message after a full window",
     (*_FULL, receive(message(_update(9))))),
    ("grant-after-consuming", "ok", "69,632 bytes consumed at once are granted again", _GRANTED),
    ("within-grant", "ok", "the grant may be used up", (*_GRANTED, receive(message(BODY), SPENT))),
    ("beyond-grant", "credit-exceeded", "one byte more than the grant",
     (*_GRANTED, receive(message(BODY), SPENT - 1), receive(message(_update(4097))))),
    ("ignored-messages-are-consumed", "ok", "odd codes count, and their credit comes back",
     (receive(message(ODD), 16), answer(credit(WINDOW + 65536)))),
    ("ping-needs-none", "ok", "a PING after a full window", (*_FULL, receive(ping()),
     answer(pong()))),
    ("raised", "ok", "a grant that is higher than the first window",
     (receive(credit(WINDOW + 1)),)),
    ("repeated", "ok", "a grant may come twice",
     (receive(credit(WINDOW + 1)), receive(credit(WINDOW + 1)))),
    ("below-first-window", "credit-exceeded", "a grant below the first window",
     (receive(credit(WINDOW - 1)),)),
    ("lowered", "credit-exceeded", "a grant below the one before",
     (receive(credit(WINDOW + 2)), receive(credit(WINDOW + 1)))),
    ("send-first-window", "ok", "our side may send 262,144 bytes", (send(message(BODY), FILL),)),
    ("send-beyond-window", "must-not-send", "our side sends a byte too much",
     (send(message(BODY), FILL - 1), send(message(_update(4097))))),
    ("send-within-grant", "ok", "a grant lets our side go on",
     (send(message(BODY), FILL - 1), receive(credit(WINDOW + 1)), send(message(_update(4097))))),
)  # fmt: skip

PINGS = (
    (CONTROL, "ping", "ok", "a PING is answered", (receive(ping()), answer(pong()))),
    (BULK, "ping-bulk", "ok", "a PING is answered", (receive(ping()), answer(pong()))),
    (CONTROL, "pings-in-order", "ok", "PINGs are answered in order",
     (receive(ping(b"11111111")), receive(ping(b"22222222")),
      answer(pong(b"11111111")), answer(pong(b"22222222")))),
    (CONTROL, "pong-unasked", "ignored", "a PONG that nobody asked for", (receive(pong()),)),
    (CONTROL, "close", "ok", "after a CLOSE nothing is sent",
     (receive(close(0, b"bye")), receive(ping()))),
    (CONTROL, "close-then-nonsense", "ok", "what follows a CLOSE is not looked at",
     (receive(close(0, b"bye")), receive(b"\xff"))),
    (CONTROL, "close-then-end", "ok", "TCP ends after a CLOSE", (receive(close()), END)),
    (CONTROL, "end", "truncated", "TCP ends without a CLOSE", (receive(ping()), answer(pong()),
     END)),
    (BULK, "end-bulk", "truncated", "TCP ends without a CLOSE", (END,)),
    (CONTROL, "before-the-error", "bad-frame", "what came before the broken rule stands",
     (receive(ping()), answer(pong()), receive(b"\xff"))),
)  # fmt: skip

#: role, slug, outcome, comment, steps; on a bulk connection.
SUPPLIES = (
    (RESPONDER, "get-1", "ok", "an initiator's streams are odd", (receive(get(1)),)),
    (INITIATOR, "get-2", "ok", "a responder's streams are even", (receive(get(2)),)),
    (RESPONDER, "get-highest", "ok", "the highest stream", (receive(get((1 << 32) - 1)),)),
    (RESPONDER, "get-skips", "ok", "numbers may be left out", (receive(get(1)), receive(get(7)))),
    (RESPONDER, "get-even-of-initiator", "bad-stream", "an even stream of the initiator",
     (receive(get(2)),)),
    (INITIATOR, "get-odd-of-responder", "bad-stream", "an odd stream of the responder",
     (receive(get(1)),)),
    (INITIATOR, "get-0", "bad-stream", "stream 0", (receive(get(0)),)),
    (RESPONDER, "get-twice", "bad-stream", "a stream twice", (receive(get(1)), receive(get(1)))),
    (RESPONDER, "get-lower", "bad-stream", "a lower stream than before",
     (receive(get(3)), receive(get(1)))),
    (RESPONDER, "get-again-after-end", "bad-stream", "a number means one stream for ever",
     (receive(get(1)), send(chunk(1, 0, b"data", 1)), receive(get(1)))),
    (RESPONDER, "eight", "ok", "eight streams at once", tuple(receive(get(n)) for n in range(1,
     17, 2))),
    (RESPONDER, "nine", "too-many-streams", "a ninth stream",
     tuple(receive(get(n)) for n in range(1, 19, 2))),
    (RESPONDER, "nine-in-turn", "ok", "one of eight is over: there is room",
     (*(receive(get(n)) for n in range(1, 17, 2)), send(chunk(3, 0, b"data", 1)),
      receive(get(17)))),
    (RESPONDER, "supply-in-order", "ok", "CHUNKs up to the limit, then more credit",
     (*_OFFERED, send(chunk(1, 0, b"x" * 60)), send(chunk(1, 60, b"x" * 40)),
      receive(stream_credit(1, 200)), send(chunk(1, 100, b"x" * 100, 1)))),
    (RESPONDER, "supply-beyond-credit", "must-not-send", "a CHUNK beyond the limit",
     (*_OFFERED, send(chunk(1, 0, b"x" * 101)))),
    (RESPONDER, "supply-after-last", "must-not-send", "a CHUNK after the last",
     (*_OFFERED, send(chunk(1, 0, b"x", 1)), send(chunk(1, 1, b"x")))),
    (RESPONDER, "credit-same", "ok", "the same limit again", (*_OFFERED, receive(stream_credit(1,
     100)))),
    (RESPONDER, "credit-lowered", "credit-exceeded", "a lower limit",
     (*_OFFERED, receive(stream_credit(1, 99)))),
    (RESPONDER, "credit-never-was", "bad-stream", "credit for a stream that never was",
     (*_OFFERED, receive(stream_credit(3, 200)))),
    (RESPONDER, "credit-after-end", "ignored", "credit that crossed the last CHUNK",
     (*_OFFERED, send(chunk(1, 0, b"x", 1)), receive(stream_credit(1, 200)))),
    (RESPONDER, "cancelled", "ok", "the requester ends it; the supplier says so too",
     (*_OFFERED, receive(reset(1, CANCELLED)), answer(reset(1, CANCELLED)))),
    (RESPONDER, "cancelled-after-end", "ignored", "a RESET that crossed the last CHUNK",
     (*_OFFERED, send(chunk(1, 0, b"x", 1)), receive(reset(1, CANCELLED)))),
    (RESPONDER, "cancelled-after-reset", "ignored", "a RESET that crossed ours",
     (*_OFFERED, send(reset(1, 5)), receive(reset(1, CANCELLED)))),
    (RESPONDER, "reset-never-was", "bad-stream", "a RESET for a stream that never was",
     (receive(reset(1, CANCELLED)),)),
    (RESPONDER, "reset-0", "bad-stream", "a RESET for stream 0", (receive(reset(0, CANCELLED)),)),
)  # fmt: skip

FETCHES = (
    (INITIATOR, "in-order", "ok", "CHUNKs without gaps up to the last",
     (*_ASKED, receive(chunk(1, 0, b"x" * 60)), receive(chunk(1, 60, b"x" * 40, 1)))),
    (INITIATOR, "from-the-middle", "ok", "the first CHUNK begins at the GET's offset",
     (send(get(1, 50, 100)), receive(chunk(1, 50, b"x" * 50, 1)))),
    (INITIATOR, "empty-last", "ok", "an empty last CHUNK at the blob's end",
     (send(get(1, 50, 50)), receive(chunk(1, 50, b"", 1)))),
    (INITIATOR, "more-credit", "ok", "STREAM_CREDIT lets the supplier go on",
     (*_ASKED, send(stream_credit(1, 101)), receive(chunk(1, 0, b"x" * 101, 1)))),
    (INITIATOR, "gap", "bad-stream", "a CHUNK leaves a gap",
     (*_ASKED, receive(chunk(1, 0, b"x" * 10)), receive(chunk(1, 11, b"x")))),
    (INITIATOR, "overlap", "bad-stream", "a CHUNK repeats a byte",
     (*_ASKED, receive(chunk(1, 0, b"x" * 10)), receive(chunk(1, 9, b"x")))),
    (INITIATOR, "wrong-beginning", "bad-stream", "the first CHUNK is not at the GET's offset",
     (send(get(1, 50, 100)), receive(chunk(1, 0, b"x")))),
    (INITIATOR, "beyond-credit", "credit-exceeded", "a CHUNK beyond the limit",
     (*_ASKED, receive(chunk(1, 0, b"x" * 101)))),
    (INITIATOR, "last-beyond-credit", "credit-exceeded", "also the last one",
     (*_ASKED, receive(chunk(1, 0, b"x" * 101, 1)))),
    (INITIATOR, "never-asked", "bad-stream", "a CHUNK for a stream that nobody opened",
     (receive(chunk(1, 0, b"x")),)),
    (INITIATOR, "of-the-peer", "bad-stream", "a CHUNK for a stream that the peer opened",
     (receive(get(2)), receive(chunk(2, 0, b"x")))),
    (INITIATOR, "after-last", "bad-stream", "a CHUNK after the last",
     (*_ASKED, receive(chunk(1, 0, b"x", 1)), receive(chunk(1, 1, b"x")))),
    (INITIATOR, "not-found", "ok", "the supplier ends it", (*_ASKED, receive(reset(1, 5)))),
    (INITIATOR, "after-reset", "bad-stream", "a CHUNK after the supplier's RESET",
     (*_ASKED, receive(reset(1, 5)), receive(chunk(1, 0, b"x")))),
    (INITIATOR, "reset-twice", "ignored", "a second RESET for a stream that is over",
     (*_ASKED, receive(reset(1, 5)), receive(reset(1, 5)))),
    (INITIATOR, "reset-never-asked", "bad-stream", "a RESET for a stream that nobody opened",
     (*_ASKED, receive(reset(3, 5)))),
    (INITIATOR, "dropped", "ignored", "a CHUNK that crossed our RESET",
     (*_ASKED, send(reset(1, CANCELLED)), receive(chunk(1, 0, b"x")))),
    (INITIATOR, "dropped-then-reset", "ignored", "the supplier's RESET after ours",
     (*_ASKED, send(reset(1, CANCELLED)), receive(reset(1, CANCELLED)))),
    (INITIATOR, "dropped-gap", "bad-stream", "dropped CHUNKs keep to the rules: no gap",
     (*_ASKED, send(reset(1, CANCELLED)), receive(chunk(1, 1, b"x")))),
    (INITIATOR, "dropped-beyond-credit", "credit-exceeded", "dropped CHUNKs keep to the limit",
     (*_ASKED, send(reset(1, CANCELLED)), receive(chunk(1, 0, b"x" * 101)))),
    (INITIATOR, "dropped-after-last", "bad-stream", "the last CHUNK ends a dropped stream",
     (*_ASKED, send(reset(1, CANCELLED)), receive(chunk(1, 0, b"x", 1)), receive(chunk(1, 1,
      b"x")))),
    (INITIATOR, "ask-even", "must-not-send", "our side opens a stream of the other parity",
     (send(get(2)),)),
    (INITIATOR, "ask-lower", "must-not-send", "our side opens a lower stream",
     (send(get(3)), send(get(1)))),
    (INITIATOR, "ask-nine", "must-not-send", "our side opens a ninth stream",
     tuple(send(get(n)) for n in range(1, 19, 2))),
    (INITIATOR, "lower-credit", "must-not-send", "our side lowers a limit",
     (*_ASKED, send(stream_credit(1, 99)))),
)  # fmt: skip


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    for slug, expect, comment, steps in CREDIT:
        yield _vector(f"credit/{slug}", expect, "9.1", comment, CONTROL, RESPONDER, steps)
    for kind, slug, expect, comment, steps in PINGS:
        yield _vector(f"frames/{slug}", expect, "8", comment, kind, RESPONDER, steps)
    for role, slug, expect, comment, steps in SUPPLIES:
        yield _vector(f"supplier/{slug}", expect, "9.2", comment, BULK, role, steps)
    for role, slug, expect, comment, steps in FETCHES:
        yield _vector(f"requester/{slug}", expect, "9.2", comment, BULK, role, steps)


def _vector(
    slug: str,
    expect: str,
    section: str,
    comment: str,
    kind: str,
    role: str,
    steps: tuple[dict[str, Any], ...],
) -> Vector:
    values = {"connection": kind, "role": role, "steps": list(steps)}
    return Vector(f"connections/{slug}", expect, section, comment, values)
