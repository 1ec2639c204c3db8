"""An input read as a script: numbers, pieces of bytes, changes to a message, places to cut.

Every input is a script. Where it ends early, numbers are zero and pieces empty; so a mutation
anywhere changes little elsewhere, which is what lets a coverage-guided fuzzer climb.
"""

from __future__ import annotations

MAX_CHANGES = 4


class Script:
    """Reads an input from its beginning; ``more`` until it is used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)

    def number(self, size: int = 1) -> int:
        """The next ``size`` bytes, big-endian."""
        return int.from_bytes(self.take(size).ljust(size, b"\0"))

    def below(self, bound: int, size: int = 1) -> int:
        """A number from 0 to ``bound - 1``."""
        return self.number(size) % bound

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, or what is left."""
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def piece(self) -> bytes:
        """Bytes behind a length of two bytes."""
        return self.take(self.number(2))

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._at)

    def changed(self, message: bytes) -> bytes:
        """``message`` with up to four changes, or none: bits flipped, cut, grown, overwritten."""
        data = bytearray(message)
        for _ in range(self.below(MAX_CHANGES + 1)):
            at = self.below(len(data) + 1, 2)
            match self.below(5):
                case 0 if at < len(data):
                    data[at] ^= self.number() or 1
                case 1:
                    del data[at:]
                case 2:
                    data[at:at] = self.piece()
                case 3:
                    piece = self.piece()
                    data[at : at + len(piece)] = piece
                case _:
                    del data[at : at + self.number()]
        return bytes(data)

    def cut(self, data: bytes) -> list[bytes]:
        """``data`` in up to four pieces, cut anywhere."""
        places = sorted(self.below(len(data) + 1, 3) for _ in range(self.below(4)))
        ends = [*places, len(data)]
        return [data[start:end] for start, end in zip([0, *places], ends, strict=True)]
