"""Invariant: however its bytes are cut, a reader gives the frames that were sealed, in order, up to
the first byte that was changed, dropped or added, or to the key's limit, and none after.

Input: a script of records (honest ones, and changed ones) and of the places where they are cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from fuzz.invariants import require, require_named
from fuzz.script import Script
from qrfld.protocol.errors import KeyLimitError, RecordError
from qrfld.protocol.keys import Chain
from qrfld.protocol.records import HEADER_SIZE, MAX_CONTROL_SEALED, Opener, RecordReader, Sealer

MAX_LEN = 512
_STEP = b"\x05"


def check(data: bytes) -> None:
    """See the module."""
    script = Script(data)
    chain = Chain((0x0101, 0x0201, 0x0102, 0x0202)[script.below(4)], bytes(64))
    limit = 2 + script.below(30)
    sent = _sent(script, Sealer(chain), limit)
    reader = RecordReader(Opener(chain, max_records=limit), MAX_CONTROL_SEALED)
    opened: list[bytes] = []
    failed = False
    for piece in script.cut(sent.stream):
        if failed:
            break
        failed = _read(reader, memoryview(piece), opened)
        held = len(reader._buffer)
        require(held <= HEADER_SIZE + MAX_CONTROL_SEALED, f"a reader holds {held} bytes")
    expected = sent.expected()
    require(opened == expected, f"{len(expected)} frames came out as {len(opened)}")
    honest = sent.stream == sent.truth and len(expected) == len(sent.frames)
    require(not (honest and failed), "an honest stream is read")
    require(not honest or not reader.mid_record, "nothing is left of an honest stream")


@dataclass
class _Sent:
    """What was sent, what honest bytes would have been, and each frame with its last byte's end.

    A frame beyond the key's limit has no end.
    """

    stream: bytes
    truth: bytes
    frames: list[tuple[bytes, int | None]]

    def expected(self) -> list[bytes]:
        """The frames that must come out."""
        pairs = enumerate(zip(self.stream, self.truth, strict=False))
        shorter = min(len(self.stream), len(self.truth))
        clean = next((at for at, (a, b) in pairs if a != b), shorter)
        whole = takewhile(lambda item: item[1] is not None and item[1] <= clean, self.frames)
        return [frame for frame, _ in whole]


def _sent(script: Script, sealer: Sealer, limit: int) -> _Sent:
    stream, truth = bytearray(), bytearray()
    frames: list[tuple[bytes, int | None]] = []
    under_key = 0
    while script.more and len(stream) < 100_000:
        choice = script.below(8)
        frame = _STEP if choice == 6 else (script.take(script.number()) or b"\0")
        if choice == 7:
            frame *= 200
        record = bytes(sealer.seal(frame))
        under_key += 1
        stream += script.changed(record) if choice == 5 else record
        truth += record
        frames.append((frame, len(truth) if under_key <= limit else None))
        if frame == _STEP:
            sealer.step()
            under_key = 0
    return _Sent(bytes(stream), bytes(truth), frames)


def _read(reader: RecordReader, data: memoryview, opened: list[bytes]) -> bool:
    """Read a piece; whether the reader refused it."""
    try:
        while len(data):
            frame, data = reader.take(data)
            if frame is not None:
                opened.append(frame)
                if frame == _STEP:
                    reader.opener.step()
    except (RecordError, KeyLimitError) as error:
        require_named(error)
        return True
    return False


def seeds() -> list[bytes]:
    """Honest records with a key update, cut; one that is changed; one key used too long."""
    return [
        b"\x00\x1d" + b"\x00\x03abc\x06\x00\x02de\x00\x01f",
        b"\x01\x1d" + b"\x05\x02ab\x01\x00\x09\x00\x10" + b"\x00\x02cd",
        b"\x02\x00" + b"\x00\x01a\x00\x01b\x00\x01c",
        b"\x03\x1d" + b"\x07\xff" + bytes(range(255)) + b"\x00\x01a",
    ]
