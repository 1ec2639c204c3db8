"""M1 as a client makes it, and the M2 and RETRY that it must not fall for (sections 5.1 to 5.5).

A client that is not content closes without another byte: M3 shows who it is, and only the node that
it dialled may learn that.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from qrfld.conformance.answer import Answer, answer, hear_m1
from qrfld.conformance.calls import Caller, Calls
from qrfld.conformance.cases.first_message import SMALL_ORDER
from qrfld.conformance.initiation import RETRY, other_suite, payload, seal
from qrfld.conformance.verdict import Case, InconclusiveError, expect
from qrfld.crypto import labels
from qrfld.crypto.identity import Identity

Run = Callable[[Calls], Awaitable[None]]


@dataclass(frozen=True)
class Scene:
    """What a lie is made of: the caller, the honest agreement and our identity."""

    caller: Caller
    agreed: Answer
    identity: Identity

    @property
    def honest(self) -> bytes:
        """The payload that belongs into M2."""
        return self.agreed.honest(self.identity)


Lie = Callable[[Scene], bytes]


def _refused(lie: Lie) -> Run:
    """A case: this M2 is answered by the end of the connection."""

    async def run(calls: Calls) -> None:
        async with calls.client():
            caller = await calls.call()
            scene = Scene(caller, calls.agree(caller), calls.house.identity)
            await caller.wire.send(lie(scene))
            await caller.wire.closed_silently()

    return run


def _flipped(at: int) -> Lie:
    """A genuine M2 with one bit changed."""

    def lie(scene: Scene) -> bytes:
        m2 = bytearray(scene.agreed.m2(scene.honest))
        m2[at] ^= 1
        return bytes(m2)

    return lie


def _patched(at: int, value: int) -> Lie:
    """A genuine payload with one byte set, well sealed."""

    def lie(scene: Scene) -> bytes:
        shown = bytearray(scene.honest)
        shown[at] = value
        return scene.agreed.m2(bytes(shown))

    return lie


def _other_suite(scene: Scene) -> bytes:
    shown = bytearray(scene.honest)
    shown[0] = other_suite(scene.identity.suite_id)
    return scene.agreed.m2(bytes(shown))


def _signing(data: Callable[[Scene], bytes], context: bytes = labels.SIGN_RESPONDER) -> Lie:
    def lie(scene: Scene) -> bytes:
        signature = scene.identity.sign(data(scene), context)
        return scene.agreed.m2(payload(scene.identity, signature))

    return lie


def _honest_data(scene: Scene) -> bytes:
    return scene.agreed.th1 + scene.identity.node_id


def _somebody_else(scene: Scene) -> bytes:
    """Another node that answers in our place, with a genuine proof of who it is."""
    return scene.agreed.m2(scene.agreed.honest(Identity.generate(scene.identity.suite_id)))


def _our_key_anothers_signature(scene: Scene) -> bytes:
    other = Identity.generate(scene.identity.suite_id)
    signature = other.sign(_honest_data(scene), labels.SIGN_RESPONDER)
    return scene.agreed.m2(payload(scene.identity, signature))


def _initiators_key(scene: Scene) -> bytes:
    agreed = scene.agreed
    chain = agreed.chain(labels.HANDSHAKE_INITIATOR)
    return agreed.header + seal(agreed.wire_id, chain, scene.honest, agreed.th1)


def _no_aad(scene: Scene) -> bytes:
    agreed = scene.agreed
    chain = agreed.chain(labels.HANDSHAKE_RESPONDER)
    return agreed.header + seal(agreed.wire_id, chain, scene.honest, b"")


def _small_order(key: bytes) -> Lie:
    def lie(scene: Scene) -> bytes:
        house = scene.agreed.parts[0]
        agreed = answer(scene.identity, house, scene.caller.m1, dh_key=key)
        return agreed.m2(agreed.honest(scene.identity))

    return lie


def _unoffered(wire_id: Callable[[int], int]) -> Lie:
    """Only the two bytes of the choice: they have to be judged at once."""
    return lambda scene: wire_id(scene.identity.suite_id).to_bytes(2)


async def _unoffered_aead(calls: Calls) -> None:
    """A known AEAD that was not offered, in an M2 that is right otherwise."""
    async with calls.client():
        caller = await calls.call()
        suite = calls.suite.id
        left = {0x0100 | suite, 0x0200 | suite} - set(caller.m1.offers)
        if not left:
            raise InconclusiveError("it offers both AEADs")
        await caller.wire.send(left.pop().to_bytes(2))
        await caller.wire.closed_silently()


async def _comes(calls: Calls) -> None:
    async with calls.client():
        await calls.welcome(await calls.call())


async def _fresh(calls: Calls) -> None:
    m1s = []
    for _ in range(2):
        async with calls.client():
            caller = await calls.call()
            m1s.append(caller.m1)
    one, other = m1s
    expect(one.random != other.random, "two M1s had the same random")
    expect(one.kem_key != other.kem_key, "two M1s had the same KEM key")
    expect(one.dh_key != other.dh_key, "two M1s had the same X25519 key")


async def _bytewise(calls: Calls) -> None:
    async with calls.client():
        caller = await calls.call()
        agreed = calls.agree(caller)
        shown = agreed.honest(calls.house.identity)
        await caller.wire.trickle(agreed.m2(shown), 5)
        await (await calls.finish(caller, agreed, shown)).control.alive()


async def _cut_short(calls: Calls) -> None:
    async with calls.client():
        caller = await calls.call()
        agreed = calls.agree(caller)
        await caller.wire.send(agreed.m2(agreed.honest(calls.house.identity))[:-1])
        caller.wire.finish()
        await caller.wire.closed_silently()


async def _reflected(calls: Calls) -> None:
    """The client's own public key, which it showed in an earlier call."""
    async with calls.client():
        guest = await calls.welcome(await calls.call())
    async with calls.client():
        caller = await calls.call()
        agreed = calls.agree(caller)
        size = calls.suite.signature_sizes.signature
        await caller.wire.send(agreed.m2(payload(guest.peer, os.urandom(size))))
        await caller.wire.closed_silently()


