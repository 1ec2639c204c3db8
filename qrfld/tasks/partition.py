"""Dividing one data set among nodes, for tasks that have common data.

Each node computes the whole division and takes its own part, so all must compute the same on every
machine and with every numpy: only raw PCG64 words are drawn (numpy keeps bit generators stable, not
the distributions made from them) and only exact arithmetic follows, no logarithm or power whose
last digit might differ.

Dirichlet(alpha), usually drawn as proportions per label from gamma variates, is drawn here as
Pólya's urn, which has the same law and needs additions only: sample t of a label goes to node k
with probability (alpha + what k already has of it) / (nodes * alpha + t). Small alpha gives each
label to few nodes; large alpha approaches IID.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qrfld.tasks.errors import PartitionError

Indices = NDArray[np.int64]

_UNIT = 2.0**-53


def iid(samples: int, nodes: int, seed: int, *, minimum: int = 1) -> list[Indices]:
    """Divide sample indices 0..samples-1 at random into ``nodes`` parts whose sizes differ by ≤ 1.

    Raises PartitionError when a part would have fewer than ``minimum`` samples.
    """
    _check(samples, nodes, minimum)
    return np.array_split(_shuffled(samples, np.random.PCG64(seed)), nodes)


def dirichlet(
    labels: NDArray[np.integer], nodes: int, alpha: float, seed: int, *, minimum: int = 1
) -> list[Indices]:
    """Divide samples so that each label is spread over nodes by Dirichlet(``alpha``).

    ``labels``: one integer a sample, shape (samples,). Every part gets at least ``minimum``
    samples: what a part lacks is taken from the largest ones. Raises PartitionError when there are
    too few samples or alpha is not between 0.001 and 1,000,000.
    """
    _check(len(labels), nodes, minimum)
    if not 1e-3 <= alpha <= 1e6:
        raise PartitionError(f"alpha = {alpha} is not between 0.001 and 1,000,000")
    bits = np.random.PCG64(seed)
    order = _shuffled(len(labels), bits)
    owners = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        owners[members] = _urn(len(members), nodes, alpha, bits)
    parts = [order[owners[order] == node] for node in range(nodes)]
    return _filled(parts, minimum)


def _check(samples: int, nodes: int, minimum: int) -> None:
    if nodes < 1 or samples < nodes * minimum:
        raise PartitionError(
            f"{samples} samples cannot give {nodes} nodes at least {minimum} each",
            hint="use fewer nodes",
        )


def _shuffled(count: int, bits: np.random.PCG64) -> Indices:
    return np.argsort(bits.random_raw(count), kind="stable")


def _urn(count: int, nodes: int, alpha: float, bits: np.random.PCG64) -> list[int]:
    weights = np.full(nodes, float(alpha))
    owners = []
    for draw in (bits.random_raw(count) >> 11) * _UNIT:
        heaps = np.cumsum(weights)
        owner = min(int(np.searchsorted(heaps, draw * heaps[-1], side="right")), nodes - 1)
        weights[owner] += 1
        owners.append(owner)
    return owners


def _filled(parts: list[Indices], minimum: int) -> list[Indices]:
    while True:
        sizes = [len(part) for part in parts]
        small, large = int(np.argmin(sizes)), int(np.argmax(sizes))
        missing = minimum - sizes[small]
        if missing <= 0:
            return parts
        # The donor keeps the minimum itself; _check made sure that the sum suffices.
        moved = min(missing, sizes[large] - minimum)
        parts[small] = np.concatenate([parts[small], parts[large][-moved:]])
        parts[large] = parts[large][:-moved]
