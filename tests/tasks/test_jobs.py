from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.tasks.base import Context
from qrfld.tasks.errors import WorkerProtocolError
from qrfld.tasks.jobs import (
    MAX_FRAME,
    Evaluate,
    Evaluated,
    Failed,
    Init,
    Initialised,
    Job,
    Result,
    Train,
    Trained,
    body_length,
    frame,
    parse,
)

CONTEXT = Context(1, 5, 3, 2**62, {"a": 1, "b": 0.5, "c": "x", "d": True})


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (Init(CONTEXT, "out"), Job),
        (Train(CONTEXT, "model", "out", "sign-flip", 4.0), Job),
        (Evaluate(CONTEXT, "model"), Job),
        (Initialised(), Result),
        (Trained(5, 0.25), Result),
        (Evaluated(1.0, 0.0, 7), Result),
        (Failed("task", "what", "do"), Result),
    ],
)
def test_message_survives_the_frame(message: object, kind: object) -> None:
    data = frame(message)  # type: ignore[arg-type]
    assert body_length(data[:4]) == len(data) - 4
    assert parse(data[4:], kind) == message


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_by_name(data: bytes) -> None:
    for kind in (Job, Result):
        with pytest.raises(WorkerProtocolError):
            parse(data, kind)


@given(st.integers(0, 200))
def test_cut_message_is_refused_by_name(size: int) -> None:
    body = frame(Train(CONTEXT, "model", "out"))[4:]
    with pytest.raises(WorkerProtocolError):
        parse(body[: min(size, len(body) - 1)], Job)


def test_wrong_kind_of_message_is_not_repeated_at_length() -> None:
    body = msgspec.msgpack.encode({"type": "x" * 60_000})
    with pytest.raises(WorkerProtocolError) as refusal:
        parse(body, Result)
    assert len(str(refusal.value)) < 500


def test_result_is_no_job() -> None:
    with pytest.raises(WorkerProtocolError):
        parse(frame(Initialised())[4:], Job)


@pytest.mark.parametrize("length", [0, MAX_FRAME + 1, 2**32 - 1])
def test_length_out_of_bounds_is_refused(length: int) -> None:
    with pytest.raises(WorkerProtocolError, match=str(length)):
        body_length(length.to_bytes(4, "big"))


def test_message_too_long_for_a_frame_is_refused() -> None:
    with pytest.raises(WorkerProtocolError, match=str(MAX_FRAME)):
        frame(Evaluate(CONTEXT, "x" * MAX_FRAME))


@pytest.mark.parametrize(
    "result", [Evaluated(1.5, 0, 1), Evaluated(0.5, -1, 1), Trained(0, 0), Trained(1, float("nan"))]
)
def test_result_out_of_range_is_refused(result: Evaluated | Trained) -> None:
    with pytest.raises(WorkerProtocolError):
        parse(frame(result)[4:], Result)


def test_failure_is_cut_to_what_a_frame_carries() -> None:
    failed = Failed.of("task", "x" * 99_999, "y" * 99_999)
    assert parse(frame(failed)[4:], Result) == failed
