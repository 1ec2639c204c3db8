"""Runs one vector against our implementation: the outcome's name, as section 20 names it.

An outcome is ``ok``, ``ignored`` or the name of an error. What a vector says beside that, bytes and
fields, is asserted here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vector_areas_signed import run_body, run_statement
from vector_files import fields, named, same, unhex, value
from vector_receiver import Receiver

from qrfld.crypto.encoding import pack, unpack
from qrfld.crypto.errors import EncodingError
from qrfld.protocol import events
from qrfld.protocol.errors import RemoteProtocolError, SilentRejectError

Vector = dict[str, Any]


def outcome(path: str, vector: Vector) -> str:
    """What our implementation makes of a vector."""
    area = path.partition("/")[0]
    try:
        return AREAS[area](vector) or "ok"
    except SilentRejectError:
        return "silent-reject"
    except RemoteProtocolError as error:
        return wire_name(error)
    except EncodingError:
        return "encoding"


def wire_name(error: RemoteProtocolError) -> str:
    """The name of section 10.3."""
    return error.code.name.lower().replace("_", "-")


def told(receiver: Receiver, error: RemoteProtocolError) -> str:
    """The outcome of an open connection that was closed: the peer was told the error's code."""
    assert receiver.sent()[-1][:3] == b"\x04" + error.code.to_bytes(2)
    return wire_name(error)


def run_encoding(vector: Vector) -> None:
    if "bytes" not in vector:
        pack(value(vector["value"]))
        return
    data = unhex(vector["bytes"])
    read = unpack(data, max_bytes=vector["max_bytes"])
    assert same(read, value(vector["value"]))
    assert pack(value(vector["value"])) == data


def run_message(vector: Vector) -> str:
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


AREAS: dict[str, Callable[[Vector], str | None]] = {
    "encoding": run_encoding,
    "messages": run_message,
    "bodies": run_body,
    "statements": run_statement,
}
