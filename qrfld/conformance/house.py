"""A federation of one node, made on the fly: what a client under test is invited to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, Self

from qrfld.conformance.membership import SOFTWARE
from qrfld.conformance.verdict import DeviationError, expect
from qrfld.crypto import addresses, certificates, genesis
from qrfld.crypto.errors import CryptoError
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.tokens import Token
from qrfld.protocol.messages import Hello, Join, Welcome

TOKEN_SECONDS: Final = 86_400
NAME: Final = "conformance"


@dataclass(frozen=True)
class House:
    """The founder, its federation and what it may say of others."""

    identity: Identity
    genesis: bytes = field(repr=False)
    federation: bytes
    certificate: bytes = field(repr=False)

    @classmethod
    def found(cls, suite_id: int) -> Self:
        """A fresh federation."""
        identity, now = Identity.generate(suite_id), int(time.time())
        founding = genesis.create(identity, NAME, now=now, suites=(suite_id,))
        federation = genesis.federation_id(founding)
        own = certificates.issue(identity, federation, identity, NAME, now=now)
        return cls(identity, founding, federation, own)

    def invite(self, address: str) -> Token:
        """A token for whoever calls at ``address``."""
        return Token.create(
            federation=self.federation,
            suite_id=self.identity.suite_id,
            issuer=self.identity.node_id,
            expires_at=int(time.time()) + TOKEN_SECONDS,
            addresses=[address],
        )

    def hello(self, address: str, certificate: bytes | None = None) -> Hello:
        """The founder's HELLO, saying where it is, or one with another certificate."""
        where = addresses.issue(self.identity, self.federation, 1, [address])
        return Hello(
            software=SOFTWARE, certificate=certificate or self.certificate, addresses=where
        )

    def certify(self, subject: PublicIdentity, name: str) -> bytes:
        """A certificate of this federation."""
        return certificates.issue(
            self.identity, self.federation, subject, name, now=int(time.time())
        )

    def welcome(self, subject: PublicIdentity, join: Join) -> Welcome:
        """The answer to a JOIN."""
        return Welcome(genesis=self.genesis, certificate=self.certify(subject, join.name))

    def check(self, hello: Hello, caller: PublicIdentity) -> None:
        """DeviationError unless ``hello`` is the caller's and of this federation."""
        founding = genesis.parse(self.genesis)
        if hello.certificate is None:
            raise DeviationError("its HELLO has no certificate")
        try:
            member = certificates.check(hello.certificate, founding, self.federation)
        except CryptoError as error:
            raise DeviationError(f"its certificate does not hold: {error.message}") from error
        expect(member.node_id == caller.node_id, "it showed somebody else's certificate")
