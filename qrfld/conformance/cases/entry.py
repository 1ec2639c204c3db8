"""Entering: HELLO, JOIN, who is admitted, and one session of two (sections 9.3, 12 and 14)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Final

from qrfld.conformance.door import Stranger
from qrfld.conformance.inside import Inside
from qrfld.conformance.membership import NAME, SOFTWARE, ask, join
from qrfld.conformance.verdict import Case, DeviationError, expect
from qrfld.crypto import addresses, certificates, genesis
from qrfld.crypto.errors import CryptoError
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.frames import Close, MessageFrame, Ping, Pong
from qrfld.protocol.messages import (
    Digest,
    Hello,
    Join,
    Members,
    Message,
    Refused,
    RunSync,
    Welcome,
)

Run = Callable[[Inside], Awaitable[None]]
Certificate = Callable[[Inside, Stranger], bytes]
#: For what the specification recommends to happen after 5 or 10 s.
PATIENCE: Final = 15.0
_DIGEST: Final = Digest(members=())
_SYNC: Final = RunSync(run=bytes(16), next_round=1)


def _before_hello(message: Message) -> Run:
    """A case: a message of somebody who has not said hello gets no answer."""

    async def run(node: Inside) -> None:
        async with node.stranger(node.identity) as stranger:
            control = stranger.control
            await control.tell(message)
            await control.say(Ping(bytes(8)))
            while not isinstance(frame := await control.hear(), Close | Pong | None):
                expect(not isinstance(frame, MessageFrame), "it answered before a HELLO")

    return run


async def _responder_waits(node: Inside) -> None:
    async with node.stranger(node.identity) as stranger:
        await stranger.control.alive()
        expect(not stranger.control.messages_so_far(), "it spoke before the initiator's HELLO")


async def _greets(node: Inside) -> None:
    async with node.greeted():
        pass


async def _serves(node: Inside) -> None:
    async with node.session() as pair:
        await pair.alive()


async def _members(node: Inside) -> None:
    """An empty DIGEST is answered by everybody, with certificates that hold."""
    async with node.session() as pair:
        await pair.control.tell(Digest(members=()))
        shown = (await pair.control.message(Members)).entries
    membership = node.membership
    try:
        nodes = {
            certificates.check(e.certificate, membership.founding, membership.federation).node_id
            for e in shown
        }
    except CryptoError as error:
        raise DeviationError(f"MEMBERS has a certificate that fails: {error.message}") from error
    expect(bool(nodes), "its MEMBERS is empty")


def _refused(certificate: Certificate) -> Run:
    """A case: a stranger's HELLO with this certificate is refused."""

    async def run(node: Inside) -> None:
        async with node.stranger() as stranger:
            shown = certificate(node, stranger)
            await stranger.control.tell(Hello(software=SOFTWARE, certificate=shown))
            await stranger.control.closes(ErrorCode.NOT_ADMITTED)

    return run


def _of_another_node(node: Inside, stranger: Stranger) -> bytes:
    return node.membership.certificate


def _of_another_federation(node: Inside, stranger: Stranger) -> bytes:
    """A genuine certificate, of a federation that the stranger founded."""
    founding = genesis.create(stranger.identity, "another", now=1, suites=(node.suite_id,))
    other = genesis.federation_id(founding)
    return certificates.issue(stranger.identity, other, stranger.identity, NAME, now=1)


def _self_issued(node: Inside, stranger: Stranger) -> bytes:
    """It names this federation, but no validator has signed it."""
    return certificates.issue(stranger.identity, node.federation, stranger.identity, NAME, now=1)


def _other_key(node: Inside, stranger: Stranger) -> bytes:
    """The tester's certificate with the stranger's key in the place of the tester's."""
    mine, its = node.identity.public_key, stranger.identity.public_key
    return node.membership.certificate.replace(mine, its)


def _other_kind(node: Inside, stranger: Stranger) -> bytes:
    return addresses.issue(stranger.identity, node.federation, 1, ["192.0.2.1:1"])


async def _own_spoilt(node: Inside) -> None:
    spoilt = bytearray(node.membership.certificate)
    spoilt[-1] ^= 1
    async with node.stranger(node.identity) as stranger:
        await stranger.control.tell(Hello(software=SOFTWARE, certificate=bytes(spoilt)))
        await stranger.control.closes(ErrorCode.NOT_ADMITTED)


def _extended(node: Inside, key: int) -> MessageFrame:
    """The tester's HELLO with null under one more key."""
    plain = node.membership.hello().encode()
    return MessageFrame(plain[:2] + b"\x83" + plain[3:] + key.to_bytes(1) + b"\xc0")


async def _key_odd(node: Inside) -> None:
    async with node.stranger(node.identity) as stranger:
        await stranger.control.say(_extended(node, 5))
        await stranger.control.message(Hello)


async def _key_even(node: Inside) -> None:
    async with node.stranger(node.identity) as stranger:
        await stranger.control.say(_extended(node, 4))
        await stranger.control.closes(ErrorCode.BAD_MESSAGE)


async def _without_certificate(node: Inside) -> None:
    """Only a resumed session may begin like this."""
    async with node.stranger(node.identity) as stranger:
        await stranger.control.tell(Hello(software=SOFTWARE))
        await stranger.control.closes(ErrorCode.NOT_ADMITTED)


