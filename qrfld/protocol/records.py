"""Sealed records: u32 length ‖ AEAD(frame), with the four length bytes authenticated.

The nonce is the generation's IV XOR a counter that starts at zero and never travels, so a record
that is lost, doubled, moved or held back from the middle fails to open. A generation ends with a
KEY_UPDATE frame or before its limits; sender and receiver then step their chains alike.

A length is checked before a byte is allocated for it. A record that lies whole in the caller's
buffer is opened where it lies; only one that straddles two reads is gathered, into one buffer that
the reader keeps.
"""

from __future__ import annotations

from typing import Final

from qrfld.crypto.errors import AuthenticationError
from qrfld.crypto.parameters import AEAD_NONCE_SIZE, AEAD_TAG_SIZE, Buffer
from qrfld.protocol.errors import KeyLimitError, RecordError
from qrfld.protocol.keys import Chain

HEADER_SIZE: Final = 4
#: The smallest sealed text: a frame of one byte.
MIN_SEALED: Final = 1 + AEAD_TAG_SIZE
#: The largest sealed text on a control and on a bulk connection.
MAX_CONTROL_SEALED: Final = 64 * 1024 + 64
MAX_BULK_SEALED: Final = 1024 * 1024 + 64
#: How much one generation of a key may seal.
MAX_KEY_RECORDS: Final = 1 << 24
MAX_KEY_BYTES: Final = 1 << 36


class _Generation:
    """One chain's cipher and counters."""

    def __init__(self, chain: Chain, max_records: int, max_bytes: int) -> None:
        self._chain = chain
        self.max_records = max_records
        self.max_bytes = max_bytes
        self._start()

    def _start(self) -> None:
        self.cipher = self._chain.cipher()
        self._iv = int.from_bytes(self._chain.iv())
        self.records = 0
        self.bytes = 0

    def step(self) -> None:
        """Go to the next generation; the old key is gone."""
        self._chain = self._chain.next()
        self._start()

    def nonce(self) -> bytes:
        """The nonce of the next record."""
        return (self._iv ^ self.records).to_bytes(AEAD_NONCE_SIZE)

    def count(self, sealed: int) -> None:
        """One record of ``sealed`` bytes is done."""
        self.records += 1
        self.bytes += sealed


class Sealer:
    """Seals one direction's frames."""

    def __init__(
        self, chain: Chain, *, max_records: int = MAX_KEY_RECORDS, max_bytes: int = MAX_KEY_BYTES
    ) -> None:
        self._generation = _Generation(chain, max_records, max_bytes)

    def seal(self, frame: Buffer) -> bytearray:
        """The record of ``frame``, whole, in one buffer."""
        size = memoryview(frame).nbytes + AEAD_TAG_SIZE
        header = size.to_bytes(HEADER_SIZE)
        record = bytearray(HEADER_SIZE + size)
        record[:HEADER_SIZE] = header
        generation = self._generation
        with memoryview(record) as view:
            generation.cipher.seal_into(generation.nonce(), frame, header, view[HEADER_SIZE:])
        generation.count(size)
        return record

    def must_step(self, frame_size: int) -> bool:
        """Whether a KEY_UPDATE must go out before a frame of ``frame_size`` bytes."""
        generation = self._generation
        ahead = generation.bytes + frame_size + AEAD_TAG_SIZE + MIN_SEALED
        return generation.records + 2 > generation.max_records or ahead > generation.max_bytes

    def step(self) -> None:
        """Seal with the next generation from now on."""
        self._generation.step()


class Opener:
    """Opens one direction's records, in order."""

    def __init__(
        self, chain: Chain, *, max_records: int = MAX_KEY_RECORDS, max_bytes: int = MAX_KEY_BYTES
    ) -> None:
        self._generation = _Generation(chain, max_records, max_bytes)

    def open(self, header: Buffer, sealed: Buffer) -> bytes:
        """The frame in a record; RecordError unless it is the next one, KeyLimitError."""
        generation = self._generation
        size = memoryview(sealed).nbytes
        if generation.records >= generation.max_records or (
            generation.bytes + size > generation.max_bytes
        ):
            raise KeyLimitError(
                f"the peer sealed {generation.records} records and {generation.bytes} bytes "
                "under one key and goes on"
            )
        try:
            frame = generation.cipher.open(generation.nonce(), sealed, header)
        except AuthenticationError:
            raise RecordError(
                f"record {generation.records} of {size} bytes does not authenticate"
            ) from None
        generation.count(size)
        return frame

    def step(self) -> None:
        """Open with the next generation from now on."""
        self._generation.step()


class RecordReader:
    """Cuts a byte stream into records and opens them."""

    def __init__(self, opener: Opener, max_sealed: int) -> None:
        self.opener = opener
        self._max_sealed = max_sealed
        self._buffer = bytearray(HEADER_SIZE)
        self._filled = 0

    @property
    def mid_record(self) -> bool:
        """Whether part of a record waits for its rest."""
        return self._filled > 0

    def take(self, data: memoryview) -> tuple[bytes | None, memoryview]:
        """Return the next frame, None when more bytes are needed, and what is left of ``data``.

        RecordError when a length is out of bounds or a record does not authenticate.
        """
        if not self._filled and len(data) >= HEADER_SIZE:
            end = HEADER_SIZE + self._size(data)
            if len(data) >= end:
                return self.opener.open(data[:HEADER_SIZE], data[HEADER_SIZE:end]), data[end:]
        if self._filled < HEADER_SIZE:
            data = self._fill(HEADER_SIZE, data)
            if self._filled < HEADER_SIZE:
                return None, data
            self._reserve(HEADER_SIZE + self._size(self._buffer))
        end = HEADER_SIZE + self._size(self._buffer)
        data = self._fill(end, data)
        if self._filled < end:
            return None, data
        self._filled = 0
        with memoryview(self._buffer) as view:
            return self.opener.open(view[:HEADER_SIZE], view[HEADER_SIZE:end]), data

    def _size(self, record: Buffer) -> int:
        size = int.from_bytes(record[:HEADER_SIZE])
        if not MIN_SEALED <= size <= self._max_sealed:
            raise RecordError(
                f"a record of {size} bytes is announced, outside {MIN_SEALED} to {self._max_sealed}"
            )
        return size

    def _reserve(self, size: int) -> None:
        if len(self._buffer) < size:
            header = self._buffer[:HEADER_SIZE]
            self._buffer = bytearray(size)
            self._buffer[:HEADER_SIZE] = header

    def _fill(self, end: int, data: memoryview) -> memoryview:
        """Copy from ``data`` until ``end`` bytes are here; returns what is left of it."""
        count = min(end - self._filled, len(data))
        with memoryview(self._buffer) as view:
            view[self._filled : self._filled + count] = data[:count]
        self._filled += count
        return data[count:]
