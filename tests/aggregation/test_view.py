from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation import RuleError, View
from qrfld.aggregation.gram import gram
from qrfld.aggregation.stages import Average


def view(n: int = 5, **options: object) -> View:
    rows = list(np.random.default_rng(n).standard_normal((n, 30), dtype=np.float32))
    return View(rows, f=1, weights=(1,) * n, **options)  # type: ignore[arg-type]


def test_view_counts_updates_and_not_the_reference() -> None:
    assert view(5).n == 5
    assert view(5, has_reference=True).n == 4
    assert view(5, has_reference=True).products.shape == (4, 4)
    assert view(5, has_reference=True).need_reference("fltrust").shape == (5, 5)


def test_view_after_a_stage_sees_what_comes_out_and_reads_the_data_once() -> None:
    before = view(4)
    after = before.after(Average(((0, 1), (2, 3))))
    assert after.all_products is before.all_products
    means = [(before.rows[0] + before.rows[1]) / 2, (before.rows[2] + before.rows[3]) / 2]
    assert after.n == 2
    assert after.products == pytest.approx(gram(means), abs=1e-4)
    assert after.norms == pytest.approx([np.linalg.norm(row) for row in means], rel=1e-5)


def test_view_without_what_a_rule_needs_says_so() -> None:
    with pytest.raises(RuleError, match="no rng"):
        view().need_rng("bucketing")
    with pytest.raises(RuleError, match="needs a reference"):
        view().need_reference("fltrust")
