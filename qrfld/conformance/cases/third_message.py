"""M3 wrong in every way (section 5.5): nothing is sent any more, and TCP ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from qrfld.conformance.door import Invited, Shaken, answered
from qrfld.conformance.initiation import other_suite, payload, seal
from qrfld.conformance.verdict import Case
from qrfld.crypto import labels

Lie = Callable[[Shaken], bytes]


def _refused(lie: Lie) -> Callable[[Invited], Awaitable[None]]:
    async def run(node: Invited) -> None:
        async with node.shaken() as shaken:
            await shaken.wire.send(lie(shaken))
            await shaken.wire.closed_silently()

    return run


def _flipped(at: int) -> Lie:
    def lie(shaken: Shaken) -> bytes:
        m3 = bytearray(shaken.agreed.m3(shaken.agreed.honest(shaken.identity)))
        m3[at] ^= 1
        return bytes(m3)

    return lie


def _patched(at: int, value: int) -> Lie:
    """The honest payload with one byte set, well sealed."""

    def lie(shaken: Shaken) -> bytes:
        shown = bytearray(shaken.agreed.honest(shaken.identity))
        shown[at] = value
        return shaken.agreed.m3(bytes(shown))

    return lie


def _other_suite(shaken: Shaken) -> bytes:
    shown = bytearray(shaken.agreed.honest(shaken.identity))
    shown[0] = other_suite(shaken.identity.suite_id)
    return shaken.agreed.m3(bytes(shown))


def _signing(data: Callable[[Shaken], bytes], context: bytes = labels.SIGN_INITIATOR) -> Lie:
    """A payload with a genuine signature over something else."""

    def lie(shaken: Shaken) -> bytes:
        signature = shaken.identity.sign(data(shaken), context)
        return shaken.agreed.m3(payload(shaken.identity, signature))

    return lie


def _honest_data(shaken: Shaken) -> bytes:
    return shaken.agreed.th2 + shaken.identity.node_id


def _stolen_key(shaken: Shaken) -> bytes:
    """The responder's public key above our signature."""
    signature = shaken.identity.sign(
        shaken.agreed.th2 + shaken.agreed.responder.node_id, labels.SIGN_INITIATOR
    )
    return shaken.agreed.m3(payload(shaken.agreed.responder, signature))


def _its_own_payload(shaken: Shaken) -> bytes:
    """What it sealed in M2, sealed again by us."""
    return shaken.agreed.m3(shaken.agreed.responder_payload)


def _its_key(shaken: Shaken) -> bytes:
    agreed = shaken.agreed
    chain = agreed.chain(labels.HANDSHAKE_RESPONDER)
    return seal(agreed.wire_id, chain, agreed.honest(shaken.identity), agreed.th2)


def _old_aad(shaken: Shaken) -> bytes:
    agreed = shaken.agreed
    chain = agreed.chain(labels.HANDSHAKE_INITIATOR)
    return seal(agreed.wire_id, chain, agreed.honest(shaken.identity), agreed.th1)


async def _replayed(node: Invited) -> None:
    """M1 and M3 of a session, on a second connection."""
    async with node.shaken() as first:
        m3 = first.agreed.m3(first.agreed.honest(first.identity))
        await first.wire.send(m3)
        async with node.wire() as wire:
            await answered(wire, first.initiation, first.initiation.m1)
            await wire.send(m3)
            await wire.closed_silently()


async def _cut_short(node: Invited) -> None:
    async with node.shaken() as shaken:
        m3 = shaken.agreed.m3(shaken.agreed.honest(shaken.identity))
        await shaken.wire.send(m3[:-1])
        shaken.wire.finish()
        await shaken.wire.closed_silently()


async def _opens(node: Invited) -> None:
    async with node.stranger() as stranger:
        await stranger.control.alive()


def _case(name: str, rule: str, lie: Lie) -> Case[Invited]:
    return Case(name, "5.5", rule, _refused(lie))


CASES: Final[list[Case[Invited]]] = [
    Case("m3", "5.5", "opens the session on a good M3", _opens),
    Case("m3-replayed", "18", "does not take an M3 of another handshake", _replayed),
    Case("m3-cut-short", "5.1", "says nothing when M3 ends early", _cut_short),
    _case("m3-first-byte", "opens M3 with its tag", _flipped(0)),
    _case("m3-middle-byte", "opens M3 with its tag", _flipped(2500)),
    _case("m3-last-byte", "opens M3 with its tag", _flipped(-1)),
    _case("m3-responder-key", "has a handshake key for each direction", _its_key),
    _case("m3-aad", "opens M3 with th2 as additional data", _old_aad),
    _case("m3-suite", "fails if the signer's suite is not the session's", _other_suite),
    _case("m3-suite-0", "fails if the signer's suite is unknown", _patched(0, 0)),
    _case("m3-extensions", "fails if the extensions are not empty", _patched(-1, 0x81)),
    _case("m3-extensions-null", "fails if the extensions are no map", _patched(-1, 0xC0)),
    _case("m3-signature", "verifies the signature", _patched(-100, 0x55)),
    _case("m3-public-key", "verifies the signature with the key shown", _stolen_key),
    _case("m3-reflected", "fails at its own identity", _its_own_payload),
    _case(
        "m3-context",
        "tells the signatures of the two roles apart",
        _signing(_honest_data, labels.SIGN_RESPONDER),
    ),
    _case(
        "m3-transcript",
        "wants a signature over th2",
        _signing(lambda s: s.agreed.th1 + s.identity.node_id),
    ),
    _case(
        "m3-name",
        "wants the signer's node ID signed",
        _signing(lambda s: s.agreed.th2 + s.agreed.responder.node_id),
    ),
]
