"""The tester's own membership: one join token makes it a member, and a folder keeps it one.

A rerun with the same folder needs no token. What lies there (the identity's seed, its certificate,
the token that was redeemed) opens the federation that is tested to whoever has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from qrfld.conformance.door import Invited, Stranger
from qrfld.conformance.verdict import DeviationError, TargetError, expect
from qrfld.crypto import certificates, genesis
from qrfld.crypto.errors import CryptoError
from qrfld.crypto.files import read_private, write_private
from qrfld.crypto.genesis import Genesis
from qrfld.crypto.identity import Identity, NodeId
from qrfld.crypto.tokens import TEXT_MAX_LENGTH, Token
from qrfld.protocol.frames import Close, MessageFrame
from qrfld.protocol.messages import Hello, Join, Message, Refused, Welcome, decode_message

NAME: Final = "conformance tester"
SOFTWARE: Final = "qrfl conformance"
_SEED: Final = "identity.seed"
_INVITATION: Final = "invitation"
_GENESIS: Final = "genesis"
_CERTIFICATE: Final = "certificate"
_DOCUMENT_MAX: Final = 16_384


@dataclass(frozen=True)
class Membership:
    """Who the tester is to the node under test. ``token`` is the one it has redeemed."""

    identity: Identity
    token: Token = field(repr=False)
    genesis: bytes = field(repr=False)
    certificate: bytes = field(repr=False)

    @property
    def node(self) -> NodeId:
        """The node under test: it issued the token."""
        return self.token.issuer_id

    @property
    def federation(self) -> bytes:
        """The federation's ID."""
        return self.token.federation

    @property
    def founding(self) -> Genesis:
        """The federation's genesis."""
        return genesis.parse(self.genesis)

    def hello(self) -> Hello:
        """The tester's first message."""
        return Hello(software=SOFTWARE, certificate=self.certificate)

    def check(self, hello: Hello) -> None:
        """DeviationError unless ``hello`` holds the certificate of the node under test."""
        if hello.certificate is None:
            raise DeviationError("it shows no certificate in a session of a full handshake")
        if hello.certificate is None:
            raise DeviationError("its HELLO has no certificate")
        try:
            member = certificates.check(hello.certificate, self.founding, self.federation)
        except CryptoError as error:
            raise DeviationError(f"its certificate does not hold: {error.message}") from error
        expect(member.node_id == self.node, f"it showed the certificate of {member.node_id.short}")

    def save(self, folder: Path) -> None:
        """Keep it in an empty folder; KeystoreError if that cannot be."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in (
            (_SEED, self.identity.seed),
            (_INVITATION, self.token.text().encode()),
            (_GENESIS, self.genesis),
            (_CERTIFICATE, self.certificate),
        ):
            write_private(folder / name, data)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """What a folder keeps, None if it keeps nothing; KeystoreError, TokenError."""
        if not (folder / _CERTIFICATE).exists():
            return None
        text = read_private(folder / _INVITATION, max_bytes=TEXT_MAX_LENGTH)
        token = Token.parse(text.decode("ascii", "replace"))
        seed = read_private(folder / _SEED, max_bytes=64)
        return cls(
            Identity.from_seed(token.suite_id, seed),
            token,
            read_private(folder / _GENESIS, max_bytes=_DOCUMENT_MAX),
            read_private(folder / _CERTIFICATE, max_bytes=_DOCUMENT_MAX),
        )


async def redeem(node: Invited, token: Token, identity: Identity) -> Membership:
    """Join the federation; TargetError if the token is refused, DeviationError for a bad answer."""
    async with node.stranger(identity) as stranger:
        answer = await ask(stranger, join(token))
        await stranger.control.say(Close(0, "done"))
    if isinstance(answer, Refused):
        raise TargetError(
            f"the token was refused: {answer.reason!a}",
            hint="make a new one on the node under test: qrfl token create",
        )
    expect(genesis.federation_id(answer.genesis) == token.federation, "WELCOME has another genesis")
    membership = Membership(identity, token, answer.genesis, answer.certificate)
    try:
        member = certificates.check(answer.certificate, membership.founding, token.federation)
    except CryptoError as error:
        raise DeviationError(
            f"the certificate in WELCOME does not hold: {error.message}"
        ) from error
    expect(member.node_id == identity.node_id, "WELCOME holds somebody else's certificate")
    return membership


def join(token: Token) -> Join:
    """The JOIN of whoever holds a token."""
    return Join(token_id=token.token_id, secret=token.secret, name=NAME)


async def ask(stranger: Stranger, join: Join) -> Welcome | Refused:
    """Send JOIN and take the two answers that section 12 demands: HELLO, then the decision."""
    await stranger.control.tell(join)
    first, second = await _next(stranger), await _next(stranger)
    expect(isinstance(first, Hello), f"JOIN was answered by {type(first).__name__} before HELLO")
    if isinstance(second, Welcome | Refused):
        return second
    raise DeviationError(f"JOIN was answered by {type(second).__name__}")


async def _next(stranger: Stranger) -> Message | None:
    frame = await stranger.control.heard(MessageFrame)
    return decode_message(bytes(frame.body))
