"""A rule's two halves: its decision, and the mix that follows from it.

The *decision* says which rows count, with what weights and after which stages; distances, and so
BLAS, may be used to find it. The *mix* computes the result from it by elementwise IEEE operations
in a fixed order: one decision over the same rows gives the same bits on every machine, and a
decision can be sent, checked within a tolerance and recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from qrfld.aggregation.blocks import BLOCK_COLUMNS, Updates, Vector, as_rows, blocks
from qrfld.aggregation.columns import Column, Combination
from qrfld.aggregation.errors import RuleError
from qrfld.aggregation.gram import Coefficients
from qrfld.aggregation.stages import Stage


@dataclass(frozen=True)
class Choice:
    """Which rows, of those after the stages, are combined and how."""

    rows: tuple[int, ...]
    combination: Combination

    @classmethod
    def mean(cls, rows: Sequence[int]) -> Self:
        """The plain mean of some rows."""
        ones = (1.0,) * len(rows)
        return cls(tuple(rows), Combination("mean", ones, float(len(rows))))

    @classmethod
    def weighted(cls, weights: Coefficients | Sequence[float], divisor: float = 1.0) -> Self:
        """The sum of all rows times their weights, over ``divisor``; weight 0 leaves a row out.

        Raises RuleError unless a weight is not 0 and all are finite.
        """
        given = [float(weight) for weight in weights]
        rows = tuple(index for index, weight in enumerate(given) if weight)
        if not rows or not np.isfinite([*given, divisor]).all():
            raise RuleError(
                "the rule gives no row a weight",
                hint="the updates are all zero or all alien to the reference",
            )
        return cls(rows, Combination("mean", tuple(given[index] for index in rows), divisor))

    @classmethod
    def column(cls, rows: Sequence[int], rule: Column, cut: int = 0) -> Self:
        """A column rule over some rows."""
        ones = (1.0,) * len(rows)
        return cls(tuple(rows), Combination(rule, ones, float(len(rows)), cut))


@dataclass(frozen=True)
class Decision:
    """What ``rule`` decided about n rows that are to bear ``f`` malicious ones.

    ``rows`` count among what comes out of the last stage; with no stage, among the updates.
    """

    rule: str
    f: int
    stages: tuple[Stage, ...]
    choice: Choice

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows that count."""
        return self.choice.rows

    @property
    def weights(self) -> tuple[float, ...]:
        """One weight for each of them; 1 for column rules."""
        return self.choice.combination.weights


def mix(updates: Updates, decision: Decision) -> Vector:
    """Combine the rows as ``decision`` says. Returns shape (d,), float32.

    The rows are those that `decide` saw, a reference last. Raises UpdateShapeError,
    NonFiniteUpdateError, RuleError for a decision that does not fit the rows.
    """
    rows = as_rows(updates)
    _check(decision, len(rows))
    result = np.empty(rows[0].size, np.float32)
    mappers = [stage.mapper() for stage in decision.stages]
    combine = decision.choice.combination.mixer()
    for span, block in blocks(rows, BLOCK_COLUMNS):
        mapped = block
        for mapper in mappers:
            mapped = mapper(mapped)
        combine([mapped[index] for index in decision.rows], result[span])
    return result


def _check(decision: Decision, rows: int) -> None:
    """Raise RuleError unless every index of ``decision`` is one of a row."""
    fits = True
    for stage in decision.stages:
        fits, rows = fits and stage.fits(rows), stage.rows
    chosen = decision.rows
    if not (fits and chosen and len(chosen) == len(decision.weights)) or not all(
        0 <= index < rows for index in chosen
    ):
        raise RuleError(f"the decision over rows {chosen} does not fit the updates")
