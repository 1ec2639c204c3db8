"""The values that a handshake takes in and gives out, and the shape of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from qrfld.crypto import labels
from qrfld.crypto.aead import preferred_aead
from qrfld.crypto.identity import Identity, NodeId, PublicIdentity
from qrfld.crypto.parameters import Buffer
from qrfld.crypto.schedule import Source
from qrfld.crypto.suites import Aead
from qrfld.protocol.errors import HandshakeError, LocalProtocolError, RecordError
from qrfld.protocol.frames import Kind
from qrfld.protocol.keys import ChainPair, source, traffic_chains
from qrfld.protocol.records import HEADER_SIZE, MIN_SEALED, Opener, Sealer

FEDERATION_SIZE: Final = 32
SESSION_ID_SIZE: Final = 16
TICKET_SIZE: Final = 16


def _prefers_chacha() -> bool:
    return preferred_aead() is Aead.CHACHA20_POLY1305


@dataclass(frozen=True)
class Endpoint:
    """Who we are in which federation, and what we accept.

    ``suites``: the suite ids that the federation allows; our identity's must be among them, else
    LocalProtocolError. ``prefers_chacha`` is measured if it is not given.
    """

    identity: Identity
    federation: bytes
    suites: tuple[int, ...]
    prefers_chacha: bool = field(default_factory=_prefers_chacha)

    def __post_init__(self) -> None:
        if len(self.federation) != FEDERATION_SIZE:
            raise LocalProtocolError(f"a federation id has 32 bytes, not {len(self.federation)}")
        if self.identity.suite_id not in self.suites:
            raise LocalProtocolError(
                f"our identity is of suite {self.identity.suite_id}, "
                f"the federation allows {', '.join(map(str, self.suites))}"
            )


@dataclass(eq=False)
class BulkSecret:
    """What a session's bulk connection is joined with. ``suite`` is the wire number.

    ``initiator`` says whether we initiated the session: its initiator dials, the other accepts.
    ``secret`` is None once the connection has joined: whoever took it then could read the bulk
    connection from its beginning, whatever key updates have come since.
    """

    session_id: bytes
    suite: int
    initiator: bool
    secret: bytes | None = field(repr=False)

    def forget(self) -> None:
        """Give the secret up."""
        self.secret = None


@dataclass(frozen=True)
class TicketSecret:
    """A ticket as its session makes it: the 16 bytes that name it, and what proves it."""

    name: bytes
    secret: bytes = field(repr=False)


@dataclass(eq=False)
class TicketSecrets:
    """What the session can be resumed with: by us, and by the peer.

    ``secrets`` is None once a store has taken them: it knows when they end, a session does not.
    """

    secrets: tuple[TicketSecret, TicketSecret] | None = field(repr=False)

    def take(self) -> tuple[TicketSecret, TicketSecret]:
        """Give the two up; LocalProtocolError the second time."""
        if self.secrets is None:
            raise LocalProtocolError("the tickets of this session have been taken")
        taken, self.secrets = self.secrets, None
        return taken


@dataclass(frozen=True)
class Session:
    """What a handshake established. ``suite`` is the wire number, ``session_id`` 16 bytes.

    ``resumed_until`` is None after a full handshake; else the session was resumed without
    signatures, and the tickets that follow from the last full handshake end then (caller's clock).
    """

    peer: PublicIdentity
    suite: int
    session_id: bytes
    initiator: bool
    bulk: BulkSecret
    exporter_secret: bytes = field(repr=False)
    tickets: TicketSecrets
    resumed_until: float | None = None

    @property
    def resumed(self) -> bool:
        """Whether the peer proved a ticket instead of signing."""
        return self.resumed_until is not None

    @property
    def node_id(self) -> NodeId:
        """The peer's node ID."""
        return self.peer.node_id

    def exporter(self, label: bytes, size: int) -> bytes:
        """``size`` bytes that only the two peers know, for the use that ``label`` names.

        The label has at most 255 bytes.
        """
        return source(self.suite, self.exporter_secret).label(labels.EXPORTER, label, size)


@dataclass(frozen=True)
class Opened:
    """A finished handshake or join: who seals, who opens, and the session.

    ``session`` is None for a bulk connection, ``session_id`` names the one it belongs to.
    """

    sealer: Sealer
    opener: Opener
    initiator: bool
    session_id: bytes
    session: Session | None = None

    @classmethod
    def with_chains(cls, chains: ChainPair, origin: Session | BulkSecret) -> Self:
        """The opened connection of a session: its control one, or one joined with its secret."""
        initiator = origin.initiator
        return cls(
            sealer=Sealer(chains.sending(initiator=initiator)),
            opener=Opener(chains.receiving(initiator=initiator)),
            initiator=initiator,
            session_id=origin.session_id,
            session=origin if isinstance(origin, Session) else None,
        )

    def confirm(self, record: bytes, frame: bytes, refused: type[HandshakeError]) -> None:
        """Take the peer's first record, B3 or S3: it has to hold ``frame``, else ``refused``."""
        if int.from_bytes(record[:HEADER_SIZE]) != MIN_SEALED:
            raise refused("the first record is not a confirmation")
        try:
            got = self.opener.open(record[:HEADER_SIZE], record[HEADER_SIZE:])
        except RecordError as error:
            raise refused(f"the confirmation does not hold: {error.message}") from error
        if got != frame:
            raise refused(f"the first frame is 0x{got.hex()}, not a confirmation")


def open_session(
    wire_id: int,
    master: bytes,
    peer: PublicIdentity,
    *,
    initiator: bool,
    resumed_until: float | None = None,
) -> Opened:
    """The session whose keys all follow from ``master``, and its control connection."""
    keys = source(wire_id, master)
    session_id = keys.label(labels.SESSION_ID, length=SESSION_ID_SIZE)
    tickets = (
        _ticket(keys, labels.TICKET_INITIATOR, labels.TICKET_SECRET_INITIATOR),
        _ticket(keys, labels.TICKET_RESPONDER, labels.TICKET_SECRET_RESPONDER),
    )
    session = Session(
        peer=peer,
        suite=wire_id,
        session_id=session_id,
        initiator=initiator,
        bulk=BulkSecret(session_id, wire_id, initiator, keys.label(labels.BULK)),
        exporter_secret=keys.label(labels.EXPORTER),
        tickets=TicketSecrets(tickets if initiator else tickets[::-1]),
        resumed_until=resumed_until,
    )
    return Opened.with_chains(traffic_chains(wire_id, master), session)


def _ticket(keys: Source, name_label: bytes, secret_label: bytes) -> TicketSecret:
    return TicketSecret(keys.label(name_label, length=TICKET_SIZE), keys.label(secret_label))


@dataclass(frozen=True)
class Outcome:
    """A step's answer: bytes to send, and the result once there is one."""

    send: bytes = b""
    opened: Opened | None = None


class Step(Protocol):
    """One side of a handshake, fed with whole messages; used once."""

    @property
    def kind(self) -> Kind | None:
        """The kind of connection that this step opens, once it is known."""

    def needed(self, got: Buffer) -> int:
        """Length of the next message as far as ``got``, its beginning, tells."""

    def receive(self, message: bytes) -> Outcome:
        """Answer the next message."""
