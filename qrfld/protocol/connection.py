"""`Connection`: one TCP connection's protocol, without the TCP connection.

Its owner feeds it what arrives (`receive_data`, `receive_eof`), takes out what happened
(`events_received`) and what to write (`data_to_send`), and calls the ``send_…`` methods. It never
waits, reads no clock and opens nothing.

    state       what comes in                                 what may go out
    HANDSHAKE   the messages of the current step, only        the step's answers
    OPEN        records with frames of this kind              frames of this kind
    CLOSED      ignored                                       nothing more

A peer that breaks a rule closes the connection: `receive_data` raises the RemoteProtocolError that
names the rule, after queueing a CLOSE with its code if the connection was open. A failed handshake
sends nothing more. A caller that breaks a rule gets LocalProtocolError, and nothing has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Self, assert_never

from qrfld.crypto.errors import EncodingError
from qrfld.crypto.identity import NodeId
from qrfld.crypto.parameters import Buffer
from qrfld.protocol import events
from qrfld.protocol.bulk import BulkInitiator
from qrfld.protocol.cookies import CookieGate
from qrfld.protocol.credit import MessageCredit
from qrfld.protocol.door import Door
from qrfld.protocol.errors import (
    ErrorCode,
    LocalProtocolError,
    MessageError,
    RemoteProtocolError,
    StreamError,
    TruncatedError,
)
from qrfld.protocol.frames import (
    BLOB_HASH_SIZE,
    PING_TOKEN_SIZE,
    Chunk,
    Close,
    Credit,
    Frame,
    Get,
    KeyUpdate,
    Kind,
    MessageFrame,
    Ping,
    Pong,
    Reset,
    StreamCredit,
    decode,
    encode,
)
from qrfld.protocol.handshake import Initiator
from qrfld.protocol.messages import Message, decode_message
from qrfld.protocol.records import MAX_BULK_SEALED, MAX_CONTROL_SEALED, RecordReader, Sealer
from qrfld.protocol.resumption import ResumeInitiator
from qrfld.protocol.session import BulkSecret, Endpoint, Opened, Session, Step
from qrfld.protocol.streams import Fetches, Supplies
from qrfld.protocol.tickets import Ticket, TicketGate

__all__ = ["BulkSecret", "Connection", "Endpoint", "Session", "State"]


class State(Enum):
    """Where a connection stands; it only moves down."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    CLOSED = "closed"


