"""Order statistics of a column block, by a selection network.

A sorting network is a fixed list of comparators ``(i, j)``: put the smaller of two wires on i, the
larger on j. On wires that are whole rows a comparator is one ``np.minimum`` and one ``np.maximum``,
vectorised and free of branches. Rules want only some ranks, so the network (Batcher's merge
exchange, Knuth 5.2.2 M, which exists for every n) is pruned from its end: a comparator none of
whose results is wanted goes, one with a single wanted result becomes one operation.

The pruned network is compiled to operations on registers: 0..n-1 are the input rows, which are
never written, the rest are scratch, reused as soon as their value is dead. All results are values
of the input, so they are the same to the bit on every machine and for every order of the rows;
only the sign of a zero may depend on the order, and ``rules`` takes that away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation.blocks import BLOCK_COLUMNS, Vector


@dataclass(frozen=True)
class Selection:
    """A compiled network that finds the ranks ``low ≤ rank < high`` of n rows.

    ``steps`` are ``(take the larger?, register, register, destination)``; ``results`` are the
    registers that hold the ranks, in ascending order; ``scratch`` is the number of registers
    beyond the n inputs.
    """

    steps: tuple[tuple[bool, int, int, int], ...]
    results: tuple[int, ...]
    scratch: int

    def workspace(self) -> NDArray[np.float32]:
        """Scratch for `run`: shape (scratch, BLOCK_COLUMNS)."""
        return np.empty((self.scratch, BLOCK_COLUMNS), np.float32)

    def run(self, block: Sequence[Vector], workspace: NDArray[np.float32]) -> list[Vector]:
        """Return one array per wanted rank, ascending; they live in ``workspace`` or ``block``."""
        width = block[0].size
        registers = [*block, *workspace[:, :width]]
        for larger, left, right, target in self.steps:
            operation = np.maximum if larger else np.minimum
            operation(registers[left], registers[right], out=registers[target])
        return [registers[index] for index in self.results]


@lru_cache(maxsize=64)
def selection(n: int, low: int, high: int) -> Selection:
    """Compile the network for the ranks ``low ≤ rank < high`` (0 = smallest) of ``n`` rows."""
    wanted = set(range(low, high))
    kept: list[tuple[int, int, bool, bool]] = []
    for i, j in reversed(list(_merge_exchange(n))):
        if i in wanted or j in wanted:
            kept.append((i, j, i in wanted, j in wanted))
            wanted |= {i, j}
    allocator = _Registers(n)
    steps: list[tuple[bool, int, int, int]] = []
    for i, j, smaller, larger in reversed(kept):
        steps += allocator.comparator(i, j, smaller=smaller, larger=larger)
    return Selection(tuple(steps), tuple(allocator.wires[low:high]), allocator.scratch)


def _merge_exchange(n: int) -> Iterator[tuple[int, int]]:
    top = 1 << max(0, (n - 1).bit_length() - 1)
    p = top
    while p and n > 1:
        q, r, distance = top, 0, p
        while True:
            yield from ((i, i + distance) for i in range(n - distance) if i & p == r)
            if q == p:
                break
            distance, q, r = q - p, q >> 1, p
        p >>= 1


class _Registers:
    """Which register each wire is in, and which scratch registers are free."""

    def __init__(self, inputs: int) -> None:
        self.wires = list(range(inputs))
        self.scratch = 0
        self._inputs = inputs
        self._free: list[int] = []

    def comparator(
        self, i: int, j: int, *, smaller: bool, larger: bool
    ) -> Iterator[tuple[bool, int, int, int]]:
        left, right = self.wires[i], self.wires[j]
        if smaller and larger:
            # Both inputs are still read after the first result is written.
            self.wires[i] = self._take()
            yield False, left, right, self.wires[i]
            self._release(left, right)
            self.wires[j] = self._take()
            yield True, left, right, self.wires[j]
        else:
            self._release(left, right)
            wire = i if smaller else j
            self.wires[wire] = self._take()
            yield larger, left, right, self.wires[wire]

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        self.scratch += 1
        return self._inputs + self.scratch - 1

    def _release(self, *registers: int) -> None:
        self._free += [register for register in registers if register >= self._inputs]
