from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation.blocks import as_rows, blocks
from qrfld.aggregation.errors import NonFiniteUpdateError, UpdateShapeError


def test_blocks_cover_every_column_once() -> None:
    rows = as_rows(np.arange(30, dtype=np.float32).reshape(3, 10))
    seen = [
        (span.start, span.stop, [part.tolist() for part in block])
        for span, block in blocks(rows, 4)
    ]
    assert [(start, stop) for start, stop, _ in seen] == [(0, 4), (4, 8), (8, 10)]
    assert seen[2][2] == [[8, 9], [18, 19], [28, 29]]


def test_blocks_of_float32_are_views() -> None:
    updates = np.zeros((2, 5), np.float32)
    for _, block in blocks(as_rows(updates)):
        assert all(np.shares_memory(part, updates) for part in block)


@pytest.mark.parametrize("dtype", ["f2", "f8", ">f4"])
def test_blocks_convert_other_floats(dtype: str) -> None:
    rows = as_rows(np.array([[1, 2, 3]], dtype))
    [(_, [part])] = list(blocks(rows))
    assert part.dtype == np.float32
    assert part.dtype.isnative
    assert part.tolist() == [1, 2, 3]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_blocks_non_finite_value_names_row_and_column(bad: float) -> None:
    updates = np.zeros((4, 40), np.float32)
    updates[2, 33] = bad
    with pytest.raises(NonFiniteUpdateError) as caught:
        list(blocks(as_rows(updates), 16))
    assert (caught.value.row, caught.value.column) == (2, 33)
    assert "row 2" in str(caught.value)


def test_blocks_float64_beyond_float32_counts_as_infinite() -> None:
    with pytest.raises(NonFiniteUpdateError):
        list(blocks(as_rows(np.array([[1.0, 1e39]]))))


@pytest.mark.parametrize(
    "updates",
    [
        [],
        [np.zeros(0, np.float32)],
        [np.zeros(3, np.float32), np.zeros(4, np.float32)],
        [np.zeros((2, 2), np.float32)],
        [np.zeros(3, np.int32)],
        [np.zeros(3, np.complex64)],
        [np.zeros(3, object)],
        [[1.0, 2.0]],
        np.zeros((2, 2, 2), np.float32),
    ],
)
def test_rows_of_wrong_shape_or_type_are_refused(updates: object) -> None:
    with pytest.raises(UpdateShapeError):
        as_rows(updates)  # type: ignore[arg-type]
