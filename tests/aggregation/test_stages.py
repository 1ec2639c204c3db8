from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation.gram import gram
from qrfld.aggregation.stages import Average, Scale, Stage


def rows_of(n: int = 4, d: int = 50) -> list[np.ndarray]:
    return list(np.random.default_rng(n).standard_normal((n, d), dtype=np.float32))


@pytest.mark.parametrize(
    "stage",
    [
        Scale((1.0, 0.5, 1.0, 0.0)),
        Average(((0, 1), (2,), (0, 1), (1, 2, 3))),
        Average(((0, 1, 2, 3),)),
    ],
)
def test_stage_does_the_same_to_rows_and_to_their_products(stage: Stage) -> None:
    rows = rows_of()
    mapped = [row.copy() for row in stage.mapper()(rows)]
    assert len(mapped) == stage.rows
    assert stage.of_gram(gram(rows)) == pytest.approx(gram(mapped), abs=1e-4)


def test_average_makes_equal_groups_once_and_scale_copies_only_what_it_shortens() -> None:
    rows = rows_of()
    averaged = Average(((0, 1), (0, 1), (2, 3))).mapper()(rows)
    assert averaged[0] is not averaged[1]
    assert np.shares_memory(averaged[0], averaged[1])
    scaled = Scale((1.0, 0.5, 1.0, 1.0)).mapper()(rows)
    assert scaled[0] is rows[0]
    assert not np.shares_memory(scaled[1], rows[1])


def test_stage_fits_only_the_rows_it_was_made_for() -> None:
    assert Scale((1.0, 1.0)).fits(2)
    assert not Scale((1.0,)).fits(2)
    assert Average(((0, 1),)).fits(2)
    for groups in (((0, 2),), ((-1, 0),), ((),)):
        assert not Average(groups).fits(2)
