"""Records and keys (section 6), on both connections of a session and in both roles."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Final

from qrfld.conformance.speaker import Pair, Speaker
from qrfld.conformance.verdict import Case, expect
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.frames import KeyUpdate, Kind, Ping, Pong
from qrfld.protocol.records import HEADER_SIZE, MAX_BULK_SEALED, MAX_CONTROL_SEALED

Act = Callable[[Speaker], Awaitable[None]]
_KINDS: Final[tuple[Kind, ...]] = ("control", "bulk")
_TOKEN: Final = bytes(8)


def _most(kind: Kind) -> int:
    return MAX_CONTROL_SEALED if kind == "control" else MAX_BULK_SEALED


def _on(kind: Kind, act: Act) -> Callable[[Pair], Awaitable[None]]:
    async def run(pair: Pair) -> None:
        await act(pair.on(kind))

    return run


def _announcing(size: Callable[[Kind], int]) -> Act:
    """Only the four bytes of a length: it has to be judged before more is read."""

    async def act(speaker: Speaker) -> None:
        await speaker.wire.send(size(speaker.kind).to_bytes(HEADER_SIZE))
        await speaker.closes(ErrorCode.BAD_RECORD)

    return act


def _spoilt(spoil: Callable[[Speaker], bytes]) -> Act:
    """Bytes that are not the next record."""

    async def act(speaker: Speaker) -> None:
        await speaker.wire.send(spoil(speaker))
        await speaker.closes(ErrorCode.BAD_RECORD)

    return act


def _flipped(at: int) -> Callable[[Speaker], bytes]:
    def spoil(speaker: Speaker) -> bytes:
        record = bytearray(speaker.sealed(Ping(_TOKEN)))
        record[at] ^= 1
        return bytes(record)

    return spoil


def _garbage(speaker: Speaker) -> bytes:
    return (40).to_bytes(HEADER_SIZE) + os.urandom(40)


def _replayed(speaker: Speaker) -> bytes:
    return speaker.sealed(Ping(_TOKEN)) * 2


def _swapped(speaker: Speaker) -> bytes:
    first, second = speaker.sealed(Ping(_TOKEN)), speaker.sealed(Ping(_TOKEN))
    return second + first


def _dropped(speaker: Speaker) -> bytes:
    speaker.sealed(Ping(_TOKEN))
    return speaker.sealed(Ping(_TOKEN))


def _stepped(speaker: Speaker) -> bytes:
    speaker.sealer.step()
    return speaker.sealed(Ping(_TOKEN))


def _not_stepped(speaker: Speaker) -> bytes:
    return speaker.sealed(KeyUpdate()) + speaker.sealed(Ping(_TOKEN))


async def _reflected(speaker: Speaker) -> None:
    await speaker.alive()
    await speaker.wire.send(speaker.last_record)
    await speaker.closes(ErrorCode.BAD_RECORD)


async def _largest(speaker: Speaker) -> None:
    """As long as a record may be: it opens, and only its frame is too long."""
    frame = {"control": b"\x01", "bulk": b"\x11"}[speaker.kind]
    await speaker.say(frame + bytes(_most(speaker.kind) - 16 - len(frame)))
    await speaker.closes(ErrorCode.BAD_FRAME)


async def _bytewise(speaker: Speaker) -> None:
    await speaker.wire.trickle(speaker.sealed(Ping(_TOKEN)))
    await speaker.heard(Pong)
    await speaker.alive()


async def _together(speaker: Speaker) -> None:
    """Twenty pings in one piece: each is answered, in order (section 8)."""
    tokens = [number.to_bytes(8) for number in range(20)]
    await speaker.wire.send(b"".join(speaker.sealed(Ping(token)) for token in tokens))
    answers = [(await speaker.heard(Pong)).token for _ in tokens]
    expect(answers == tokens, "it answered PINGs out of order")


async def _key_updates(speaker: Speaker) -> None:
    for _ in range(3):
        await speaker.alive()
        await speaker.rekey()
        await speaker.rekey()
        await speaker.alive()


async def _cut_short(speaker: Speaker) -> None:
    await speaker.wire.send(speaker.sealed(Ping(_TOKEN))[:-1])
    speaker.wire.finish()
    await speaker.ends()


_ACTS: Final[list[tuple[str, str, str, Act]]] = [
    ("record-bytewise", "6", "reads a record in pieces of any size", _bytewise),
    ("record-many", "8", "answers PINGs in order, many in one piece too", _together),
    ("record-cut-short", "8", "ends when TCP ends inside a record", _cut_short),
    ("record-0", "6.1", "refuses a length of 0", _announcing(lambda _: 0)),
    ("record-16", "6.1", "refuses a length below 17", _announcing(lambda _: 16)),
    (
        "record-too-long",
        "6.1",
        "refuses a length above the limit unread",
        _announcing(lambda k: _most(k) + 1),
    ),
    ("record-4-GiB", "6.1", "refuses the longest length", _announcing(lambda _: 2**32 - 1)),
    ("record-longest", "6.1", "opens a record of the greatest length", _largest),
    ("record-garbage", "6.2", "refuses a record that was not sealed", _spoilt(_garbage)),
    ("record-first-byte", "6.2", "refuses a record with a changed byte", _spoilt(_flipped(4))),
    ("record-tag", "6.2", "compares the whole tag", _spoilt(_flipped(-1))),
    ("record-replayed", "6.2", "refuses a record that comes twice", _spoilt(_replayed)),
    ("record-swapped", "6.2", "refuses records out of order", _spoilt(_swapped)),
    ("record-dropped", "6.2", "refuses a record behind one that is missing", _spoilt(_dropped)),
    ("record-reflected", "18", "refuses its own record", _reflected),
    ("key-update", "6.3", "follows KEY_UPDATE", _key_updates),
    ("key-update-old-key", "6.3", "refuses the old key after KEY_UPDATE", _spoilt(_not_stepped)),
    ("key-update-unsaid", "6.3", "refuses the next key without KEY_UPDATE", _spoilt(_stepped)),
]

CASES: Final[list[Case[Pair]]] = [
    Case(name if kind == "control" else f"bulk-{name}", section, rule, _on(kind, act))
    for kind in _KINDS
    for name, section, rule, act in _ACTS
]
