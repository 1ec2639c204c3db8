from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qrfld.aggregation import (
    NonFiniteUpdateError,
    RuleBoundError,
    RuleError,
    WeightError,
    aggregate,
    decide,
    mix,
    rule,
    rules,
)
from qrfld.aggregation.blocks import BLOCK_COLUMNS
from qrfld.aggregation.distances import centred_gram
from qrfld.aggregation.rules import krum_scores

NAMES = [entry.name for entry in rules()]
COORDINATE = ["median", "trimmed-mean"]
LARGEST = float(np.finfo(np.float32).max)


def sample(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


def matrices(least: int = 1, most: int = 12) -> st.SearchStrategy[Any]:
    values = st.floats(-1e6, 1e6, width=32)
    shapes = st.tuples(st.integers(least, most), st.integers(1, 20))
    return shapes.flatmap(lambda shape: arrays.arrays(np.float32, shape, elements=values))


def oracle(name: str, rows: np.ndarray, f: int) -> np.ndarray:
    wide = np.sort(rows.astype(np.float64), axis=0)
    if name == "median":
        return np.median(wide, axis=0)
    return wide[f : len(rows) - f].mean(axis=0)


@pytest.mark.parametrize("d", [1, 5, BLOCK_COLUMNS, BLOCK_COLUMNS + 1, 3 * BLOCK_COLUMNS - 1])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 11])
def test_coordinate_rules_equal_their_definition(n: int, d: int) -> None:
    rows = sample(n, d)
    f = (n - 1) // 2
    for name in COORDINATE:
        np.testing.assert_allclose(aggregate(name, rows, f=f), oracle(name, rows, f), 1e-6, 1e-7)


def test_median_is_bit_identical_to_numpys() -> None:
    for n in (4, 7):
        rows = sample(n, 1000)
        assert np.array_equal(aggregate("median", rows, f=1), np.median(rows, axis=0))


def test_mean_equals_its_definition_and_takes_weights() -> None:
    rows = sample(4, 50)
    assert aggregate("mean", rows, f=0) == pytest.approx(rows.mean(axis=0), rel=1e-5, abs=1e-7)
    weights = [3, 0, 1, 6]
    expected = np.average(rows, axis=0, weights=weights)
    assert aggregate("mean", rows, f=0, weights=weights) == pytest.approx(expected, rel=1e-5)


def test_krum_scores_count_n_minus_f_minus_2_neighbours() -> None:
    points = np.array([[0], [1], [3], [7], [20]], np.float32)
    assert krum_scores(centred_gram(points), 1) == pytest.approx([10, 5, 13, 52, 458])


def test_multi_krum_keeps_n_minus_f_rows() -> None:
    rows = sample(7, 40)
    rows[2] += 9
    rows[5] -= 9
    decision = decide("multi-krum", rows, f=2)
    assert decision.rows == (0, 1, 3, 4, 6)
    assert aggregate("multi-krum", rows, f=2) == pytest.approx(
        rows[[0, 1, 3, 4, 6]].mean(axis=0), rel=1e-5, abs=1e-6
    )


def test_multi_krum_ties_fall_to_the_first_rows() -> None:
    assert decide("multi-krum", np.ones((7, 3), np.float32), f=2).rows == (0, 1, 2, 3, 4)


@given(matrices(), st.data())
def test_coordinate_rules_do_not_depend_on_the_order_of_rows(rows: np.ndarray, data: Any) -> None:
    order = data.draw(st.permutations(range(len(rows))))
    f = (len(rows) - 1) // 2
    for name in COORDINATE:
        one, other = aggregate(name, rows, f=f), aggregate(name, rows[order], f=f)
        assert one.tobytes() == other.tobytes()


@given(matrices())
def test_coordinate_rules_stay_within_the_honest_range(rows: np.ndarray) -> None:
    """Whatever f rows send, each column lies between two values of the other rows."""
    f = (len(rows) - 1) // 2
    hostile = rows.copy()
    hostile[:f] = 1e30
    honest = rows[f:]
    for name in COORDINATE:
        result = aggregate(name, hostile, f=f)
        slack = 1e-6 * np.abs(honest).max()
        assert (result >= honest.min(axis=0) - slack).all()
        assert (result <= honest.max(axis=0) + slack).all()


@given(matrices(least=5), st.sampled_from([0.25, 2.0, 1024.0]))
def test_rules_scale_with_their_input(rows: np.ndarray, factor: float) -> None:
    rows = np.where(np.abs(rows) < 1e-20, np.float32(0), rows)  # no denormals: they do not scale
    for name in ("mean", *COORDINATE):
        scaled = aggregate(name, rows * np.float32(factor), f=0)
        assert scaled == pytest.approx(aggregate(name, rows, f=0) * factor, rel=1e-6, abs=1e-30)


