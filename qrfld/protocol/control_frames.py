"""The codec of the local control socket: questions from ``qrfl``, answers from the daemon.

A frame is a u32 length and a msgpack map with text keys: ``{id, method, params}`` one way,
``{id, result}`` or ``{id, error: {name, message, hint, exit_code}}`` the other. Nothing is signed
here, so any msgpack spelling is read; everything else is as strict as on the network: the length
is checked before a byte is kept, depth and types are bounded, and a decoder that has refused a
frame stays shut, because nobody knows where the next one begins.

Light on purpose: the command line imports this at every start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from qrfld.crypto.canonical import pack_text, unpack_text
from qrfld.crypto.errors import EncodingError
from qrfld.protocol.errors import ControlFrameError

MAX_REQUEST_BYTES: Final = 64 * 1024
MAX_ANSWER_BYTES: Final = 1024 * 1024
MAX_METHOD: Final = 64
_MAX_ID: Final = (1 << 63) - 1
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True)
class Request:
    """A call of ``method``; the answer carries the same ``id``."""

    id: int
    method: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """A call that succeeded."""

    id: int
    result: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """A call that failed, as the fields of a QrfldError."""

    id: int
    name: str
    message: str
    hint: str
    exit_code: int


Answer = Result | Failure
_Frame = TypeVar("_Frame")


def encode_request(request: Request) -> bytes:
    """Return the frame of ``request``. Raises ControlFrameError when it has none."""
    return _frame(
        {"id": request.id, "method": request.method, "params": request.params}, MAX_REQUEST_BYTES
    )


def encode_answer(answer: Answer) -> bytes:
    """Return the frame of ``answer``. Raises ControlFrameError when it has none."""
    if isinstance(answer, Result):
        return _frame({"id": answer.id, "result": answer.result}, MAX_ANSWER_BYTES)
    error = {
        "name": answer.name,
        "message": answer.message,
        "hint": answer.hint,
        "exit_code": answer.exit_code,
    }
    return _frame({"id": answer.id, "error": error}, MAX_ANSWER_BYTES)


class ControlDecoder(Generic[_Frame]):
    """Turns the bytes of one direction into frames, in pieces of any size."""

    def __init__(self, parse: Callable[[dict[str, Any]], _Frame], max_bytes: int) -> None:
        self._parse = parse
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._refused: str | None = None

    @classmethod
    def requests(cls) -> ControlDecoder[Request]:
        """Return the daemon's decoder."""
        return ControlDecoder(_request, MAX_REQUEST_BYTES)

    @classmethod
    def answers(cls) -> ControlDecoder[Answer]:
        """Return the client's decoder."""
        return ControlDecoder(_answer, MAX_ANSWER_BYTES)

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame; nonzero at the end of the stream means it was cut."""
        return len(self._buffer)

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Append what the socket gave; take the frames out with ``next_frame``."""
        if self._refused is None:
            self._buffer += data

    def next_frame(self) -> _Frame | None:
        """Return the next whole frame, or None until more bytes come.

        Raises ControlFrameError, now and ever after, at the first frame that is refused.
        """
        if self._refused is None:
            try:
                return self._take()
            except (EncodingError, ControlFrameError) as error:
                self._buffer.clear()
                self._refused = f"a control frame is refused: {error.message}"
        raise ControlFrameError(self._refused)

    def _take(self) -> _Frame | None:
        if len(self._buffer) < _LENGTH_BYTES:
            return None
        length = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
        if length > self._max_bytes:
            raise ControlFrameError(f"{length} bytes, allowed are {self._max_bytes}")
        end = _LENGTH_BYTES + length
        if len(self._buffer) < end:
            return None
        payload = bytes(self._buffer[_LENGTH_BYTES:end])
        del self._buffer[:end]
        return self._parse(_as_map(unpack_text(payload, max_bytes=self._max_bytes)))


def _frame(body: dict[str, Any], max_bytes: int) -> bytes:
    try:
        payload = pack_text(body)
    except EncodingError as error:
        raise ControlFrameError(f"cannot be sent: {error.message}") from error
    if len(payload) > max_bytes:
        raise ControlFrameError(f"a frame of {len(payload)} bytes, allowed are {max_bytes}")
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


def _request(frame: dict[str, Any]) -> Request:
    method = _field(frame, "method", str)
    if len(method) > MAX_METHOD:
        raise ControlFrameError(f"a method name of {len(method)} characters")
    return Request(_identifier(frame), method, _as_map(frame.get("params")))


def _answer(frame: dict[str, Any]) -> Answer:
    if "error" not in frame:
        return Result(_identifier(frame), _as_map(frame.get("result")))
    error = _as_map(frame["error"])
    return Failure(
        _identifier(frame),
        _field(error, "name", str),
        _field(error, "message", str),
        _field(error, "hint", str),
        _field(error, "exit_code", int),
    )


def _identifier(frame: dict[str, Any]) -> int:
    identifier = _field(frame, "id", int)
    if not 0 <= identifier <= _MAX_ID:
        raise ControlFrameError(f"a control frame's id is 0 to 2^63 - 1, not {identifier}")
    return identifier


_Value = TypeVar("_Value")


def _field(frame: dict[str, Any], name: str, kind: type[_Value]) -> _Value:
    value = frame.get(name)
    if type(value) is not kind:
        raise ControlFrameError(f"{name!r} is {kind.__name__}, not {type(value).__name__}")
    return value


def _as_map(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ControlFrameError(f"a control frame holds a map, not {type(value).__name__}")
    return value
