"""Rules that weigh every row: centres found by iteration over inner products alone.

The centre is always a weighted sum of the rows, so its distance to any row follows from the Gram
matrix, and the data is read once however many steps there are. Inner products are taken about the
medoid, a row that the honest majority surrounds: then hostile rows of any size enter only through
their tiny weights, and no digits are lost to them.

    geometric-median    the point of least weighted sum of distances: smoothed Weiszfeld (Pillutla
                        et al. 2022, RFA) until the weights stand still
    centered-clipping   ``steps`` times: the centre moves by the mean of the rows' differences to
                        it, each shortened to ``tau`` (Karimireddy et al. 2021); it starts at the
                        reference (the last aggregate, "server momentum"), without one at zero
    caf                 covariance-bound agnostic filter (Allouah et al. 2025): rows lose weight by
                        their part in the direction of greatest variance; the mean at which that
                        variance is least
"""

from __future__ import annotations

import numpy as np

from qrfld.aggregation.decision import Choice
from qrfld.aggregation.errors import RuleError
from qrfld.aggregation.gram import Coefficients, Matrix, about, distances_to, medoid
from qrfld.aggregation.view import View

_STEPS = 200
_STILL = 1e-9  # of the weights, which sum to 1
_SMOOTHING = 1e-6  # of the typical distance: where a row is the centre, or nearly


def geometric_median(view: View) -> Choice:
    """Decide by the smoothed Weiszfeld iteration.

    It starts at the mean of the half nearest to the medoid: from the mean of all, which hostile
    rows place where they like, it would need as many steps as they are far.
    """
    origin = medoid(view.products)
    products = about(view.products, origin)
    shares = np.array(view.weights, np.float64) / sum(view.weights)
    nearest = np.argsort(np.diagonal(products), kind="stable")[: view.n // 2 + 1]
    weights = np.zeros(view.n)
    weights[nearest] = 1 / len(nearest)
    for _ in range(_STEPS):
        distances = distances_to(products, weights)
        smallest = max(_SMOOTHING * float(np.median(distances)), np.finfo(np.float64).tiny)
        pull = shares / np.maximum(distances, smallest)
        following = pull / pull.sum()
        moved, weights = float(np.abs(following - weights).sum()), following
        if moved < _STILL:
            break
    return Choice.weighted(weights)


def centered_clipping(view: View) -> Choice:
    """Decide by clipping about a moving centre; ``tau`` 0 takes the median distance each time."""
    steps, tau = view.parameters["steps"], view.parameters["tau"]
    if not 1 <= steps <= _STEPS or not 0 <= tau < np.inf:
        raise RuleError(
            f"centered clipping with steps {steps:g} and tau {tau:g}",
            hint=f"give 1 to {_STEPS} steps and a tau of 0 or more",
        )
    products = _with_start(view)
    centre = np.zeros(len(products))
    centre[-1] = 1.0
    for _ in range(int(steps)):
        distances = distances_to(products, centre)[:-1]
        longest = tau or float(np.median(distances))
        with np.errstate(divide="ignore", invalid="ignore"):
            pull = np.minimum(1.0, longest / distances)
        pull = np.where(distances > 0, pull, 1.0) / view.n
        centre = centre * (1.0 - pull.sum())
        centre[:-1] += pull
    return Choice.weighted(centre if view.has_reference else centre[:-1])


def _with_start(view: View) -> Matrix:
    """Inner products of the rows and, last, of where the centre starts."""
    if view.has_reference:
        return view.need_reference("centered-clipping")
    products = np.zeros((view.n + 1, view.n + 1))
    products[:-1, :-1] = view.products
    return products


def caf(view: View) -> Choice:
    """Decide by filtering along the direction of greatest variance, found exactly."""
    products = about(view.products, medoid(view.products))
    weights = np.ones(view.n)
    best, least = weights, np.inf
    while weights.sum() > view.n - 2 * view.f:
        variance, parts = _greatest_variance(products, weights)
        if variance < least:
            best, least = weights, variance
        if parts.max() <= 0:
            break
        weights = weights * (1.0 - parts / parts.max())
    return Choice.weighted(best / best.sum())


def _greatest_variance(products: Matrix, weights: Coefficients) -> tuple[float, Coefficients]:
    """The largest eigenvalue of the weighted covariance, and each row's squared part in it.

    The covariance has the non-zero eigenvalues of the rows' weighted Gram matrix about their mean.
    """
    shares = weights / weights.sum()
    with_mean = products @ shares
    centred = products - with_mean[:, None] - with_mean[None, :] + shares @ with_mean
    roots = np.sqrt(shares)
    values, vectors = np.linalg.eigh(centred * roots[:, None] * roots[None, :])
    # A row without weight has no part: the loop over the rest would never end for its sake.
    parts: Coefficients = np.where(shares > 0, np.square(centred @ (roots * vectors[:, -1])), 0.0)
    return float(values[-1]), parts
