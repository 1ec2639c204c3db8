"""Control messages: what two nodes say to each other inside a session.

A message is a u16 code and a canonical map with integer keys. Fields that every reader must
understand have even keys, fields it may ignore have odd ones; codes follow the same rule for
messages of a later version. Everything is bounded here by type: sizes, ranges, counts, finite
numbers. Whether a message makes sense now is the business of the service that receives it.

A message that carries a signed statement, a certificate or an address record carries it as bytes:
signature and ID run over exactly these bytes. Model bytes never travel in messages; a message names
a blob by hash and the receiver fetches it on the bulk connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from qrfld.crypto.encoding import (
    U16,
    U32,
    U63,
    Bytes16,
    Fraction,
    Hash,
    Key,
    NonNegative,
    Structure,
    pack,
)
from qrfld.crypto.errors import EncodingError
from qrfld.crypto.names import Name

MAX_MESSAGE_BYTES: Final = 65536  # the map, without the two bytes of the code
MAX_STATEMENT_BYTES: Final = MAX_MESSAGE_BYTES - 64
MAX_MEMBER_ENTRIES: Final = 7
MAX_DIGEST_ENTRIES: Final = 1000
CODE_BYTES: Final = 2

Statement = Annotated[bytes, Meta(min_length=1, max_length=MAX_STATEMENT_BYTES)]
Document = Annotated[bytes, Meta(min_length=1, max_length=16384)]  # certificate, address record
Reason = Annotated[str, Meta(max_length=255)]
RunId = Bytes16
# A week bounds every wait that a peer can ask for.
Seconds = Annotated[float, Meta(ge=0.0, le=604800.0)]


class RunState(IntEnum):
    """How a run ended."""

    FINISHED = 1
    STOPPED = 2
    FAILED = 3


class Message(Structure, frozen=True, kw_only=True):
    """Base of all messages; ``code`` names the type on the wire."""

    code: ClassVar[int] = 0

    def encode(self) -> bytes:
        """Return ``u16 code ‖ map``. Raises EncodingError when a field breaks its bound."""
        data = self.to_bytes()
        if len(data) > MAX_MESSAGE_BYTES:
            raise EncodingError(
                f"{type(self).__name__} of {len(data)} bytes, allowed are {MAX_MESSAGE_BYTES}"
            )
        return self.code.to_bytes(CODE_BYTES, "big") + data


class Hello(Message, frozen=True, kw_only=True):
    """The first message of a member in every session, in both directions.

    Only in a resumed session may the certificate be absent.
    """

    code: ClassVar[int] = 1
    software: Annotated[Annotated[str, Meta(max_length=64)], Key(0)]
    certificate: Annotated[Document | None, Key(2)] = None
    addresses: Annotated[Document | None, Key(3)] = None


class Join(Message, frozen=True, kw_only=True):
    """The first message of a node that has a token instead of a certificate."""

    code: ClassVar[int] = 2
    token_id: Annotated[Bytes16, Key(0)]
    secret: Annotated[Hash, Key(2)]
    name: Annotated[Name, Key(4)]

    def __repr__(self) -> str:
        return f"Join(token_id={self.token_id.hex()}, name={self.name!r})"  # never the secret

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("token_id", self.token_id.hex()), ("name", self.name)]


class Welcome(Message, frozen=True, kw_only=True):
    """The answer to Join: the federation's genesis and the new member's certificate."""

    code: ClassVar[int] = 3
    genesis: Annotated[Document, Key(0)]
    certificate: Annotated[Document, Key(2)]


class Refused(Message, frozen=True, kw_only=True):
    """The answer to a message (its code is ``about``) that was understood and not granted.

    ``error`` is an ErrorCode; numbers of later versions are to be expected.
    """

    code: ClassVar[int] = 4
    about: Annotated[U16, Key(0)]
    error: Annotated[U16, Key(2)]
    reason: Annotated[Reason, Key(4)]


class MemberEntry(Structure, frozen=True, kw_only=True):
    """One member as gossip carries it."""

    certificate: Annotated[Document, Key(0)]
    addresses: Annotated[Document | None, Key(1)] = None


class Members(Message, frozen=True, kw_only=True):
    """Members the sender knows and, by its digest, the receiver does not."""

    code: ClassVar[int] = 5
    entries: Annotated[
        Annotated[tuple[MemberEntry, ...], Meta(max_length=MAX_MEMBER_ENTRIES)], Key(0)
    ]

    @classmethod
    def batches(cls, entries: Iterable[MemberEntry]) -> Iterator[Members]:
        """Distribute entries over as few messages as their count and size allow, in order."""
        batch: list[MemberEntry] = []
        room = MAX_MESSAGE_BYTES - 8
        for entry in entries:
            size = len(pack(entry.to_map()))
            if batch and (size > room or len(batch) == MAX_MEMBER_ENTRIES):
                yield cls(entries=tuple(batch))
                batch, room = [], MAX_MESSAGE_BYTES - 8
            batch.append(entry)
            room -= size
        if batch:
            yield cls(entries=tuple(batch))


class Digest(Message, frozen=True, kw_only=True):
    """Which members the sender knows: node ID and sequence of its newest address record."""

    code: ClassVar[int] = 6
    members: Annotated[
        Annotated[tuple[tuple[Hash, U63], ...], Meta(max_length=MAX_DIGEST_ENTRIES)], Key(0)
    ]


class RunOffer(Message, frozen=True, kw_only=True):
    """A coordinator asks a member to take part in a run."""

    code: ClassVar[int] = 10
    config: Annotated[Statement, Key(0)]


class RoundStart(Message, frozen=True, kw_only=True):
    """A round begins: train on the model of this hash and answer with Update."""

    code: ClassVar[int] = 11
    run: Annotated[RunId, Key(0)]
    round: Annotated[U32, Key(2)]
    model: Annotated[Hash, Key(4)]
    model_bytes: Annotated[U63, Key(6)]
    previous: Annotated[Hash, Key(8)]
    seconds_left: Annotated[Seconds, Key(10)]


class Update(Message, frozen=True, kw_only=True):
    """A trainer's signed update; the coordinator fetches the blob it names."""

    code: ClassVar[int] = 12
    statement: Annotated[Statement, Key(0)]


