"""control-frames/: the local socket's frames (section 16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Vector, hexed, notation, pack

REQUEST, ANSWER = "request", "answer"


def _text_map(value: Any) -> bytes:
    """A value with text keys, written as the section says a writer should."""
    if isinstance(value, dict):
        items = b"".join(pack(key) + _text_map(value[key]) for key in sorted(value))
        return pack(dict.fromkeys(range(len(value))))[: 1 if len(value) < 16 else 3] + items
    if isinstance(value, list):
        return pack([None] * len(value))[: 1 if len(value) < 16 else 3] + b"".join(
            map(_text_map, value)
        )
    return pack(value)


def _frame(payload: bytes, size: int | None = None) -> bytes:
    return (len(payload) if size is None else size).to_bytes(4) + payload


STATUS: dict[str, Any] = {"id": 1, "method": "status", "params": {}}
DONE: dict[str, Any] = {"id": 1, "result": {"ok": True, "peers": 2}}
ERROR: dict[str, Any] = {"name": "usage", "message": "m", "hint": "h", "exit_code": 2}
FAILED: dict[str, Any] = {"id": 1, "error": ERROR}
_NAN = b"\xcb\x7f\xf8" + bytes(6)


def _with(value: dict[str, Any], **changed: Any) -> bytes:
    return _frame(_text_map(value | changed))


def _without(value: dict[str, Any], key: str) -> bytes:
    return _frame(_text_map({k: v for k, v in value.items() if k != key}))


def _params(data: bytes) -> bytes:
    """A request whose params are these bytes."""
    return _frame(_text_map(STATUS)[:-1] + data)


def _nested(depth: int) -> dict[str, Any]:
    """Params of which the request's payload has ``depth`` containers inside each other."""
    value: Any = {}
    for _ in range(depth - 2):
        value = {"a": value}
    return {"params": value}


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    yield from _good()
    yield from _requests()
    yield from _answers()


def _vector(
    slug: str, expect: str, comment: str, direction: str, frame: bytes, **more: Any
) -> Vector:
    values = {"direction": direction, "frame": hexed(frame), **more}
    return Vector(f"control-frames/{slug}", expect, "16", comment, values)


def _good() -> Iterator[Vector]:
    high = (1 << 63) - 1
    deep = _nested(8)
    for slug, comment, direction, frame, payload in (
        ("request", "the request of section 16", REQUEST, _with(STATUS), STATUS),
        ("result", "an answer", ANSWER, _with(DONE), DONE),
        ("error", "the error of section 16", ANSWER, _with(FAILED), FAILED),
        ("highest-id", "the highest id", REQUEST, _with(STATUS, id=high), STATUS | {"id": high}),
        ("longest-method", "a method of 64 characters", REQUEST, _with(STATUS, method="m" * 64),
         STATUS | {"method": "m" * 64}),
        ("depth-8", "eight containers inside each other", REQUEST, _with(STATUS, **deep),
         STATUS | deep),
    ):  # fmt: skip
        yield _vector(slug, "ok", comment, direction, frame, payload=notation(payload))
    loose = (
        b"\xde\x00\x03\xd9\x06params\x80\xda\x00\x02id\xd3"
        + (1).to_bytes(8)
        + b"\xa6method\xa6status"
    )
    half = _params(b"\x81\xa1x\xca\x3f\xc0\x00\x00")
    for slug, comment, frame, payload in (
        ("any-spelling", "long forms and any order are read", _frame(loose), STATUS),
        ("float-32", "a float 32 is read", half, STATUS | {"params": {"x": 1.5}}),
        ("key-beside", "a key beside the three is ignored", _with(STATUS, more=1), STATUS),
    ):
        yield _vector(
            slug,
            "ok",
            comment,
            REQUEST,
            frame,
            payload=notation(payload),
            written=hexed(_with(payload)),
        )
    both = _with(FAILED, result={"ok": True})
    comment = "a payload with both result and error is an error"
    yield _vector(
        "both", "ok", comment, ANSWER, both, payload=notation(FAILED), written=hexed(_with(FAILED))
    )
    room = 65536 - len(_text_map(STATUS | {"params": {"x": b""}})) - 3
    full = STATUS | {"params": {"x": bytes(room)}}
    yield _vector("request-largest", "ok", "65,536 bytes", REQUEST, _with(full))