async def _hello_twice(node: Inside) -> None:
    async with node.session() as pair:
        await pair.control.tell(node.membership.hello())
        await pair.alive()


async def _join_late(node: Inside) -> None:
    async with node.session() as pair:
        await pair.control.tell(join(node.membership.token))
        await pair.alive()
        codes = {int.from_bytes(body[:2]) for body in pair.control.messages_so_far()}
        expect(Welcome.code not in codes, "it admitted a member once more")


async def _join_again(node: Inside) -> None:
    async with node.stranger(node.identity) as stranger:
        answer = await ask(stranger, join(node.membership.token))
        if isinstance(answer, Refused):
            raise DeviationError(f"it refused the node that it has admitted: {answer.reason!a}")
        same = answer.certificate == node.membership.certificate
        expect(same, "the same token and node got another certificate")
        await stranger.control.say(Close(0, "done"))
        await stranger.control.ends()


def _join_refused(**wrong: bytes) -> Run:
    """A case: a JOIN of a stranger, with the token that the tester has spent."""

    async def run(node: Inside) -> None:
        spent = node.membership.token
        fields = {"token_id": spent.token_id, "secret": spent.secret, **wrong}
        async with node.stranger() as stranger:
            answer = await ask(stranger, Join(**fields, name=NAME))
        if isinstance(answer, Welcome):
            raise DeviationError("it admitted a node that has no good token")
        expect(answer.about == Join.code, f"its REFUSED is about message {answer.about}")

    return run


async def _duplicate(node: Inside) -> None:
    async with node.session() as older, node.session() as newer:
        await older.control.closes(ErrorCode.DUPLICATE_SESSION)
        await older.bulk.ends()
        await newer.alive()


async def _without_hello(node: Inside) -> None:
    async with node.stranger(node.identity) as stranger:
        stranger.control.wire.prompt = PATIENCE
        await stranger.control.closes(ErrorCode.NOT_ADMITTED)


async def _without_bulk(node: Inside) -> None:
    async with node.greeted() as stranger:
        stranger.control.wire.prompt = PATIENCE
        await stranger.control.closes(ErrorCode.NOT_ADMITTED)


async def _pings(node: Inside) -> None:
    async with node.session() as pair:
        await pair.control.heard(Ping)


async def _gives_up(node: Inside) -> None:
    """A peer that is connected and says nothing any more."""
    async with node.session() as pair:
        pair.control.wire.prompt = pair.bulk.wire.prompt = PATIENCE
        pair.control.mute = True
        await pair.control.ends()
        await pair.bulk.ends()


def _refusing(name: str, what: str, certificate: Certificate) -> Case[Inside]:
    return Case(f"hello-{name}", "12", f"refuses {what}", _refused(certificate))


CASES: Final[list[Case[Inside]]] = [
    Case("hello", "9.3", "answers a member's HELLO by its own", _greets),
    Case("session", "9.3", "opens a session and sends its DIGEST", _serves),
    Case("responder-waits", "9.3", "says nothing before the initiator's HELLO", _responder_waits),
    Case("digest", "12", "answers a DIGEST by the members it lacks", _members),
    Case("before-hello-digest", "12", "acts on no DIGEST before HELLO", _before_hello(_DIGEST)),
    Case("before-hello-sync", "12", "acts on no RUN_SYNC before HELLO", _before_hello(_SYNC)),
    _refusing("garbage", "a certificate that is none", lambda n, s: os.urandom(3000)),
    _refusing("of-another-node", "the certificate of another node", _of_another_node),
    _refusing("other-federation", "a certificate of another federation", _of_another_federation),
    _refusing("self-issued", "a certificate that no validator signed", _self_issued),
    _refusing("other-key", "a certificate with another key put in", _other_key),
    _refusing("other-kind", "another statement in a certificate's place", _other_kind),
    Case("hello-bare", "12", "refuses a HELLO without a certificate", _without_certificate),
    Case("hello-signature", "13", "verifies a certificate's signature", _own_spoilt),
    Case("hello-key-odd", "11.1", "ignores an unknown odd field of HELLO", _key_odd),
    Case("hello-key-even", "11.1", "refuses an unknown even field of HELLO", _key_even),
    Case("hello-twice", "12", "goes on after a second HELLO", _hello_twice),
    Case("join-late", "12", "goes on after a JOIN behind HELLO", _join_late),
    Case("join-again", "14", "gives the same node the same certificate again", _join_again),
    Case("join-spent", "14", "redeems a token once", _join_refused()),
    Case("join-secret", "14", "compares the token's secret", _join_refused(secret=bytes(32))),
    Case("join-unknown", "14", "refuses an unknown token", _join_refused(token_id=bytes(16))),
    Case("duplicate", "9.3", "keeps the newer of two sessions of a node", _duplicate),
    Case("no-hello", "9.3", "ends a session without HELLO", _without_hello, required=False),
    Case("no-bulk", "9.3", "ends a session without bulk", _without_bulk, required=False),
    Case("idle", "9.3", "pings when nothing came for 1 s", _pings, required=False),
    Case("silent", "9.3", "ends a session silent for 10 s", _gives_up, required=False),
]