@pytest.mark.parametrize("name", NAMES)
def test_rules_shift_with_their_input(name: str) -> None:
    rows = np.round(sample(7, 100) * 64) / 64
    shifted = aggregate(name, rows + np.float32(8), f=0)
    assert shifted == pytest.approx(aggregate(name, rows, f=0) + 8, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_rules_never_modify_their_input(name: str) -> None:
    rows = sample(7, BLOCK_COLUMNS + 5)
    before = rows.copy()
    rows.setflags(write=False)
    result = aggregate(name, rows, f=0)
    assert np.array_equal(rows, before)
    assert result.dtype == np.float32
    assert not np.shares_memory(result, rows)


@pytest.mark.parametrize("name", NAMES)
def test_rules_give_the_same_bits_for_array_list_and_strided_input(name: str) -> None:
    rows = sample(7, 500)
    strided = np.repeat(rows, 2, axis=1)[:, ::2]
    whole = aggregate(name, rows, f=0).tobytes()
    assert aggregate(name, list(rows), f=0).tobytes() == whole
    assert aggregate(name, np.asfortranarray(rows), f=0).tobytes() == whole
    assert aggregate(name, strided, f=0).tobytes() == whole
    assert aggregate(name, rows.astype(np.float64), f=0).tobytes() == whole


@pytest.mark.parametrize("name", NAMES)
def test_rules_do_not_overflow_on_the_largest_values(name: str) -> None:
    rows = np.full((7, 4), LARGEST, np.float32)
    assert np.array_equal(aggregate(name, rows, f=0), rows[0])


@pytest.mark.parametrize("name", NAMES)
def test_rules_give_no_negative_zero_and_keep_denormals(name: str) -> None:
    assert not np.signbit(aggregate(name, np.full((5, 3), -0.0, np.float32), f=0)).any()
    tiny = np.full((5, 3), 1e-45, np.float32)
    assert np.array_equal(aggregate(name, tiny, f=0), tiny[0])


@pytest.mark.parametrize("name", ["mean", "median", "trimmed-mean"])
def test_rules_of_one_row_return_it(name: str) -> None:
    rows = sample(1, 30)
    assert np.array_equal(aggregate(name, rows, f=0), rows[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NAMES)
def test_non_finite_row_is_refused_by_every_rule(name: str, bad: float) -> None:
    rows = sample(7, 2 * BLOCK_COLUMNS)
    rows[4, -1] = bad
    with pytest.raises(NonFiniteUpdateError) as caught:
        aggregate(name, rows, f=0)
    assert caught.value.row == 4


@pytest.mark.parametrize(
    ("name", "n", "f"),
    [
        ("mean", 5, 1),
        ("median", 4, 2),
        ("trimmed-mean", 2, 1),
        ("multi-krum", 4, 1),
        ("multi-krum", 2, 0),
        ("median", 3, -1),
    ],
)
def test_rule_below_its_bound_names_the_numbers(name: str, n: int, f: int) -> None:
    with pytest.raises(RuleBoundError) as caught:
        aggregate(name, sample(n, 3), f=f)
    assert f"n = {n}" in caught.value.message
    assert f"f = {f}" in caught.value.message
    assert (caught.value.n, caught.value.f) == (n, f)


@pytest.mark.parametrize("name", NAMES)
def test_largest_f_is_accepted_and_one_more_refused(name: str) -> None:
    entry = rule(name)
    for n in range(entry.least, 30):
        entry.check(n, entry.largest_f(n))
        with pytest.raises(RuleBoundError):
            entry.check(n, entry.largest_f(n) + 1)


def test_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(RuleError, match="did you mean 'trimmed-mean'"):
        aggregate("trimed-mean", sample(3, 3), f=1)
    with pytest.raises(RuleError, match="there are: mean"):
        rule("zzz")


def test_unknown_parameter_is_refused() -> None:
    with pytest.raises(RuleError, match="'beta'"):
        aggregate("mean", sample(3, 3), f=0, beta=1.0)


@pytest.mark.parametrize(
    "weights", [[1, 2], [1, -1, 1], [0, 0, 0], [0.5, 1, 1], ["a", 1, 1], [2**53, 1, 1], []]
)
def test_hostile_weights_are_refused(weights: list[Any]) -> None:
    with pytest.raises(WeightError):
        aggregate("mean", sample(3, 3), f=0, weights=weights)


def test_weights_for_a_rule_without_them_are_refused() -> None:
    with pytest.raises(WeightError, match="takes no weights"):
        aggregate("median", sample(3, 3), f=1, weights=[1, 1, 1])


def test_decision_of_another_shape_is_refused() -> None:
    decision = decide("mean", sample(5, 3), f=0)
    with pytest.raises(RuleError, match="does not fit"):
        mix(sample(3, 3), decision)


@settings(max_examples=30)
@given(matrices(least=5))
def test_decision_then_mix_is_the_rule(rows: np.ndarray) -> None:
    for name in NAMES:
        whole = aggregate(name, rows, f=0)
        assert mix(rows, decide(name, rows, f=0)).tobytes() == whole.tobytes()


def test_rules_carry_bound_and_source() -> None:
    assert {entry.name: entry.bound for entry in rules()} == {
        "mean": "f = 0, n ≥ 1",
        "median": "n ≥ 2·f + 1",
        "trimmed-mean": "n ≥ 2·f + 1",
        "multi-krum": "n ≥ 2·f + 3",
    }
    assert all(entry.source and entry.cost for entry in rules())
