"""Column rules: how the rows that count become one, column by column.

Each takes a block of k rows and writes one row. All are elementwise operations in a fixed order, so
the same rows give the same bits on every machine.

    mean          sum of weight · row over the divisor
    median        middle value of each column; mean of the middle two for even k
    trimmed-mean  mean of each column without its ``cut`` lowest and ``cut`` highest values
    meamed        mean of the k - cut values of each column that are nearest to its median
                  (Xie et al. 2018, "mean around median"); of two equally near the smaller counts
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qrfld.aggregation.blocks import BLOCK_COLUMNS, Vector
from qrfld.aggregation.order import selection
from qrfld.aggregation.sums import Adder

Column = Literal["mean", "median", "trimmed-mean", "meamed"]
Mixer = Callable[[Sequence[Vector], Vector], None]


@dataclass(frozen=True)
class Combination:
    """A column rule over some rows: their ``weights`` and ``divisor`` (mean), its ``cut``."""

    column: Column
    weights: tuple[float, ...]
    divisor: float
    cut: int = 0

    def mixer(self) -> Mixer:
        """A function that writes the combination of a block's rows to its second argument."""
        rows = len(self.weights)
        match self.column:
            case "mean":
                adder = Adder()
                return lambda block, out: adder.mean(block, out, self.weights, self.divisor)
            case "median":
                return _mean_of_ranks(rows, (rows - 1) // 2, rows // 2 + 1)
            case "trimmed-mean":
                return _mean_of_ranks(rows, self.cut, rows - self.cut)
            case "meamed":
                return _mean_around_median(rows, self.cut)


def _mean_of_ranks(rows: int, low: int, high: int) -> Mixer:
    """Mean of the ranks ``low ≤ rank < high`` of each column, added from the smallest up."""
    network, adder = selection(rows, low, high), Adder()
    workspace = network.workspace()

    def mix(block: Sequence[Vector], out: Vector) -> None:
        adder.mean(network.run(block, workspace), out)

    return mix


def _mean_around_median(rows: int, cut: int) -> Mixer:
    """Of each sorted column, the mean of the rows - cut neighbours nearest to its median.

    They are a window of the sorted values, which moves up as long as the value that comes in is
    nearer to the median than the one that goes out.
    """
    network, adder = selection(rows, 0, rows), Adder()
    workspace = network.workspace()
    scratch = np.empty((4, BLOCK_COLUMNS), np.float32)
    nearer = np.empty(BLOCK_COLUMNS, np.bool_)

    def mix(block: Sequence[Vector], out: Vector) -> None:
        width = out.size
        middle, mean, above, below = (part[:width] for part in scratch)
        ranks = network.run(block, workspace)
        adder.mean(ranks[(rows - 1) // 2 : rows // 2 + 1], middle)
        adder.mean(ranks[: rows - cut], out)
        for first in range(1, cut + 1):
            last = first + rows - cut
            np.subtract(ranks[last - 1], middle, out=above)
            np.subtract(middle, ranks[first - 1], out=below)
            np.less(above, below, out=nearer[:width])
            adder.mean(ranks[first:last], mean)
            np.copyto(out, mean, where=nearer[:width])

    return mix