class Connection:
    """One side of one connection; made by `dial`, `resume`, `accept` or `dial_bulk`."""

    def __init__(self, step: Step, first: bytes = b"") -> None:
        self.state = State.HANDSHAKE
        self.session: Session | None = None
        # None once the handshake is over: the secrets of its steps must not outlive it.
        self._step: Step | None = step
        self._kind: Kind | None = None
        self._got = bytearray()
        self._needed = step.needed(b"")
        self._output: list[bytes | bytearray] = [first] if first else []
        self._events: list[events.Event] = []
        self._credit = MessageCredit()
        self._sealer: Sealer
        self._reader: RecordReader
        self._fetches: Fetches
        self._supplies: Supplies

    @classmethod
    def dial(cls, endpoint: Endpoint, peer: NodeId) -> Self:
        """The initiator of a session with ``peer``; LocalProtocolError if that is ourselves."""
        step = Initiator(endpoint, peer)
        return cls(step, step.first())

    @classmethod
    def resume(cls, endpoint: Endpoint, ticket: Ticket) -> Self:
        """The initiator of a session that continues an earlier one, without signatures."""
        step = ResumeInitiator(endpoint, ticket)
        return cls(step, step.first())

    @classmethod
    def accept(
        cls,
        endpoint: Endpoint,
        bulk_sessions: Mapping[bytes, BulkSecret],
        gate: CookieGate | None,
        tickets: TicketGate | None = None,
    ) -> Self:
        """The listening side of a session or of a bulk connection; the first bytes will tell.

        ``bulk_sessions`` is looked at when B1 and when B3 come; remove a session from it once its
        bulk connection has joined. ``gate`` asks the caller of a session for a cookie. Without
        ``tickets`` nothing is resumed here.
        """
        return cls(Door(endpoint, bulk_sessions, gate, tickets))

    @classmethod
    def dial_bulk(cls, bulk: BulkSecret) -> Self:
        """The bulk connection of a session that we initiated; LocalProtocolError otherwise."""
        step = BulkInitiator(bulk)
        return cls(step, step.first())

    @property
    def kind(self) -> Kind | None:
        """``control`` or ``bulk``; None while an accepted connection has not told."""
        return self._kind if self._step is None else self._step.kind

    @property
    def message_credit(self) -> int:
        """How many bytes of encoded messages may be sent now."""
        return self._credit.available if self._is_open("control") else 0

    @property
    def next_stream(self) -> int:
        """The number that the next `send_get` should use."""
        return self._require("bulk")._fetches.next_stream

    @property
    def streams_available(self) -> int:
        """How many more blobs may be asked for now."""
        return self._fetches.room if self._is_open("bulk") else 0

    # in

    def receive_data(self, data: Buffer) -> None:
        """Take bytes from the peer; raises RemoteProtocolError when they break a rule."""
        view = memoryview(data).cast("B")
        try:
            while len(view) and self.state is not State.CLOSED:
                if self._step is not None:
                    view = self._gather(self._step, view)
                else:
                    view = self._read_record(view)
        except RemoteProtocolError as error:
            self._fail(error)
            raise

    def receive_eof(self) -> None:
        """The peer's bytes have ended; raises TruncatedError unless a CLOSE came before."""
        match self.state:
            case State.CLOSED:
                return
            case State.HANDSHAKE:
                error = TruncatedError(
                    f"the connection ended after {len(self._got)} bytes of the handshake's message",
                    hint="a node of another federation, or with another identity, says nothing",
                )
            case State.OPEN:
                error = TruncatedError("the connection ended without a CLOSE")
        self._fail(error)
        raise error

    def events_received(self) -> list[events.Event]:
        """What has happened since the last call."""
        result, self._events = self._events, []
        return result

    def data_to_send(self) -> list[bytes | bytearray]:
        """What has to be written since the last call, in order."""
        result, self._output = self._output, []
        return result

    # out, control

    def can_send(self, message: Message) -> bool:
        """Whether the peer's credit and the state allow ``message`` now."""
        return self._is_open("control") and len(_encoded(message)) <= self._credit.available

    def send_message(self, message: Message) -> None:
        """Send a control message; LocalProtocolError beyond the credit (see `can_send`)."""
        connection = self._require("control")
        body = _encoded(message)
        connection._credit.send(len(body))
        self._send(MessageFrame(body))

    def consumed(self, size: int) -> None:
        """Give back the ``size`` of a MessageReceived that has been dealt with."""
        self._require("control")
        if (limit := self._credit.consume(size)) is not None:
            self._send(Credit(limit))

    # out, bulk

    def send_get(self, stream: int, blob: bytes, offset: int, limit: int) -> None:
        """Ask for ``blob`` from ``offset`` on; the peer may send up to offset ``limit``.

        ``stream``: `next_stream`, or a higher number of the same parity.
        """
        connection = self._require("bulk")
        frame = Get(stream, _sized("blob hash", blob, BLOB_HASH_SIZE), offset, limit)
        connection._fetches.get(frame)
        self._send(frame)

    def send_credit(self, stream: int, limit: int) -> None:
        """Let the peer send up to offset ``limit``; nothing happens if the stream has ended."""
        if self._require("bulk")._fetches.credit(stream, limit):
            self._send(StreamCredit(stream, limit))

    def send_chunk(self, stream: int, offset: int, data: Buffer, *, last: bool) -> None:
        """Send a piece of a blob (at most 1 MiB) that the peer asked for and gave credit for."""
        frame = Chunk(stream, offset, last, data)
        self._require("bulk")._supplies.chunk(frame)
        self._send(frame)

    def send_reset(self, stream: int, code: int) -> None:
        """End a stream that either side asked for; nothing happens if it has ended."""
        connection = self._require("bulk")
        data = encode(Reset(stream, code))
        if connection._fetches.cancel(stream) or connection._supplies.end(stream):
            self._send_encoded(data)

    # out, both

    def send_ping(self, token: bytes) -> None:
        """Ask for a PongReceived with this token of 8 bytes."""
        self._require(None)
        self._send(Ping(_sized("ping token", token, PING_TOKEN_SIZE)))

    def rekey(self) -> None:
        """Step our sending key; the owner calls this once an hour."""
        self._require(None)
        self._send(KeyUpdate())
        self._sealer.step()

    def close(self, code: int, reason: str) -> None:
        """End the connection, telling the peer if it is open; no effect once it is closed."""
        if self.state is State.CLOSED:
            return
        self._end(code, reason, tell=True, remote=False)

    # handshake

    def _gather(self, step: Step, data: memoryview) -> memoryview:
        """Take the step's next message, whole if it is here; its length is known before."""
        if not self._got and (size := step.needed(data)) <= len(data):
            self._answer(step, bytes(data[:size]))
            return data[size:]
        count = min(self._needed - len(self._got), len(data))
        self._got += data[:count]
        self._needed = step.needed(self._got)
        if len(self._got) == self._needed:
            message = bytes(self._got)
            self._got.clear()
            self._answer(step, message)
        return data[count:]

    def _answer(self, step: Step, message: bytes) -> None:
        outcome = step.receive(message)
        if outcome.send:
            self._output.append(outcome.send)
        if outcome.opened is not None:
            self._open(outcome.opened)
        else:
            self._needed = step.needed(b"")

    def _open(self, opened: Opened) -> None:
        self._forget_step()
        bulk = self.kind == "bulk"
        self._sealer = opened.sealer
        self._reader = RecordReader(opened.opener, MAX_BULK_SEALED if bulk else MAX_CONTROL_SEALED)
        self._fetches = Fetches(initiator=opened.initiator)
        self._supplies = Supplies(initiator=opened.initiator)
        self.session = opened.session
        self.state = State.OPEN
        if opened.session is not None:
            self._events.append(events.SessionEstablished(opened.session))
        else:
            self._events.append(events.BulkJoined(opened.session_id))

    def _forget_step(self) -> None:
        self._kind, self._step = self.kind, None

    # records and frames

    def _read_record(self, data: memoryview) -> memoryview:
        frame, rest = self._reader.take(data)
        if frame is not None:
            self._handle(decode("bulk" if self.kind == "bulk" else "control", frame))
        return rest

    def _handle(self, frame: Frame) -> None:
        match frame:
            case MessageFrame():
                self._handle_message(frame)
            case Credit():
                self._credit.grant(frame.limit)
                self._events.append(events.CreditGranted(self._credit.available))
            case Chunk():
                self._handle_chunk(frame)
            case Get():
                self._supplies.get(frame)
                self._events.append(
                    events.StreamRequested(frame.stream, frame.blob, frame.offset, frame.limit)
                )
            case StreamCredit():
                if self._supplies.credit(frame.stream, frame.limit):
                    self._events.append(events.StreamCreditGranted(frame.stream, frame.limit))
            case Reset():
                self._handle_reset(frame)
            case Ping():
                self._send(Pong(frame.token))
            case Pong():
                self._events.append(events.PongReceived(frame.token))
            case KeyUpdate():
                self._reader.opener.step()
            case Close():
                self._end(frame.code, frame.reason, tell=False, remote=True)
            case _:
                assert_never(frame)

    def _handle_message(self, frame: MessageFrame) -> None:
        size = len(frame.body)
        self._credit.receive(size)
        try:
            message = decode_message(bytes(frame.body))
        except EncodingError as error:
            raise MessageError(error.message) from error
        if message is not None:
            self._events.append(events.MessageReceived(message, size))
        else:
            self.consumed(size)  # of a later version, and made to be ignored

    def _handle_chunk(self, frame: Chunk) -> None:
        if self._fetches.chunk(frame):
            data = memoryview(frame.data)
            self._events.append(
                events.ChunkReceived(frame.stream, frame.offset, data, last=frame.last)
            )

    def _handle_reset(self, frame: Reset) -> None:
        if self._fetches.ours(frame.stream):
            ended = self._fetches.reset(frame.stream)
        elif self._supplies.theirs(frame.stream):
            ended = self._supplies.end(frame.stream)
            if ended:
                self._send(Reset(frame.stream, ErrorCode.CANCELLED))
        else:
            raise StreamError(f"a RESET for stream {frame.stream}, which never was")
        if ended:
            self._events.append(events.StreamReset(frame.stream, frame.code))

    def _send(self, frame: Frame) -> None:
        self._send_encoded(encode(frame))

    def _send_encoded(self, data: bytes) -> None:
        if self._sealer.must_step(len(data)):
            self._output.append(self._sealer.seal(encode(KeyUpdate())))
            self._sealer.step()
        self._output.append(self._sealer.seal(data))

    # state

    def _is_open(self, kind: Kind) -> bool:
        return self.state is State.OPEN and self.kind == kind

    def _require(self, kind: Kind | None) -> Self:
        if self.state is not State.OPEN:
            raise LocalProtocolError(f"the connection is not open but in state {self.state.value}")
        if kind is not None and self.kind != kind:
            raise LocalProtocolError(f"a {self.kind} connection cannot do this, a {kind} one can")
        return self

    def _fail(self, error: RemoteProtocolError) -> None:
        tell = not isinstance(error, TruncatedError)
        self._end(error.code, error.message, tell=tell, remote=False)

    def _end(self, code: int, reason: str, *, tell: bool, remote: bool) -> None:
        if self.state is State.OPEN:
            if tell:
                self._send(Close(code, reason))
            self._events.append(events.ConnectionClosed(code, reason, remote))
        else:
            self._output.clear()
        self._got.clear()
        self._forget_step()
        self.state = State.CLOSED


def _encoded(message: Message) -> bytes:
    try:
        return message.encode()
    except EncodingError as error:
        raise LocalProtocolError(f"this message cannot be sent: {error.message}") from error


def _sized(what: str, value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise LocalProtocolError(f"a {what} has {size} bytes, not {len(value)}")
    return value
