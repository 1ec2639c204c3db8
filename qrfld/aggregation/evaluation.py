"""The federation's figure of merit, from reports some of which may lie.

Each node evaluates the new model on its own held-out part and reports a score and the number of
samples behind it. A liar can claim any score and any number of samples; so the f lowest and the f
highest reports are left out before the sample-weighted mean is taken. What remains lies between
two honest scores, whatever weights are claimed.
"""

from __future__ import annotations

from collections.abc import Sequence

from qrfld.aggregation.errors import AggregationError


def trimmed_accuracy(reports: Sequence[tuple[float, int]], f: int) -> float:
    """Sample-weighted mean of the reports without the ``f`` lowest and ``f`` highest.

    ``reports``: one ``(accuracy, samples)`` a node, samples ≥ 1; losses may stand in for
    accuracies. With fewer than 2f + 1 reports f is lowered to what leaves one or two of them.
    Raises AggregationError when there is no report.
    """
    if not reports:
        raise AggregationError("no node reported an evaluation")
    cut = min(f, (len(reports) - 1) // 2)
    kept = sorted(reports)[cut : len(reports) - cut]
    total = sum(samples for _, samples in kept)
    # Shares first: a liar's loss times its samples could leave the range of floats, and rounding
    # could leave the range of the scores.
    mean = sum(value * (samples / total) for value, samples in kept)
    return min(max(mean, kept[0][0]), kept[-1][0])
