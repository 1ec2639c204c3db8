"""The aggregation rules: which there are, what each withstands, and how to call them.

A name is a rule, or pre-aggregations and a rule joined by ``+``: ``nnm+trimmed-mean``. The rows and
weights are found by a `decide`, the result by a `mix` (see `decision`). A rule of another package
is found by the entry point ``qrfld.rules``, which names a `Rule`.

Order of rows: the caller sorts them (by node ID), which fixes summation order and breaks ties of
distance rules; who sent first has no influence. Column rules do not depend on it at all.

These rules bound what f malicious rows can do; they do not undo it. Small, coordinated deviations
(ALIE, slow drift, label flips) stay inside the bound and still cost accuracy.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import entry_points

import numpy as np

from qrfld.aggregation import centres, selecting, trusting
from qrfld.aggregation.blocks import Row, Updates, Vector, as_rows
from qrfld.aggregation.decision import Choice, Decision, mix
from qrfld.aggregation.errors import RuleBoundError, RuleError, WeightError
from qrfld.aggregation.preaggregation import PRE_AGGREGATIONS, PreAggregation
from qrfld.aggregation.view import View

ENTRY_POINTS = "qrfld.rules"
_MAX_TOTAL_WEIGHT = 2**53  # the integers that float64 holds exactly


@dataclass(frozen=True)
class Rule:
    """A rule and its bound: it withstands f malicious rows among ``n ≥ per_fault · f + least``.

    ``decide`` finds the rows and weights from a `View`. ``per_fault`` is None for a rule that
    withstands none. ``weighted`` tells whether it takes sample counts, ``parameters`` its own
    parameters with their defaults, ``reference`` whether it needs or takes a reference row.
    ``cost`` counts work per column, ``source`` names the paper, ``before`` what comes first.
    """

    name: str
    decide: Callable[[View], Choice]
    per_fault: int | None
    least: int
    cost: str
    source: str
    weighted: bool = False
    reference: bool = False
    parameters: Mapping[str, float] = field(default_factory=dict)
    before: tuple[PreAggregation, ...] = ()

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

    @property
    def accepts(self) -> dict[str, float]:
        """All parameters, those of ``before`` included, with their defaults."""
        accepted = dict(self.parameters)
        for entry in self.before:
            accepted |= entry.parameters
        return accepted


def rules() -> tuple[Rule, ...]:
    """All rules, plainest first, without those of other packages."""
    return tuple(_RULES.values())


def pre_aggregations() -> tuple[PreAggregation, ...]:
    """All pre-aggregations."""
    return tuple(PRE_AGGREGATIONS.values())


def rule(name: str) -> Rule:
    """Return the rule called ``name``; raises RuleError that names the nearest one."""
    *before, last = name.split("+")
    found = _RULES.get(last) or _foreign(last)
    if found is None:
        raise _unknown("aggregation rule", last, list(_RULES))
    for part in before:
        if part not in PRE_AGGREGATIONS:
            raise _unknown("pre-aggregation", part, list(PRE_AGGREGATIONS))
    if not before:
        return found
    stages = tuple(PRE_AGGREGATIONS[part] for part in before)
    return replace(found, name=name, before=stages, weighted=False, reference=False)


def _unknown(what: str, name: str, there_are: list[str]) -> RuleError:
    near = difflib.get_close_matches(name, there_are, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(there_are)}"
    return RuleError(f"unknown {what} {name!r}", hint=hint)


@cache
def _foreign(name: str) -> Rule | None:
    """The rule ``name`` of another package; raises RuleError for one that is no `Rule`."""
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        try:
            loaded = entry.load()
        except Exception as error:  # whatever another package raises while it is imported
            raise RuleError(f"rule {name!r} ({entry.value}) does not load: {error}") from error
        if not isinstance(loaded, Rule) or loaded.name != name:
            raise RuleError(f"rule {name!r} ({entry.value}) is not a Rule of that name")
        return loaded
    return None


def decide(
    name: str,
    updates: Updates,
    *,
    f: int,
    weights: Sequence[int] | None = None,
    rng: np.random.Generator | None = None,
    reference: Row | None = None,
    **params: float,
) -> Decision:
    """First half of a rule: the rows of ``updates`` that count, and their weights.

    Arguments and errors as for `aggregate`.
    """
    return decide_with(
        rule(name), updates, f=f, weights=weights, rng=rng, reference=reference, **params
    )


def decide_with(
    chosen: Rule,
    updates: Updates,
    *,
    f: int,
    weights: Sequence[int] | None = None,
    rng: np.random.Generator | None = None,
    reference: Row | None = None,
    **params: float,
) -> Decision:
    """`decide` by a rule that need not be registered."""
    rows = as_rows(updates)
    chosen.check(len(rows), f)
    if reference is not None and not chosen.reference:
        raise RuleError(f"rule {chosen.name!r} takes no reference row", hint="leave it out")
    accepted = chosen.accepts
    if unknown := sorted(params.keys() - accepted.keys()):
        raise RuleError(f"rule {chosen.name!r} takes no parameter {unknown[0]!r}")
    view = View(
        rows=_with_reference(rows, reference),
        f=f,
        weights=_weights(chosen, len(rows), weights),
        parameters=accepted | params,
        rng=rng,
        has_reference=reference is not None,
    )
    for entry in chosen.before:
        view = view.after(entry.decide(view))
    chosen.check(view.n, f)
    return Decision(chosen.name, f, view.stages, chosen.decide(view))


def aggregate(
    name: str,
    updates: Updates,
    *,
    f: int,
    weights: Sequence[int] | None = None,
    rng: np.random.Generator | None = None,
    reference: Row | None = None,
    **params: float,
) -> Vector:
    """Combine ``updates`` by the rule ``name``, which withstands ``f`` malicious rows among them.

    ``updates``: an (n, d) array or n arrays of shape (d,), float16/32/64, never modified.
    ``weights``: n non-negative integers (sample counts), for rules that take them.
    ``rng``: the random source of rules that draw. ``reference``: a row of shape (d,), for rules
    that take one. ``params``: a rule's own parameters; an unknown one raises RuleError.
    Returns shape (d,), float32, without negative zeros from ties.
    Raises RuleError, RuleBoundError, UpdateShapeError, NonFiniteUpdateError, WeightError.
    """
    decision = decide(name, updates, f=f, weights=weights, rng=rng, reference=reference, **params)
    return mix(_with_reference(list(updates), reference), decision)


def _with_reference(rows: list[Row], reference: Row | None) -> list[Row]:
    return rows if reference is None else as_rows([*rows, reference])


def _weights(chosen: Rule, n: int, weights: Sequence[int] | None) -> tuple[int, ...]:
    if weights is None:
        return (1,) * n
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
    return tuple(checked)


def _mean(view: View) -> Choice:
    return Choice.weighted(view.weights, float(sum(view.weights)))


def _median(view: View) -> Choice:
    return Choice.column(range(view.n), "median")


def _trimmed_mean(view: View) -> Choice:
    return Choice.column(range(view.n), "trimmed-mean", view.f)


def _meamed(view: View) -> Choice:
    return Choice.column(range(view.n), "meamed", view.f)


_CLIPPING = {"steps": 1.0, "tau": 0.0}
_RULES = {
    entry.name: entry
    for entry in (
        Rule("mean", _mean, None, 1, "n", "McMahan et al. 2017", weighted=True),
        Rule("median", _median, 2, 1, "n log² n", "Yin et al. 2018"),
        Rule("trimmed-mean", _trimmed_mean, 2, 1, "n log² n", "Yin et al. 2018"),
        Rule("meamed", _meamed, 2, 1, "n log² n + n·f", "Xie et al. 2018"),
        Rule("krum", selecting.krum, 2, 3, "n²", "Blanchard et al. 2017"),
        Rule("multi-krum", selecting.multi_krum, 2, 3, "n²", "Blanchard et al. 2017"),
        Rule("bulyan", selecting.bulyan, 4, 3, "n² + n·f", "El Mhamdi et al. 2018"),
        Rule("mda", selecting.mda, 2, 1, "n², then at most 2^f", "El Mhamdi et al. 2021"),
        Rule(
            "monna", selecting.monna, 2, 1, "n²", "Farhadkhani et al. 2023", parameters={"pivot": 0}
        ),
        Rule(
            "geometric-median",
            centres.geometric_median,
            *(2, 1, "n²", "Pillutla et al. 2022"),
            weighted=True,
        ),
        Rule(
            "centered-clipping",
            centres.centered_clipping,
            *(2, 1, "n²", "Karimireddy et al. 2021"),
            reference=True,
            parameters=_CLIPPING,
        ),
        Rule("caf", centres.caf, 2, 1, "n²", "Allouah et al. 2025"),
        Rule("flame", trusting.flame, 2, 1, "n²", "after Nguyen et al. 2022"),
        Rule("fltrust", trusting.fltrust, 1, 1, "n²", "Cao et al. 2021", reference=True),
        Rule("foolsgold", trusting.foolsgold, None, 1, "n²", "Fung et al. 2020"),
    )
}
