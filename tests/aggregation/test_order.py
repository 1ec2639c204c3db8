from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from qrfld.aggregation.order import selection


@pytest.mark.parametrize("n", range(1, 12))
def test_selection_sorts_every_zero_one_input(n: int) -> None:
    """The 0-1 principle: a network that sorts all 2^n inputs of zeros and ones sorts everything."""
    block = list(np.array(list(product([0, 1], repeat=n)), np.float32).T)
    network = selection(n, 0, n)
    ranked = network.run(block, network.workspace())
    assert np.array_equal(np.stack(ranked), np.sort(np.stack(block), axis=0))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 17, 50])
def test_selection_finds_every_range_of_ranks(n: int) -> None:
    block = list(np.random.default_rng(n).standard_normal((n, 200), dtype=np.float32))
    expected = np.sort(np.stack(block), axis=0)
    for low in range(n):
        high = min(n, low + 1 + low % 3)
        network = selection(n, low, high)
        assert np.array_equal(np.stack(network.run(block, network.workspace())), expected[low:high])


def test_selection_leaves_its_input_untouched() -> None:
    block = list(np.random.default_rng(0).standard_normal((9, 100), dtype=np.float32))
    before = np.stack(block).copy()
    network = selection(9, 0, 9)
    network.run(block, network.workspace())
    assert np.array_equal(np.stack(block), before)


def test_selection_is_pruned_to_what_is_wanted() -> None:
    assert len(selection(10, 0, 1).steps) == 9
    assert len(selection(10, 4, 6).steps) < len(selection(10, 0, 10).steps)
    assert selection(10, 0, 10).scratch <= 11
