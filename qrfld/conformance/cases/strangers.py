"""Callers who know neither federation nor node ID: they must not hear a byte (sections 5.2, 7).

Each sends the bytes up to the first wrong one and no more, so that only an implementation that
looks at them as they come closes in time.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Final

from qrfld.conformance.door import Door
from qrfld.conformance.verdict import Case, DeviationError
from qrfld.conformance.wire import Wire

START: Final = b"QRFL\x01"
BULK_START: Final = b"QRFB\x01"
#: 5 s are recommended for a whole handshake; who doubles that has no bound worth the name.
HANDSHAKE_SECONDS: Final = 10.0

_SUITE_1: Final = 0x0101


def hears_nothing(*pieces: bytes) -> Callable[[Door], Awaitable[None]]:
    """A case: these bytes lead to the end of the connection, and to nothing else."""

    async def run(door: Door) -> None:
        async with door.wire() as wire:
            await wire.send(*pieces)
            await wire.closed_silently()

    return run


def _offers(*offers: int, count: int | None = None) -> bytes:
    listed = b"".join(offer.to_bytes(2) for offer in offers)
    return START + bytes(3) + (len(offers) if count is None else count).to_bytes(1) + listed


def _with_cookie_size(size: int) -> bytes:
    """M1 up to the cookie; its key shares are valid ones, so that nothing else is wrong."""
    shares = os.urandom(32) + bytes(1184) + os.urandom(32)
    return _offers(_SUITE_1) + shares + size.to_bytes(2)


async def _half_an_m1(door: Door) -> None:
    async with door.wire() as wire:
        await wire.send(_offers(_SUITE_1) + os.urandom(600))
        wire.finish()
        await wire.closed_silently()


async def _nothing(door: Door) -> None:
    async with door.wire() as wire:
        wire.prompt = HANDSHAKE_SECONDS
        await wire.closed_silently()


async def _waits_for_the_rest(door: Door) -> None:
    async with door.wire() as wire:
        await _silent_but_open(wire, b"Q", b"RF", b"L", b"\x01", bytes(3), b"\x01\x01")


async def _silent_but_open(wire: Wire, *pieces: bytes) -> None:
    for piece in pieces:
        await wire.send(piece)
        try:
            await wire.stays_open(0.05)
        except DeviationError as error:
            raise DeviationError(f"after {piece.hex()}, which is right: {error.message}") from error


def _case(name: str, rule: str, *pieces: bytes, section: str = "5.2") -> Case[Door]:
    return Case(name, section, rule, hears_nothing(*pieces))


CASES: Final[list[Case[Door]]] = [
    Case("start-in-pieces", "5.2", "waits for the rest of a first message", _waits_for_the_rest),
    _case("magic-first-byte", "closes at a first byte that no magic has", b"G"),
    _case("magic-last-byte", "closes at the fourth byte of a wrong magic", b"QRFX"),
    _case("version-0", "closes at version 0", b"QRFL\x00"),
    _case("version-2", "closes at a version that it does not know", b"QRFL\x02"),
    _case("bulk-version", "closes at another version of B1", b"QRFB\x02", section="7"),
    _case("offers-none", "closes when no suite is offered", _offers()),
    _case("offers-nine", "closes when more than 8 suites are announced", _offers(count=9)),
    _case("offers-255", "closes when 255 suites are announced", _offers(count=255)),
    _case("offers-two-suites", "closes at offers of two suites", _offers(_SUITE_1, 0x0102)),
    _case("offers-unknown-suite", "closes at offers of an unknown suite", _offers(0x01EE)),
    _case("offers-suite-0", "closes at offers of suite 0", _offers(0x0100)),
    _case("cookie-1", "closes at a cookie of 1 byte", _with_cookie_size(1)),
    _case("cookie-39", "closes at a cookie of 39 bytes", _with_cookie_size(39)),
    _case("cookie-41", "closes at a cookie of 41 bytes", _with_cookie_size(41)),
    _case("cookie-65535", "closes at a cookie of 65,535 bytes", _with_cookie_size(65_535)),
    _case(
        "mac1-of-a-stranger",
        "closes at an M1 whose mac1 is wrong",
        _with_cookie_size(0) + os.urandom(16),
    ),
    Case("m1-cut-short", "5.2", "says nothing when M1 ends early", _half_an_m1),
    _case(
        "b1-of-a-stranger",
        "closes at a B1 of no session",
        BULK_START + os.urandom(80),
        section="7",
    ),
    Case(
        "handshake-seconds",
        "5.1",
        "gives a handshake no more than 5 s",
        _nothing,
        required=False,
    ),
]
