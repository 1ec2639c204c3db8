"""Invariant: bytes on the local control socket give the same frames wherever they are cut; each
frame means what its own encoding means; after a refusal, which has a name, nothing comes out.

Input: a byte for the direction, one for the length of pieces (0: all at once), then the bytes.
"""

from __future__ import annotations

from fuzz.invariants import Refused, attempt, require
from fuzz.script import Script
from qrfld.protocol.control_frames import (
    MAX_ANSWER_BYTES,
    Answer,
    ControlDecoder,
    Failure,
    Request,
    Result,
    encode_answer,
    encode_request,
)
from qrfld.protocol.errors import ControlFrameError


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    requests, step = bool(script.number() & 1), script.number() or len(data)
    stream = script.rest()
    pieces = [stream[at : at + step] for at in range(0, len(stream), max(1, step))]
    whole, refused = _decoded([stream], requests=requests)
    require(_decoded(pieces, requests=requests) == (whole, refused), "cuts change nothing")
    for frame in whole:
        _require_meaning(frame)


def _decoded(pieces: list[bytes], *, requests: bool) -> tuple[list[Request | Answer], bool]:
    """The frames in a stream that comes in pieces, and whether one was refused."""
    decoder: ControlDecoder[Request] | ControlDecoder[Answer]
    decoder = ControlDecoder.requests() if requests else ControlDecoder.answers()
    frames: list[Request | Answer] = []
    for piece in pieces:
        decoder.receive_data(piece)
        while (frame := attempt(decoder.next_frame, ControlFrameError)) is not None:
            if isinstance(frame, Refused):
                require(decoder.pending == 0, "a decoder that is shut keeps nothing")
                return frames, True
            frames.append(frame)
        require(decoder.pending <= MAX_ANSWER_BYTES + 4, "a decoder keeps one frame")
    return frames, False


def _require_meaning(frame: Request | Answer) -> None:
    # A frame at its limit may grow beyond it: its writer may have used 32-bit floats.
    data = attempt(lambda: _encoded(frame), ControlFrameError)
    if isinstance(data, bytes):
        again, refused = _decoded([data], requests=isinstance(frame, Request))
        require(again == [frame] and not refused, "a frame means what its encoding means")


def _encoded(frame: Request | Answer) -> bytes:
    return encode_request(frame) if isinstance(frame, Request) else encode_answer(frame)


def seeds() -> list[bytes]:
    """The vectors of the spec's section 16, other spellings, and frames that are refused."""
    request = encode_request(Request(1, "status", {"deep": [{"a": 1.5, "b": b"x"}], "n": None}))
    answer = encode_answer(Result(1, {"ok": True}))
    failure = encode_answer(Failure(2, "usage", "m", "h", 2))
    float32 = bytes.fromhex("83a2696401a66d6574686f64a173a6706172616d7381a166ca3fc00000")
    spelled = len(float32).to_bytes(4) + float32
    return [
        b"\x01\x00" + request,
        b"\x00\x00" + answer + failure,
        b"\x01\x07" + request + request,
        b"\x01\x03" + spelled,
        b"\x01\x00\xff\xff\xff\xff",
        b"\x00\x00\x00\x00\x00\x01\xc1",
    ]
