"""Vectors of open connections: the areas ``messages``, ``frames``, ``connections``, ``records``."""

from __future__ import annotations

from typing import Any

from vector_files import fields, named, same, unhex
from vector_receiver import Receiver

from qrfld.protocol import events, frames
from qrfld.protocol.errors import LocalProtocolError, RemoteProtocolError, TruncatedError
from qrfld.protocol.frames import Frame, FrameType
from qrfld.protocol.keys import Chain, ChainPair
from qrfld.protocol.messages import decode_message
from qrfld.protocol.records import (
    MAX_BULK_SEALED,
    MAX_CONTROL_SEALED,
    Opener,
    RecordReader,
    Sealer,
)

KEY_UPDATE = b"\x05"
#: Our names of fields where the text has others.
TEXT_NAMES = {"blob": "blob_hash", "last": "flags"}


def wire_name(error: RemoteProtocolError) -> str:
    """The name of section 10.3."""
    return error.code.name.lower().replace("_", "-")


def told(receiver: Receiver, error: RemoteProtocolError) -> str:
    """The outcome of a connection that was closed: the peer was told the error's code."""
    sent = receiver.sent()
    if isinstance(error, TruncatedError):
        assert not sent
    else:
        assert sent[-1][:3] == b"\x04" + error.code.to_bytes(2)
    return wire_name(error)


def run_message(vector: dict[str, Any]) -> str:
    receiver = Receiver("control")
    body = unhex(vector["body"])
    try:
        receiver.feed(b"\x01" + body)
    except RemoteProtocolError as error:
        return told(receiver, error)
    heard = receiver.events()
    if not heard:
        return "ignored"
    (event,) = heard
    assert isinstance(event, events.MessageReceived)
    if "fields" in vector:
        assert same(named(event.message), fields(vector["fields"]))
    assert event.message.encode() == unhex(vector.get("written", vector["body"]))
    return "ok"


def run_frame(vector: dict[str, Any]) -> str:
    data = unhex(vector["frame"])
    if vector["expect"] != "ok":
        receiver = Receiver(vector["connection"])
        try:
            receiver.feed(data)
        except RemoteProtocolError as error:
            return told(receiver, error)
        return "ok"
    frame = frames.decode(vector["connection"], data)
    assert FrameType(data[0]).name == vector["name"]
    assert same(_frame_fields(frame), fields(vector["fields"]))
    assert frames.encode(frame) == data
    return "ok"


def _frame_fields(frame: Frame) -> dict[str, Any]:
    found = {TEXT_NAMES.get(name, name): v for name, v in vars(frame).items()}
    views = {name: bytes(v) if isinstance(v, memoryview) else v for name, v in found.items()}
    return {name: int(v) if isinstance(v, bool) else v for name, v in views.items()}


class _Script:
    """Plays the steps of a vector of ``connections``."""

    def __init__(self, vector: dict[str, Any]) -> None:
        initiator = vector["role"] == "initiator"
        self.receiver = Receiver(vector["connection"], initiator=initiator)
        self.connection = self.receiver.connection
        self.sent: list[bytes] = []

    def play(self, step: dict[str, Any]) -> None:
        match step:
            case {"receive": frame}:
                data = unhex(frame)
                for _ in range(step.get("times", 1)):
                    self.receiver.feed(data)
                self.sent += self.receiver.sent()
            case {"send": frame}:
                assert not self.sent
                data, times = unhex(frame), step.get("times", 1)
                for _ in range(times):
                    self._send(data)
                assert self.receiver.sent() == [data] * times
            case {"answer": frame}:
                assert self.sent.pop(0) == unhex(frame)
            case {"consume": size}:
                self.connection.consumed(size)
                self.sent += self.receiver.sent()
            case {"end": True}:
                assert not self.sent
                self.connection.receive_eof()
            case _:
                raise AssertionError(step)

    def _send(self, data: bytes) -> None:
        match frames.decode(self.connection.kind or "control", data):
            case frames.MessageFrame(body):
                message = decode_message(bytes(body))
                assert message is not None
                self.connection.send_message(message)
            case frames.Get(stream, blob, offset, limit):
                self.connection.send_get(stream, blob, offset, limit)
            case frames.Chunk(stream, offset, last, content):
                self.connection.send_chunk(stream, offset, content, last=last)
            case frames.StreamCredit(stream, limit):
                self.connection.send_credit(stream, limit)
            case frames.Reset(stream, code):
                self.connection.send_reset(stream, code)
            case frame:
                raise AssertionError(frame)


def run_connection(vector: dict[str, Any]) -> str:
    script = _Script(vector)
    *before, last = vector["steps"]
    for step in before:
        script.play(step)
    script.receiver.events()
    try:
        script.play(last)
    except LocalProtocolError:
        return "must-not-send"
    except RemoteProtocolError as error:
        return told(script.receiver, error)
    assert not script.sent
    # A pong is told to the owner of the connection, who ignores it unless it asked.
    heard = [e for e in script.receiver.events() if not isinstance(e, events.PongReceived)]
    # What is ignored leaves no trace; what is accepted may leave none either.
    return "ok" if heard or vector["expect"] == "ok" else "ignored"


def run_records(vector: dict[str, Any]) -> str:
    chain = Chain(vector["wire_suite"], bytes.fromhex(vector["chain"]))
    expected = [bytes.fromhex(frame) for frame in vector["frames"]]
    stream = unhex(vector["stream"])
    assert _opened(vector, chain, stream) == expected
    if vector["expect"] == "ok":
        assert _sealed(vector, chain, expected) == stream
    receiver = Receiver(vector["connection"], chains=ChainPair(chain, chain))
    _set(receiver.connection._reader.opener, vector)
    try:
        receiver.connection.receive_data(stream)
        receiver.connection.receive_eof()
    except RemoteProtocolError as error:
        receiver.sent()
        return wire_name(error)
    return "ok"


def _set(side: Opener | Sealer, vector: dict[str, Any]) -> None:
    """Pretend that so much has been sealed under the first key."""
    if "sealed" in vector:
        side._generation.records = vector["sealed"]["records"]
        side._generation.bytes = vector["sealed"]["bytes"]


def _opened(vector: dict[str, Any], chain: Chain, stream: bytes) -> list[bytes]:
    """The frames of the stream up to its end or the first error."""
    most = MAX_BULK_SEALED if vector["connection"] == "bulk" else MAX_CONTROL_SEALED
    reader = RecordReader(Opener(chain), most)
    _set(reader.opener, vector)
    found, rest = [], memoryview(stream)
    try:
        while len(rest):
            frame, rest = reader.take(rest)
            if frame is not None:
                found.append(frame)
            if frame == KEY_UPDATE:
                reader.opener.step()
    except RemoteProtocolError:
        pass
    return found


def _sealed(vector: dict[str, Any], chain: Chain, frames_: list[bytes]) -> bytes:
    sealer = Sealer(chain)
    _set(sealer, vector)
    records = b""
    for frame in frames_:
        records += sealer.seal(frame)
        if frame == KEY_UPDATE:
            sealer.step()
    return records
