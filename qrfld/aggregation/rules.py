"""The aggregation rules: which there are, what each withstands, and how each combines rows.

A rule works in two halves. Its *decision* (`decide`) picks the rows that count and integer weights
for them; distances may be used here. Its *mix* (`mix`) computes the result from the decision by
elementwise IEEE operations in a fixed order, so the same decision over the same rows gives the
same bits on every machine, and a decision can be sent, checked and recorded.

Order of rows: the caller sorts them (by node ID), which fixes summation order and breaks ties of
distance rules; who sent first has no influence. The coordinate rules do not depend on it at all.

    rule          withstands f among   result
    mean          n ≥ 1, f = 0         weighted mean of all rows
    median        n ≥ 2f + 1           median of each column; mean of the middle two for even n
    trimmed-mean  n ≥ 2f + 1           mean of each column without its f lowest and f highest values
    multi-krum    n ≥ 2f + 3           mean of the n - f rows with the lowest Krum scores

These rules bound what f malicious rows can do; they do not undo it. Small, coordinated deviations
(ALIE, slow drift, label flips) stay inside the bound and still cost accuracy.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qrfld.aggregation.blocks import BLOCK_COLUMNS, Row, Updates, Vector, as_rows, blocks
from qrfld.aggregation.distances import Matrix, centred_gram, squared_distances
from qrfld.aggregation.errors import RuleBoundError, RuleError, WeightError
from qrfld.aggregation.order import selection

_MAX_TOTAL_WEIGHT = 2**53  # the integers that float64 holds exactly


@dataclass(frozen=True)
class Decision:
    """What a rule decided about n rows: indices of the rows that count, one weight for each."""

    rule: str
    f: int
    rows: tuple[int, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True)
class Rule:
    """A rule and its bound: it withstands f malicious rows among ``n ≥ per_fault · f + least``.

    ``per_fault`` is None for a rule that withstands none. ``weighted`` tells whether it takes
    weights, ``cost`` counts work per column, ``source`` names the paper.
    """

    name: str
    per_fault: int | None
    least: int
    weighted: bool
    cost: str
    source: str
    _select: Callable[[list[Row], int], Sequence[int]]
    _combine: Callable[[list[Row], Decision], Vector]

    @property
    def bound(self) -> str:
        """The bound as text, for messages and tables."""
        if self.per_fault is None:
            return f"f = 0, n ≥ {self.least}"
        return f"n ≥ {self.per_fault}·f + {self.least}"

    def largest_f(self, n: int) -> int:
        """The most malicious rows this rule withstands among ``n`` (0 when it withstands none)."""
        if self.per_fault is None or n < self.least:
            return 0
        return (n - self.least) // self.per_fault

    def check(self, n: int, f: int) -> None:
        """Raise RuleBoundError unless the rule withstands ``f`` malicious rows among ``n``."""
        if f < 0 or n < self.least or f > self.largest_f(n):
            raise RuleBoundError(
                f"{self.name} with n = {n} updates cannot withstand f = {f}: it needs {self.bound}",
                n=n,
                f=f,
                hint="lower f, take another rule or wait for more updates",
            )


def rules() -> tuple[Rule, ...]:
    """All rules, plainest first."""
    return tuple(_RULES.values())


def rule(name: str) -> Rule:
    """Return the rule called ``name``; raises RuleError that names the nearest one."""
    try:
        return _RULES[name]
    except KeyError:
        near = difflib.get_close_matches(name, _RULES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(_RULES)}"
        raise RuleError(f"unknown aggregation rule {name!r}", hint=hint) from None


def decide(
    name: str, updates: Updates, *, f: int, weights: Sequence[int] | None = None
) -> Decision:
    """First half of a rule: the rows of ``updates`` that count and their weights.

    The median and the trimmed mean judge each column by itself, so their decision holds every row.
    Raises RuleError, RuleBoundError, UpdateShapeError, NonFiniteUpdateError, WeightError.
    """
    chosen = rule(name)
    rows = as_rows(updates)
    chosen.check(len(rows), f)
    selected = tuple(chosen._select(rows, f))
    return Decision(name, f, selected, _weights(chosen, len(rows), weights, selected))


def mix(updates: Updates, decision: Decision) -> Vector:
    """Second half: combine the rows as ``decision`` says. Returns shape (d,), float32.

    Raises UpdateShapeError, NonFiniteUpdateError (its ``row`` counts within the decision's rows),
    RuleError for a decision that does not fit.
    """
    rows = as_rows(updates)
    if not decision.rows or max(decision.rows) >= len(rows) or min(decision.rows) < 0:
        raise RuleError(f"decision over rows {decision.rows} does not fit {len(rows)} updates")
    return rule(decision.rule)._combine([rows[index] for index in decision.rows], decision)


def aggregate(
    name: str,
    updates: Updates,
    *,
    f: int,
    weights: Sequence[int] | None = None,
    rng: np.random.Generator | None = None,
    **params: float,
) -> Vector:
    """Combine ``updates`` by the rule ``name``, which withstands ``f`` malicious rows among them.

    ``updates``: an (n, d) array or n arrays of shape (d,), float16/32/64, never modified.
    ``weights``: n non-negative integers (sample counts), for rules that take them.
    ``rng``: the random source of rules that draw; ``params``: a rule's own parameters. No rule
    here draws or has any: an unknown parameter raises RuleError.
    Returns shape (d,), float32, without negative zeros from ties.
    Raises RuleError, RuleBoundError, UpdateShapeError, NonFiniteUpdateError, WeightError.
    """
    if params:
        raise RuleError(f"rule {name!r} takes no parameter {min(params)!r}")
    return mix(updates, decide(name, updates, f=f, weights=weights))


def _weights(
    chosen: Rule, n: int, weights: Sequence[int] | None, selected: Sequence[int]
) -> tuple[int, ...]:
    if weights is None:
        return (1,) * len(selected)
    if not chosen.weighted:
        raise WeightError(f"rule {chosen.name!r} takes no weights", hint="leave them out")
    try:
        checked = [operator.index(weight) for weight in weights]
    except TypeError:
        raise WeightError(f"weights are not integers: {weights!r}") from None
    if len(checked) != n or min(checked) < 0 or not 0 < sum(checked) <= _MAX_TOTAL_WEIGHT:
        raise WeightError(
            f"{n} updates have weights {checked}",
            hint="give one non-negative integer a row, not all zero, at most 2^53 in total",
        )
    return tuple(checked[index] for index in selected)


def _every_row(rows: list[Row], f: int) -> Sequence[int]:
    return range(len(rows))


def _lowest_krum_scores(rows: list[Row], f: int) -> Sequence[int]:
    scores = krum_scores(centred_gram(rows), f)
    return sorted(int(index) for index in np.argsort(scores, kind="stable")[: len(rows) - f])


def krum_scores(gram: Matrix, f: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Krum score of each row: the sum of its n - f - 2 smallest squared distances to others.

    The number of neighbours is that of Blanchard et al. (2017) and Flower; ByzFL takes one more.
    """
    n = len(gram)
    others = np.sort(squared_distances(gram) + np.diag(np.full(n, np.inf)), axis=1)
    scores: np.ndarray[tuple[int], np.dtype[np.float64]] = others[:, : n - f - 2].sum(axis=1)
    return scores


def _weighted_mean(rows: list[Row], decision: Decision) -> Vector:
    result = np.empty(rows[0].size, np.float32)
    total = float(sum(decision.weights))
    accumulator, term = np.empty(BLOCK_COLUMNS), np.empty(BLOCK_COLUMNS)
    for span, block in blocks(rows):
        sums, product = accumulator[: block[0].size], term[: block[0].size]
        sums.fill(0.0)
        for part, weight in zip(block, decision.weights, strict=True):
            # float64 throughout: a float32 sum of large values could overflow.
            if weight == 1:
                sums += part
            else:
                sums += np.multiply(part, float(weight), out=product, dtype=np.float64)
        np.divide(sums, total, out=result[span], casting="same_kind")
    return result


def _median(rows: list[Row], decision: Decision) -> Vector:
    n = len(rows)
    return _mean_of_ranks(rows, (n - 1) // 2, n // 2 + 1)


def _trimmed_mean(rows: list[Row], decision: Decision) -> Vector:
    return _mean_of_ranks(rows, decision.f, len(rows) - decision.f)


def _mean_of_ranks(rows: list[Row], low: int, high: int) -> Vector:
    """Mean of the ranks ``low ≤ rank < high`` of each column, added from the smallest up."""
    result = np.empty(rows[0].size, np.float32)
    network = selection(len(rows), low, high)
    workspace, accumulator = network.workspace(), np.empty(BLOCK_COLUMNS)
    for span, block in blocks(rows):
        sums = accumulator[: block[0].size]
        sums.fill(0.0)  # 0.0 + -0.0 is 0.0: no sign of zero survives
        for ranked in network.run(block, workspace):
            sums += ranked
        np.divide(sums, high - low, out=result[span], casting="same_kind")
    return result


_RULES = {
    entry.name: entry
    for entry in (
        Rule("mean", None, 1, True, "n", "McMahan et al. 2017", _every_row, _weighted_mean),
        Rule("median", 2, 1, False, "n log² n", "Yin et al. 2018", _every_row, _median),
        Rule("trimmed-mean", 2, 1, False, "n log² n", "Yin et al. 2018", _every_row, _trimmed_mean),
        Rule(
            "multi-krum",
            2,
            3,
            False,
            "n²",
            "Blanchard et al. 2017",
            _lowest_krum_scores,
            _weighted_mean,
        ),
    )
}
