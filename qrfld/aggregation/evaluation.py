"""The federation's figure of merit, from reports some of which may lie.

Each node evaluates the new model on its own held-out part and reports accuracy, loss and the number
of samples. A liar can claim any accuracy and any number of samples; so the f lowest and the f
highest reports are left out before the sample-weighted mean is taken. What remains lies between
two honest reports, whatever weights are claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qrfld.aggregation.errors import AggregationError


class Report(NamedTuple):
    """One node's scores: accuracy in 0..1, mean loss ≥ 0, number of held-out samples ≥ 1."""

    accuracy: float
    loss: float
    samples: int


def trimmed_accuracy(reports: Sequence[Report], f: int) -> float:
    """Sample-weighted mean accuracy without the ``f`` lowest and ``f`` highest reports.

    With fewer than 2f + 1 reports f is lowered to what leaves one or two of them. Raises
    AggregationError when there is no report.
    """
    return _trimmed([(report.accuracy, report.samples) for report in reports], f)


def trimmed_loss(reports: Sequence[Report], f: int) -> float:
    """Sample-weighted mean loss, trimmed as `trimmed_accuracy` (by loss)."""
    return _trimmed([(report.loss, report.samples) for report in reports], f)


def _trimmed(scores: list[tuple[float, int]], f: int) -> float:
    if not scores:
        raise AggregationError("no node reported an evaluation")
    cut = min(f, (len(scores) - 1) // 2)
    kept = sorted(scores)[cut : len(scores) - cut]
    total = sum(samples for _, samples in kept)
    return sum(value * samples for value, samples in kept) / total
