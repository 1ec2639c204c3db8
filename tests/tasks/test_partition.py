from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.tasks.errors import PartitionError
from qrfld.tasks.partition import dirichlet, iid


def test_iid_parts_are_even_and_cover_everything() -> None:
    parts = iid(103, 5, seed=1)
    assert sorted(len(part) for part in parts) == [20, 20, 21, 21, 21]
    assert sorted(np.concatenate(parts)) == list(range(103))


@given(
    st.lists(st.integers(0, 4), min_size=20, max_size=200),
    st.integers(1, 6),
    st.floats(0.001, 1000),
    st.integers(0, 2**64 - 1),
    st.integers(0, 3),
)
def test_dirichlet_covers_everything_once_and_no_part_is_too_small(
    labels: list[int], nodes: int, alpha: float, seed: int, minimum: int
) -> None:
    parts = dirichlet(np.array(labels), nodes, alpha, seed, minimum=minimum)
    assert len(parts) == nodes
    assert min(len(part) for part in parts) >= minimum
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))


def test_same_seed_gives_the_same_parts_on_every_machine() -> None:
    """The digests were written on x86-64 with numpy 2.4; they must hold anywhere."""
    labels = np.arange(1000) % 7

    def fingerprint(parts: list[np.ndarray]) -> str:
        text = ";".join(",".join(map(str, part)) for part in parts)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    assert fingerprint(iid(1000, 5, seed=42)) == "feccd396b0ed0ea1"
    assert fingerprint(dirichlet(labels, 5, 0.5, seed=42)) == "0bd39b0fe8e901e5"


def test_other_seed_gives_other_parts() -> None:
    labels = np.arange(100) % 3
    one, other = dirichlet(labels, 3, 1.0, seed=1), dirichlet(labels, 3, 1.0, seed=2)
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_small_alpha_concentrates_labels_and_large_alpha_spreads_them() -> None:
    labels = np.zeros(2000, np.int64)

    def largest_share(alpha: float) -> float:
        runs = [dirichlet(labels, 4, alpha, seed, minimum=0) for seed in range(40)]
        return float(np.mean([max(len(part) for part in parts) / 2000 for parts in runs]))

    assert largest_share(0.05) > 0.85
    assert 0.45 < largest_share(1.0) < 0.6  # the expected maximum of four uniform spacings is 0.52
    assert largest_share(1000.0) < 0.3


@pytest.mark.parametrize(("samples", "nodes", "minimum"), [(3, 4, 1), (10, 2, 6), (5, 0, 1)])
def test_too_few_samples_are_refused(samples: int, nodes: int, minimum: int) -> None:
    with pytest.raises(PartitionError, match=f"{samples} samples"):
        iid(samples, nodes, 0, minimum=minimum)
    with pytest.raises(PartitionError, match=f"{nodes} nodes"):
        dirichlet(np.zeros(samples, np.int64), nodes, 0.5, 0, minimum=minimum)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf"), 1e7])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(PartitionError, match="alpha"):
        dirichlet(np.zeros(10, np.int64), 2, alpha, 0)
