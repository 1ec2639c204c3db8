"""M1 of a caller who knows federation and node ID (sections 5.1 to 5.3)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from qrfld.conformance.door import Invited, Shaken, answered, retried
from qrfld.conformance.initiation import RETRY, Initiation, mac1, other_suite, sealed_size
from qrfld.conformance.verdict import Case, expect
from qrfld.crypto.identity import NodeId

#: u-coordinates of points of small order on Curve25519 (RFC 7748, section 6.1): any private key
#: makes 32 zero bytes of them.
SMALL_ORDER: Final = {
    "0": bytes(32),
    "1": (1).to_bytes(32, "little"),
    "p": (2**255 - 19).to_bytes(32, "little"),
    "p-1": (2**255 - 20).to_bytes(32, "little"),
}
AES, CHACHA = 0x0100, 0x0200

Change = Callable[[Initiation], bytes]


def _refused(change: Change) -> Callable[[Invited], Awaitable[None]]:
    """A case: the changed M1 is answered by the end of the connection."""

    async def run(node: Invited) -> None:
        initiation = node.initiation()
        async with node.wire() as wire:
            await wire.send(change(initiation))
            await wire.closed_silently()

    return run


def _field(**changes: object) -> Change:
    return lambda initiation: initiation.first(replace(initiation.m1, **changes))  # type: ignore[arg-type]  # named by the cases


def _unusable(**changes: bytes) -> Callable[[Invited], Awaitable[None]]:
    """A case: a key share that is none, shown with a cookie if one is asked for first."""

    async def run(node: Invited) -> None:
        initiation = node.initiation()
        m1 = replace(initiation.m1, **changes)  # type: ignore[arg-type]  # named by the cases
        async with node.wire() as wire:
            await wire.send(initiation.first(m1))
            if await wire.peek(2) == RETRY:
                await wire.take(2, "RETRY")
                await wire.send(initiation.first(await retried(wire, m1)))
            await wire.closed_silently()

    return run


def _flipped(at: int) -> Change:
    """One bit of a genuine M1 changed under its old mac1."""

    def change(initiation: Initiation) -> bytes:
        m1 = bytearray(initiation.first())
        m1[at] ^= 1
        return bytes(m1)

    return change


def _mac_for(federation: bool) -> Change:
    def change(initiation: Initiation) -> bytes:
        body = initiation.m1.body()
        other_federation = bytes(32) if federation else initiation.federation
        other_node = initiation.responder if federation else NodeId(os.urandom(32))
        return body + mac1(other_federation, other_node, body)

    return change


def _other_suite(initiation: Initiation) -> bytes:
    """An M1 of the other suite, of the right length."""
    other = other_suite(initiation.suite.id)
    size = {1: 1184, 2: 1568}[other]
    key = bytes(size)  # every coefficient zero: a valid key
    return initiation.first(replace(initiation.m1, offers=(AES | other,), kem_key=key))


async def _key_beyond_q(node: Invited) -> None:
    """A KEM key whose first two coefficients are 4,095; q is 3,329."""
    await _unusable(kem_key=b"\xff\xff\xff" + node.initiation().m1.kem_key[3:])(node)


async def _answers(node: Invited) -> None:
    async with node.shaken():
        pass


def _chooses(
    offers: tuple[int, ...], choices: tuple[int, ...]
) -> Callable[[Invited], Awaitable[None]]:
    """A case: among these AEADs one of ``choices`` is taken. Both are without the suite."""

    async def run(node: Invited) -> None:
        initiation = node.initiation()
        suite = initiation.suite.id
        m1 = replace(initiation.m1, offers=tuple(offer | suite for offer in offers))
        async with node.wire() as wire:
            agreed = await node.knock(wire, initiation, m1)
        taken = agreed.wire_id & 0xFF00
        expect(taken in choices, f"it chose AEAD {taken >> 8}")

    return run


async def _unasked_cookie(node: Invited) -> None:
    initiation = node.initiation()
    async with node.wire() as wire:
        await node.knock(wire, initiation, replace(initiation.m1, cookie=os.urandom(40)))


async def _byte_by_byte(node: Invited) -> None:
    initiation = node.initiation()
    m1 = initiation.first()
    async with node.wire() as wire:
        await wire.trickle(m1)
        if await wire.peek(2) == RETRY:
            await wire.take(2, "RETRY")
            m1 = initiation.first(await retried(wire, initiation.m1))
            await wire.trickle(m1)
        agreed = initiation.agree(m1, await wire.take(node.m2_size, "M2"))
        identity = node.somebody()
        shown = agreed.honest(identity)
        await wire.trickle(agreed.m3(shown), 7)
        await Shaken(wire, initiation, identity, agreed).opened(shown).control.alive()


async def _together(node: Invited) -> None:
    """M3 and the first two records in one segment."""
    async with node.shaken() as shaken:
        shown = shaken.agreed.honest(shaken.identity)
        control = shaken.opened(shown).control
        ping = b"\x02" + bytes(8)
        await shaken.wire.send(
            shaken.agreed.m3(shown) + control.sealed(ping) + control.sealed(ping)
        )
        await control.alive()


async def _too_much(node: Invited) -> None:
    """What follows M1 at once belongs to M3, or to the M1 that brings the cookie."""
    initiation, more = node.initiation(), 100
    m1 = initiation.first()
    async with node.wire() as wire:
        await wire.send(m1 + m1[:more])
        if await wire.peek(2) == RETRY:
            await wire.take(2, "RETRY")
            m1 = initiation.first(await retried(wire, initiation.m1))
            await wire.send(m1[more:])
            initiation.agree(m1, await wire.take(node.m2_size, "M2"))
            return
        initiation.agree(m1, await wire.take(node.m2_size, "M2"))
        await wire.send(os.urandom(sealed_size(initiation.suite) - more))
        await wire.closed_silently()


async def _fresh(node: Invited) -> None:
    initiation = node.initiation()
    headers = []
    for _ in range(2):
        async with node.wire() as wire:
            _, m2 = await answered(wire, initiation, initiation.m1)
            headers.append(m2)
    one, other = headers
    key = 34 + initiation.suite.kem_sizes.ciphertext
    expect(one[2:34] != other[2:34], "two connections had the same random in M2")
    expect(one[key : key + 32] != other[key : key + 32], "two connections had the same X25519 key")
    expect(one[34:key] != other[34:key], "two connections had the same KEM ciphertext")


def _case(name: str, rule: str, change: Change, section: str = "5.2") -> Case[Invited]:
    return Case(name, section, rule, _refused(change))


_UNKNOWN: Final = tuple(number << 8 for number in range(3, 10))

CASES: Final[list[Case[Invited]]] = [
    Case("m2", "5.5", "answers M1 with an M2 that proves its identity", _answers),
    Case("m2-fresh", "5.1", "makes new keys and randoms for each connection", _fresh),
    Case("m1-bytewise", "5.2", "reads messages in pieces of any size", _byte_by_byte),
    Case("m3-and-records", "5.5", "reads records that come together with M3", _together),
    Case("m1-and-more", "5.1", "does not take more than M1 for M1", _too_much),
    Case(
        "aead-first-chacha",
        "5.2",
        "takes ChaCha20 if that stands first",
        _chooses((CHACHA, AES), (CHACHA,)),
    ),
    Case(
        "aead-first-aes",
        "5.2",
        "takes one of the offered AEADs",
        _chooses((AES, CHACHA), (AES, CHACHA)),
    ),
    Case(
        "aead-only-aes", "5.2", "takes AES-GCM if that alone is offered", _chooses((AES,), (AES,))
    ),
    Case(
        "aead-only-chacha",
        "5.2",
        "takes ChaCha20 if that alone is offered",
        _chooses((CHACHA,), (CHACHA,)),
    ),
    Case(
        "aead-unknown-beside",
        "5.2",
        "ignores unknown AEADs beside a known one",
        _chooses((*_UNKNOWN, AES), (AES,)),
    ),
    Case("cookie-unasked", "5.3", "ignores a cookie that it did not ask for", _unasked_cookie),
    _case(
        "aead-unknown",
        "fails if it knows none of the AEADs",
        lambda i: i.first(replace(i.m1, offers=(0x0900 | i.suite.id,))),
    ),
    _case("flags", "fails if a flag is set", _field(flags=b"\x00\x00\x01")),
    _case("flags-first", "fails if the first flag is set", _field(flags=b"\x80\x00\x00")),
    _case("suite-other", "fails if the suite is not its own", _other_suite),
    _case("mac1-federation", "closes at a mac1 for another federation", _mac_for(federation=True)),
    _case("mac1-node", "closes at a mac1 for another node", _mac_for(federation=False)),
    _case("mac1-last-byte", "compares all 16 bytes of mac1", _flipped(-1)),
    _case("mac1-first-byte", "compares all 16 bytes of mac1", _flipped(-16)),
    _case("mac1-random", "has mac1 cover the random", _flipped(20)),
    _case("mac1-kem-key", "has mac1 cover the KEM key", _flipped(500)),
    _case("mac1-x25519-key", "has mac1 cover the X25519 key", _flipped(-20)),
    Case("kem-key", "3.1", "refuses a KEM key with a coefficient of q or more", _key_beyond_q),
    *(
        Case(
            f"x25519-{name}",
            "3.1",
            f"refuses the X25519 public key {name}, of small order",
            _unusable(dh_key=key),
        )
        for name, key in SMALL_ORDER.items()
    ),
]