def _requests() -> Iterator[Vector]:
    good = _text_map(STATUS)
    big = 1 << 63
    for slug, comment, frame in (
        ("length-65537", "a request of 65,537 bytes is announced", (65537).to_bytes(4)),
        ("length-huge", "4 GiB are announced", b"\xff" * 4),
        ("empty", "no payload", bytes(4)),
        ("cut", "a map that is cut short", _frame(good[:-1])),
        ("trailing", "a byte after the map", _frame(good + b"\x00")),
        ("array", "an array instead of a map", _frame(pack([1, "status", []]))),
        ("no-id", "no id", _without(STATUS, "id")),
        ("no-method", "no method", _without(STATUS, "method")),
        ("no-params", "no params", _without(STATUS, "params")),
        ("id-negative", "an id below 0", _with(STATUS, id=-1)),
        ("id-2-63", "an id of 2^63", _with(STATUS, id=big)),
        ("id-text", "an id that is text", _with(STATUS, id="1")),
        ("id-true", "an id that is true", _with(STATUS, id=True)),
        ("id-float", "an id that is a float", _with(STATUS, id=1.0)),
        ("method-bytes", "a method of bytes", _with(STATUS, method=b"status")),
        ("method-long", "a method of 65 characters", _with(STATUS, method="m" * 65)),
        ("params-array", "params that are an array", _with(STATUS, params=[])),
        ("params-null", "params that are null", _with(STATUS, params=None)),
        ("key-integer", "a key that is an integer", _params(b"\x81\x00\x01")),
        ("key-bytes", "a key of bytes", _params(b"\x81\xc4\x01a\x01")),
        ("key-twice", "one key twice", _params(b"\x82\xa1a\x01\xa1a\x02")),
        ("nan", "NaN", _params(b"\x81\xa1x" + _NAN)),
        ("nan-32", "NaN as float 32", _params(b"\x81\xa1x\xca\x7f\xc0\x00\x00")),
        ("infinity", "an infinity", _params(b"\x81\xa1x\xcb\x7f\xf0" + bytes(6))),
        ("extension", "an extension type", _params(b"\x81\xa1x\xd4\x05\x00")),
        ("timestamp", "a timestamp", _params(b"\x81\xa1x\xd6\xff" + bytes(4))),
        ("not-utf-8", "text that is not UTF-8", _params(b"\x81\xa1x\xa1\xff")),
        ("depth-9", "nine containers inside each other", _with(STATUS, **_nested(9))),
        ("count-huge", "2^32-1 elements announced", _params(b"\x81\xa1x\xdd\xff\xff\xff\xff")),
    ):  # fmt: skip
        yield _vector(f"refused-request-{slug}", "control-frame", comment, REQUEST, frame)


def _answers() -> Iterator[Vector]:
    for slug, comment, frame in (
        ("length-1048577", "an answer of 1,048,577 bytes is announced", (1_048_577).to_bytes(4)),
        ("no-id", "no id", _without(DONE, "id")),
        ("neither", "neither result nor error", _without(DONE, "result")),
        ("result-null", "a result that is null", _with(DONE, result=None)),
        ("error-text", "an error that is text", _with(FAILED, error="no")),
        *((f"error-no-{key.replace('_', '-')}", f"an error without {key}",
           _with(FAILED, error={k: v for k, v in ERROR.items() if k != key})) for key in ERROR),
        ("exit-code-float", "an exit code that is a float",
         _with(FAILED, error=ERROR | {"exit_code": 2.0})),
    ):  # fmt: skip
        yield _vector(f"refused-answer-{slug}", "control-frame", comment, ANSWER, frame)