async def _replayed(calls: Calls) -> None:
    """The M2 of an earlier call."""
    async with calls.client():
        caller = await calls.call()
        agreed = calls.agree(caller)
        m2 = agreed.m2(agreed.honest(calls.house.identity))
    async with calls.client():
        caller = await calls.call()
        await caller.wire.send(m2)
        await caller.wire.closed_silently()


async def _retried(calls: Calls, caller: Caller) -> Caller:
    """Ask for a cookie and take the M1 that brings it."""
    cookie = os.urandom(40)
    await caller.wire.send(RETRY + len(cookie).to_bytes(2) + cookie)
    again = Caller(caller.wire, await hear_m1(caller.wire, calls.suite))
    expect(again.m1.cookie == cookie, "its second M1 does not bring the cookie")
    expect(again.m1.core == caller.m1.core, "its second M1 has another core")
    return again


async def _retry(calls: Calls) -> None:
    async with calls.client():
        guest = await calls.welcome(await _retried(calls, await calls.call()))
        await guest.control.alive()


async def _retry_twice(calls: Calls) -> None:
    async with calls.client():
        caller = await _retried(calls, await calls.call())
        await caller.wire.send(RETRY + (40).to_bytes(2) + os.urandom(40))
        await caller.wire.closed_silently()


def _retry_of(size: int) -> Run:
    """A case: a RETRY that announces a cookie of this size."""

    async def run(calls: Calls) -> None:
        async with calls.client():
            caller = await calls.call()
            await caller.wire.send(RETRY + size.to_bytes(2))
            await caller.wire.closed_silently()

    return run


def _case(name: str, rule: str, lie: Lie) -> Case[Calls]:
    return Case(name, "5.5", rule, _refused(lie))


CASES: Final[list[Case[Calls]]] = [
    Case("calls", "5.5", "sends a good M1 and M3", _comes),
    Case("m1-fresh", "5.1", "makes new keys and randoms for each connection", _fresh),
    Case("m2-bytewise", "5.1", "reads M2 in pieces of any size", _bytewise),
    Case("m2-cut-short", "5.1", "says nothing when M2 ends early", _cut_short),
    Case("m2-replayed", "18", "does not take the M2 of another handshake", _replayed),
    Case("m2-reflected", "5.5", "fails at its own identity", _reflected),
    Case("retry", "5.3", "answers RETRY by the same M1 with the cookie", _retry),
    Case("retry-twice", "5.3", "fails at a second RETRY", _retry_twice),
    Case("retry-0", "5.3", "fails at a cookie of no bytes", _retry_of(0)),
    Case("retry-39", "5.3", "fails at a cookie of 39 bytes", _retry_of(39)),
    Case("retry-65535", "5.3", "fails at a cookie of 65,535 bytes", _retry_of(65_535)),
    Case("m2-aead-known", "5.5", "fails at an AEAD that it did not offer", _unoffered_aead),
    _case("m2-aead-unknown", "fails at an unknown AEAD", _unoffered(lambda suite: 0x0900 | suite)),
    _case("m2-aead-0", "fails at AEAD 0", _unoffered(lambda suite: suite)),
    _case(
        "m2-other-suite",
        "fails at another suite",
        _unoffered(lambda suite: 0x0100 | other_suite(suite)),
    ),
    _case("m2-random", "notices a changed random", _flipped(10)),
    _case("m2-ciphertext", "notices a changed KEM ciphertext", _flipped(500)),
    _case("m2-sealed", "notices a changed payload", _flipped(3000)),
    _case("m2-tag", "opens M2 with its tag", _flipped(-1)),
    _case("m2-initiator-key", "has a handshake key for each direction", _initiators_key),
    _case("m2-aad", "opens M2 with th1 as additional data", _no_aad),
    _case("m2-suite", "fails if the signer's suite is not the session's", _other_suite),
    _case("m2-extensions", "fails if the extensions are not empty", _patched(-1, 0x81)),
    _case("m2-somebody-else", "fails if another node answers", _somebody_else),
    _case("m2-signature", "verifies the signature", _patched(-100, 0x55)),
    _case("m2-signature-key", "verifies it with the key shown", _our_key_anothers_signature),
    _case(
        "m2-context",
        "tells the signatures of the two roles apart",
        _signing(_honest_data, labels.SIGN_INITIATOR),
    ),
    _case("m2-transcript", "wants th1 signed", _signing(lambda s: bytes(48) + s.identity.node_id)),
    _case("m2-name", "wants the signer's node ID signed", _signing(lambda s: s.agreed.th1)),
    *(
        _case(f"m2-x25519-{name}", f"refuses the X25519 public key {name}", _small_order(key))
        for name, key in SMALL_ORDER.items()
    ),
]
