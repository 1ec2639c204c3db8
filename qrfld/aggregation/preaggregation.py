"""Pre-aggregations: what is done to the rows before a rule sees them.

Each decides on a `Stage` from a `View`. They compose with every rule, by name: ``nnm+median``,
``arc+nnm+trimmed-mean``; the leftmost acts first.

    clip       rows longer than ``clip_norm`` are shortened to it
    arc        adaptive robust clipping (Allouah et al. 2024): the ⌊2f(n - f)/n⌋ longest rows are
               shortened to the length of the longest row that remains
    bucketing  rows are shuffled and averaged in buckets of ``bucket_size`` (Karimireddy et al.
               2022); ⌈n / bucket_size⌉ rows come out, of which f may still be malicious
    nnm        each row becomes the mean of its n - f nearest rows, itself included (Allouah et al.
               2023); of rows equally near the first count
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from qrfld.aggregation.errors import RuleError
from qrfld.aggregation.gram import Coefficients
from qrfld.aggregation.stages import Average, Scale, Stage
from qrfld.aggregation.view import View


@dataclass(frozen=True)
class PreAggregation:
    """A named decision on a stage; ``parameters`` are its own, with their defaults."""

    name: str
    what: str
    source: str
    decide: Callable[[View], Stage]
    parameters: Mapping[str, float] = field(default_factory=dict)


def shortened(norms: Coefficients, longest: float) -> Scale:
    """The stage that shortens rows of these lengths to at most ``longest``."""
    return Scale(tuple(longest / norm if norm > longest else 1.0 for norm in norms.tolist()))


def _clip(view: View) -> Stage:
    longest = view.parameters["clip_norm"]
    if not 0 < longest < np.inf:
        raise RuleError(f"clip_norm {longest:g} is not a positive number", hint="give clip_norm=")
    return shortened(view.norms, longest)


def _arc(view: View) -> Stage:
    clipped = 2 * view.f * (view.n - view.f) // view.n
    return shortened(view.norms, float(np.sort(view.norms)[view.n - clipped - 1]))


def _bucketing(view: View) -> Stage:
    size = int(view.parameters["bucket_size"]) or max(1, (view.n - 1) // (2 * view.f or view.n))
    if size < 1 or size != (view.parameters["bucket_size"] or size):
        raise RuleError(f"bucket_size {view.parameters['bucket_size']:g} is not a positive integer")
    order = view.need_rng("bucketing").permutation(view.n).tolist()
    buckets = (order[start : start + size] for start in range(0, view.n, size))
    return Average(tuple(tuple(sorted(bucket)) for bucket in buckets))


def _nnm(view: View) -> Stage:
    squares = view.squared_distances.copy()
    np.fill_diagonal(squares, -1.0)  # a row is nearest to itself, whatever equals it
    nearest = np.argsort(squares, axis=1, kind="stable")[:, : view.n - view.f]
    return Average(tuple(tuple(sorted(group)) for group in nearest.tolist()))


PRE_AGGREGATIONS = {
    entry.name: entry
    for entry in (
        PreAggregation(
            "clip",
            "shortens those longer than `clip_norm`",
            "Sun et al. 2019",
            _clip,
            {"clip_norm": 0.0},
        ),
        PreAggregation(
            "arc", "shortens the ⌊2f(n - f)/n⌋ longest to the next", "Allouah et al. 2024", _arc
        ),
        PreAggregation(
            "bucketing",
            "averages random buckets of `bucket_size`",
            "Karimireddy et al. 2022",
            _bucketing,
            {"bucket_size": 0},
        ),
        PreAggregation(
            "nnm", "replaces each by the mean of its n - f nearest", "Allouah et al. 2023", _nnm
        ),
    )
}
