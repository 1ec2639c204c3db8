"""The control socket's codec: any cut of the bytes, and every bad frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.protocol.control_frames import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    ControlDecoder,
    Failure,
    Request,
    Result,
    encode_answer,
    encode_request,
)
from qrfld.protocol.errors import ControlFrameError

REQUEST = Request(
    1, "run.start", {"task": "digits", "rounds": 10, "f": None, "params": {"lr": 0.1}}
)
ANSWERS = [
    Result(1, {"peers": [{"id": "A", "rtt_ms": None}]}),
    Failure(2, "run-not-found", "no run 12", "see qrfl run list", 1),
]


def frame(body: object) -> bytes:
    payload = body if isinstance(body, bytes) else msgpack.packb(body)
    return len(payload).to_bytes(4, "big") + payload


def frames(decoder: ControlDecoder[Any], data: bytes | memoryview = b"") -> list[Any]:
    decoder.receive_data(data)
    return list(iter(decoder.next_frame, None))


def test_request_and_answers_round_trip() -> None:
    assert frames(ControlDecoder.requests(), encode_request(REQUEST)) == [REQUEST]
    data = b"".join(map(encode_answer, ANSWERS))
    assert frames(ControlDecoder.answers(), data) == ANSWERS


@given(st.lists(st.integers(1, 40), max_size=30))
def test_frames_arrive_whole_however_the_bytes_are_cut(cuts: list[int]) -> None:
    data = encode_request(REQUEST) * 3
    decoder = ControlDecoder.requests()
    found, at = [], 0
    for cut in [*cuts, len(data)]:
        found += frames(decoder, memoryview(data)[at : at + cut])
        at += cut
    assert found == [REQUEST] * 3
    assert decoder.pending == 0


def test_unfinished_frame_is_pending() -> None:
    decoder = ControlDecoder.requests()
    assert frames(decoder, encode_request(REQUEST)[:-1]) == []
    assert decoder.pending == len(encode_request(REQUEST)) - 1


def test_frames_before_a_bad_one_are_delivered_and_none_after() -> None:
    decoder = ControlDecoder.requests()
    decoder.receive_data(encode_request(REQUEST) + frame(b"\xc1") + encode_request(REQUEST))
    assert decoder.next_frame() == REQUEST
    for _ in range(2):
        with pytest.raises(ControlFrameError, match="0xc1 is not allowed"):
            decoder.next_frame()
        decoder.receive_data(encode_request(REQUEST))
    assert decoder.pending == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x80\x80",
        b"\x91" * 100,
        [],
        None,
        {},
        {"id": 1, "method": "status"},
        {"id": 1, "method": "status", "params": []},
        {"id": 1, "method": "status", "params": None},
        {"id": 1, "method": 7, "params": {}},
        {"id": 1, "method": b"status", "params": {}},
        {"id": 1, "method": "x" * 65, "params": {}},
        {"id": "1", "method": "status", "params": {}},
        {"id": True, "method": "status", "params": {}},
        {"id": -1, "method": "status", "params": {}},
        {"id": 2**63, "method": "status", "params": {}},
        {"id": 1, "method": "status", "params": {1: 2}},
        {"id": 1, "method": "status", "params": {"x": float("nan")}},
        {"method": "status", "params": {}},
    ],
    ids=repr,
)
def test_bad_request_is_refused(body: object) -> None:
    with pytest.raises(ControlFrameError):
        frames(ControlDecoder.requests(), frame(body))


@pytest.mark.parametrize(
    "body",
    [
        {"id": 1},
        {"id": 1, "result": []},
        {"id": 1, "error": "no"},
        {"id": 1, "error": {}},
        {"id": 1, "error": {"name": "x", "message": "y", "hint": "z", "exit_code": "1"}},
        {"id": 1, "error": {"name": "x", "message": "y", "hint": None, "exit_code": 1}},
        {"result": {}},
    ],
    ids=repr,
)
def test_bad_answer_is_refused(body: object) -> None:
    with pytest.raises(ControlFrameError):
        frames(ControlDecoder.answers(), frame(body))


@pytest.mark.parametrize(
    ("make", "limit"),
    [(ControlDecoder.requests, MAX_REQUEST_BYTES), (ControlDecoder.answers, MAX_ANSWER_BYTES)],
)
def test_length_over_the_limit_is_refused_before_the_body_comes(
    make: Callable[[], ControlDecoder[Any]], limit: int
) -> None:
    assert frames(make(), limit.to_bytes(4, "big")) == []
    for length in (limit + 1, 0xFFFFFFFF):
        with pytest.raises(ControlFrameError, match=f"{length} bytes, allowed are {limit}"):
            frames(make(), length.to_bytes(4, "big"))


def test_frame_without_an_encoding_or_over_the_limit_is_not_written() -> None:
    with pytest.raises(ControlFrameError, match="cannot be sent"):
        encode_request(Request(1, "status", {"x": object()}))
    with pytest.raises(ControlFrameError, match="allowed are"):
        encode_request(Request(1, "status", {"x": bytes(MAX_REQUEST_BYTES)}))
    with pytest.raises(ControlFrameError, match="allowed are"):
        encode_answer(Result(1, {"x": bytes(MAX_ANSWER_BYTES)}))
    encode_answer(Result(1, {"data": bytes(512 * 1024), "size": 1}))


@given(st.binary(max_size=100))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    for stream in (data, frame(data)):
        try:
            frames(ControlDecoder.requests(), stream)
        except ControlFrameError:
            continue
