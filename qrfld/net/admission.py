"""From a token to a certificate: the joiner's side and the issuer's side.

The joiner knows from the token who must answer (node ID), for which federation, and shows the
token's secret only inside a session with that node. The issuer redeems a token once: the database
decides, in one transaction, so that of many racing joins one succeeds; the same node asking again
gets the same certificate. Only validators of the genesis may issue.

Joins are answered one at a time. So the bounds hold that several could break together: the size of
the federation, and how many refused joins an address may have; tokens bound the accepted ones.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from qrfld.crypto import certificates, genesis
from qrfld.crypto.errors import CertificateError
from qrfld.crypto.identity import Identity, NodeId
from qrfld.crypto.tokens import Token, secret_hash
from qrfld.errors import IdentityError
from qrfld.net.dialer import connect
from qrfld.net.errors import (
    AdmissionError,
    NetError,
    PeerUnreachableError,
    RateLimitError,
)
from qrfld.net.limits import REFUSED_JOINS, RateLimiter, origin
from qrfld.net.members import Members
from qrfld.net.session import Session
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.messages import Hello, Join, Refused, Welcome
from qrfld.protocol.session import Endpoint
from qrfld.store.database import Database
from qrfld.store.errors import StoreError

log = logging.getLogger("qrfld.admission")

ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Admitted:
    """What a redeemed token brings: the genesis, our certificate, and who admitted us."""

    genesis: bytes
    certificate: bytes
    issuer: NodeId
    issuer_certificate: bytes
    issuer_addresses: bytes | None


class Issuer:
    """Redeems tokens on a validator's node."""

    def __init__(
        self, identity: Identity, genesis_bytes: bytes, members: Members, database: Database
    ) -> None:
        self._identity = identity
        self._genesis_bytes = genesis_bytes
        self._members = members
        self._database = database
        self._refused = RateLimiter(REFUSED_JOINS)
        self._one_at_a_time = asyncio.Lock()

    @property
    def may_issue(self) -> bool:
        """Whether this node is a validator of the federation."""
        return self._identity.node_id in self._members.genesis.validators

    async def answer(self, session: Session, join: Join) -> bool:
        """Answer one Join, and know the new member; False when it was refused."""
        async with self._one_at_a_time:
            answer = await self._decide(session, join)
        await session.send(answer)
        return isinstance(answer, Welcome)

    async def _decide(self, session: Session, join: Join) -> Welcome | Refused:
        address, now = origin(session.address), asyncio.get_running_loop().time()
        if not self._refused.left(address, now):
            return _refusal(ErrorCode.RATE_LIMITED, "too many refused joins from this address")
        try:
            certificate = await self._redeem(session, join)
        except IdentityError as error:
            self._refused.allow(address, now)
            log.warning("refused %s (%s): %s", session.node_id.short, session.address, error)
            return _refusal(ErrorCode.NOT_ADMITTED, error.message)
        except StoreError as error:
            log.error("cannot admit %s: %s", session.node_id.short, error)
            return _refusal(ErrorCode.NOT_ADMITTED, "this node cannot store admissions now")
        return Welcome(genesis=self._genesis_bytes, certificate=certificate)

    async def _redeem(self, session: Session, join: Join) -> bytes:
        if not self.may_issue:
            raise CertificateError("this node issues no admissions")
        now = self._members.clock()
        redemption = await self._database.redeem_token(
            join.token_id,
            secret_hash(join.secret),
            session.node_id,
            lambda: self._issue(session, join.name, now),
            now,
        )
        await self._members.learn(redemption.certificate, None, expected=session.node_id)
        return redemption.certificate

    def _issue(self, session: Session, name: str, now: float) -> bytes:
        members = self._members
        if members.get(session.node_id) is None and members.full():
            raise CertificateError(f"the federation is full: {len(members)} members")
        return certificates.issue(
            self._identity, self._members.federation, session.identity, name, now=int(now)
        )


def _refusal(error: ErrorCode, reason: str) -> Refused:
    return Refused(about=Join.code, error=error, reason=reason[:255])


async def redeem(token: Token, identity: Identity, name: str) -> Admitted:
    """Redeem a token at its issuer, trying its addresses in order.

    Raises PeerUnreachableError when none answers, AdmissionError with the issuer's reason, and
    CertificateError or GenesisError when the answer does not fit the token.
    """
    if not token.addresses:
        raise PeerUnreachableError(
            "the token names no address of its issuer",
            hint="set node.advertise on the issuer's node and make a new token there",
        )
    endpoint = Endpoint(identity=identity, federation=token.federation, suites=(token.suite_id,))
    problems = []
    for address in token.addresses:
        try:
            session = await connect(endpoint, token.issuer_id, address)
        except PeerUnreachableError as error:
            problems.append(error.message)
            continue
        try:
            return await _ask(session, token, identity, name)
        finally:
            session.close(ErrorCode.NORMAL, "done")
            await asyncio.sleep(0)
    raise PeerUnreachableError(
        f"the token's issuer did not answer: {'; '.join(problems)}",
        hint="is its daemon running and the address reachable from here?",
    )


async def _ask(session: Session, token: Token, identity: Identity, name: str) -> Admitted:
    await session.send(Join(token_id=token.token_id, secret=token.secret, name=name))
    hello: Hello | None = None
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            while (event := await session.messages.get()) is not None:
                match event.message:
                    case Hello():
                        hello = event.message
                    case Welcome() as welcome if hello is not None:
                        return _checked(token, identity, welcome, hello)
                    case Refused(error=ErrorCode.RATE_LIMITED, reason=reason):
                        raise RateLimitError(
                            f"the issuer refused to look at the token: {reason}",
                            hint="try again in a minute",
                        )
                    case Refused(reason=reason):
                        raise AdmissionError(
                            f"the token was refused: {reason}",
                            hint="ask for a new one: qrfl token create",
                        )
                    case other:
                        raise NetError(f"{session.address} answered with {type(other).__name__}")
    except TimeoutError:
        raise NetError(f"{session.address} did not answer the join") from None
    raise NetError(f"{session.address} closed the session: {session.error}")


def _checked(token: Token, identity: Identity, welcome: Welcome, hello: Hello) -> Admitted:
    if genesis.federation_id(welcome.genesis) != token.federation:
        raise AdmissionError("the issuer answered with another federation's genesis")
    if hello.certificate is None:
        raise AdmissionError("the issuer shows no certificate")
    founding = genesis.parse(welcome.genesis)
    for certificate, node in (
        (welcome.certificate, identity.node_id),
        (hello.certificate, token.issuer_id),
    ):
        member = certificates.check(certificate, founding, token.federation)
        if member.node_id != node:
            raise AdmissionError(f"the issuer showed a certificate of {member.node_id.short}")
    return Admitted(
        welcome.genesis,
        welcome.certificate,
        token.issuer_id,
        hello.certificate,
        hello.addresses,
    )