class UpdateReceipt(Message, frozen=True, kw_only=True):
    """What the coordinator made of an update."""

    code: ClassVar[int] = 13
    run: Annotated[RunId, Key(0)]
    round: Annotated[U32, Key(2)]
    update: Annotated[Hash, Key(4)]
    accepted: Annotated[bool, Key(6)]
    reason: Annotated[Reason, Key(8)]


class Evaluate(Message, frozen=True, kw_only=True):
    """The coordinator asks for scores of a new model on the member's held-out data."""

    code: ClassVar[int] = 14
    run: Annotated[RunId, Key(0)]
    round: Annotated[U32, Key(2)]
    model: Annotated[Hash, Key(4)]
    model_bytes: Annotated[U63, Key(6)]


class Evaluation(Message, frozen=True, kw_only=True):
    """The answer to Evaluate."""

    code: ClassVar[int] = 15
    run: Annotated[RunId, Key(0)]
    round: Annotated[U32, Key(2)]
    model: Annotated[Hash, Key(4)]
    accuracy: Annotated[Fraction, Key(6)]
    loss: Annotated[NonNegative, Key(8)]
    samples: Annotated[U32, Key(10)]


class RoundRecordMessage(Message, frozen=True, kw_only=True):
    """A signed round record, new or asked for."""

    code: ClassVar[int] = 16
    statement: Annotated[Statement, Key(0)]


class RunEnd(Message, frozen=True, kw_only=True):
    """The coordinator ended the run; ``state`` is a RunState."""

    code: ClassVar[int] = 17
    run: Annotated[RunId, Key(0)]
    state: Annotated[Annotated[int, Meta(ge=1, le=3)], Key(2)]
    reason: Annotated[Reason, Key(4)]


class TrainingFailed(Message, frozen=True, kw_only=True):
    """A trainer cannot deliver in this round."""

    code: ClassVar[int] = 18
    run: Annotated[RunId, Key(0)]
    round: Annotated[U32, Key(2)]
    reason: Annotated[Reason, Key(4)]


class RunSync(Message, frozen=True, kw_only=True):
    """Asks for the records of a run from ``next_round`` on, as RoundRecordMessages."""

    code: ClassVar[int] = 19
    run: Annotated[RunId, Key(0)]
    next_round: Annotated[U32, Key(2)]


MESSAGES: Final[dict[int, type[Message]]] = {
    message.code: message
    for message in (
        *(Hello, Join, Welcome, Refused, Members, Digest),
        *(RunOffer, RoundStart, Update, UpdateReceipt, Evaluate, Evaluation),
        *(RoundRecordMessage, RunEnd, TrainingFailed, RunSync),
    )
}


def decode_message(data: bytes | memoryview) -> Message | None:
    """Return the message in ``u16 code ‖ map``, or None for an unknown odd code: ignore it.

    Raises EncodingError for an unknown even code and for anything irregular in the map.
    """
    if len(data) < CODE_BYTES:
        raise EncodingError(f"a message of {len(data)} bytes has no code")
    code = int.from_bytes(data[:CODE_BYTES], "big")
    message = MESSAGES.get(code)
    if message is not None:
        return message.from_bytes(data[CODE_BYTES:], max_bytes=MAX_MESSAGE_BYTES)
    if code % 2 == 0:
        raise EncodingError(f"unknown even message code {code} must be understood")
    return None
