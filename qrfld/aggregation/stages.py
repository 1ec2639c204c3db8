"""Stages before a rule: linear maps of the rows, decided first and applied block by block.

A pre-aggregation looks at the rows' inner products and decides on a stage; the stage then acts on
inner products (for what follows) and on blocks of the rows (for the result), without a copy of any
row. So pre-aggregations compose with each other and with every rule.

    Scale    each row times a factor of its own (clipping)
    Average  each new row is the mean of a group of old ones (bucketing, nearest-neighbour mixing)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation.blocks import BLOCK_COLUMNS, Vector
from qrfld.aggregation.gram import Matrix
from qrfld.aggregation.sums import Adder

Mapper = Callable[[Sequence[Vector]], list[Vector]]


@dataclass(frozen=True)
class Scale:
    """Row i times ``factors[i]``, each in [0, 1]."""

    factors: tuple[float, ...]

    @property
    def rows(self) -> int:
        """How many rows come out."""
        return len(self.factors)

    def fits(self, rows: int) -> bool:
        """Whether it was made for so many rows."""
        return len(self.factors) == rows

    def of_gram(self, products: Matrix) -> Matrix:
        """Inner products of the rows that come out."""
        factors = np.array(self.factors)
        result: Matrix = products * factors[:, None] * factors[None, :]
        return result

    def mapper(self) -> Mapper:
        """A function from a block's rows to those that come out, valid until its next call."""
        clipped = [index for index, factor in enumerate(self.factors) if factor != 1]
        scratch = np.empty((len(clipped), BLOCK_COLUMNS), np.float32)

        def scale(block: Sequence[Vector]) -> list[Vector]:
            result = list(block)
            for target, index in zip(scratch, clipped, strict=True):
                result[index] = target[: block[index].size]
                np.multiply(block[index], np.float32(self.factors[index]), out=result[index])
            return result

        return scale


@dataclass(frozen=True)
class Average:
    """New row k is the mean of the old rows ``groups[k]``, in ascending order."""

    groups: tuple[tuple[int, ...], ...]

    @property
    def rows(self) -> int:
        """How many rows come out."""
        return len(self.groups)

    def fits(self, rows: int) -> bool:
        """Whether it was made for so many rows."""
        return all(group and 0 <= min(group) <= max(group) < rows for group in self.groups)

    def of_gram(self, products: Matrix) -> Matrix:
        """Inner products of the rows that come out."""
        shares = np.zeros((len(self.groups), len(products)))
        for share, group in zip(shares, self.groups, strict=True):
            share[list(group)] = 1 / len(group)
        return shares @ products @ shares.T

    def mapper(self) -> Mapper:
        """A function from a block's rows to those that come out, valid until its next call.

        Equal groups, of which nearest-neighbour mixing makes many, are averaged once.
        """
        different = list(dict.fromkeys(self.groups))
        place = {group: index for index, group in enumerate(different)}
        scratch: NDArray[np.float32] = np.empty((len(different), BLOCK_COLUMNS), np.float32)
        adder = Adder()

        def average(block: Sequence[Vector]) -> list[Vector]:
            width = block[0].size
            for target, group in zip(scratch, different, strict=True):
                adder.mean([block[index] for index in group], target[:width])
            return [scratch[place[group], :width] for group in self.groups]

        return average


Stage = Scale | Average
