"""Every rule against its definition, its edge cases, and the properties that all rules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from naive_rules import NAIVE, arc, nnm

from qrfld.aggregation import (
    NonFiniteUpdateError,
    RuleBoundError,
    RuleError,
    WeightError,
    aggregate,
    decide,
    mix,
    pre_aggregations,
    rule,
    rules,
)
from qrfld.aggregation.blocks import BLOCK_COLUMNS
from qrfld.aggregation.rules import _foreign

NAMES = [entry.name for entry in rules()]
COLUMN = ["median", "trimmed-mean", "meamed"]
COMPOSED = ["nnm+trimmed-mean", "arc+median", "arc+nnm+trimmed-mean", "nnm+multi-krum"]
LARGEST = float(np.finfo(np.float32).max)


def sample(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


def run(name: str, rows: Any, f: int = 0, **options: Any) -> np.ndarray:
    """Aggregate; the first row stands in where a rule wants a reference."""
    if name == "fltrust":
        options.setdefault("reference", np.asarray(next(iter(rows))))
    return aggregate(name, rows, f=f, **options)


def matrices(least: int = 1, most: int = 12) -> st.SearchStrategy[Any]:
    values = st.floats(-1e6, 1e6, width=32)
    shapes = st.tuples(st.integers(least, most), st.integers(1, 20))
    return shapes.flatmap(lambda shape: arrays.arrays(np.float32, shape, elements=values))


@pytest.mark.parametrize("hostile", ["nothing", "far", "1e30", "copies", "near"])
@pytest.mark.parametrize("d", [1, 40, BLOCK_COLUMNS + 1])
@pytest.mark.parametrize("n", [7, 8, 11])
@pytest.mark.parametrize("name", NAIVE)
def test_rule_equals_its_definition(name: str, n: int, d: int, hostile: str) -> None:
    rows, f = sample(n, d, n), min(2, rule(name).largest_f(n))
    match hostile:
        case "far":
            rows[:f] *= 100
        case "1e30":
            rows[:f] = 1e30
        case "copies":
            rows[:f] = rows[-1]
        case "near":
            rows[:f] = rows.mean(axis=0) - rows.std(axis=0)
    wide = rows.astype(np.float64)
    result, expected = run(name, rows, f), NAIVE[name](wide, f)
    if name == "geometric-median" and d == 1:  # between the middle two each point is one
        ours, theirs = (np.abs(wide - point).sum() for point in (result, expected))
        assert ours == pytest.approx(theirs, rel=1e-6)
        return
    slack = 1e-4 if name == "geometric-median" else 2e-6
    np.testing.assert_allclose(result, expected, slack, slack)


@pytest.mark.parametrize("d", [3, BLOCK_COLUMNS + 1])
@pytest.mark.parametrize("name", ["trimmed-mean", "median", "multi-krum"])
def test_composed_rule_is_the_composition(name: str, d: int) -> None:
    rows = sample(9, d)
    rows[:2] *= 7
    wide = rows.astype(np.float64)
    mixed, clipped = NAIVE[name](nnm(wide, 2), 2), NAIVE[name](arc(wide, 2), 2)
    both = NAIVE[name](nnm(arc(wide, 2), 2), 2)
    for before, expected in (("nnm", mixed), ("arc", clipped), ("arc+nnm", both)):
        np.testing.assert_allclose(run(f"{before}+{name}", rows, 2), expected, 1e-5, 1e-6)


def test_median_is_bit_identical_to_numpys() -> None:
    for n in (4, 7, 10):
        rows = sample(n, 1000)
        assert np.array_equal(aggregate("median", rows, f=1), np.median(rows, axis=0))


def test_mean_takes_weights() -> None:
    rows, weights = sample(4, 50), [3, 0, 1, 6]
    expected = np.average(rows, axis=0, weights=weights)
    assert aggregate("mean", rows, f=0, weights=weights) == pytest.approx(expected, rel=1e-5)


def test_multi_krum_ties_fall_to_the_first_rows() -> None:
    assert decide("multi-krum", np.ones((7, 3), np.float32), f=2).rows == (0, 1, 2, 3, 4)


# properties


@given(matrices(), st.data())
def test_column_rules_do_not_depend_on_the_order_of_rows(rows: np.ndarray, data: Any) -> None:
    order = data.draw(st.permutations(range(len(rows))))
    f = (len(rows) - 1) // 2
    for name in COLUMN:
        one, other = aggregate(name, rows, f=f), aggregate(name, rows[order], f=f)
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", [*NAMES, *COMPOSED])
def test_rules_do_not_depend_on_the_order_of_rows_but_for_rounding(name: str) -> None:
    if name == "monna":
        pytest.skip("its pivot is a row's place")
    rows = sample(11, 300)
    order = np.random.default_rng(1).permutation(11)
    reference = {"reference": rows[4]} if name == "fltrust" else {}
    f = min(2, rule(name).largest_f(11))
    one, other = (aggregate(name, x, f=f, **reference) for x in (rows, rows[order]))
    np.testing.assert_allclose(one, other, 1e-4, 1e-5)


@given(matrices())
def test_column_rules_stay_within_the_honest_range(rows: np.ndarray) -> None:
    """Whatever f rows send, each column lies between two values of the other rows."""
    f = (len(rows) - 1) // 2
    hostile = rows.copy()
    hostile[:f] = 1e30
    honest = rows[f:]
    for name in COLUMN:
        result = aggregate(name, hostile, f=f)
        slack = 1e-6 * np.abs(honest).max()
        assert (result >= honest.min(axis=0) - slack).all()
        assert (result <= honest.max(axis=0) + slack).all()


@given(matrices(least=7), st.sampled_from([0.25, 2.0, 1024.0]))
def test_rules_scale_with_their_input(rows: np.ndarray, factor: float) -> None:
    rows = np.where(np.abs(rows) < 1e-20, np.float32(0), rows)  # no denormals: they do not scale
    for name in ("mean", *COLUMN, "krum", "multi-krum", "mda", "nnm+trimmed-mean"):
        scaled = run(name, rows * np.float32(factor))
        assert scaled == pytest.approx(run(name, rows) * factor, rel=1e-6, abs=1e-30)


#: FLTrust, FoolsGold, FLAME and ARC judge lengths and angles, which a shift changes.
SHIFTING = [n for n in [*NAMES, *COMPOSED] if n not in ("fltrust", "foolsgold", "flame")]


@pytest.mark.parametrize("name", [n for n in SHIFTING if "arc" not in n and "clipping" not in n])
def test_rules_shift_with_their_input(name: str) -> None:
    rows = np.round(sample(11, 100) * 64) / 64
    f = min(2, rule(name).largest_f(11))
    shifted = run(name, rows + np.float32(8), f)
    assert shifted == pytest.approx(run(name, rows, f) + 8, abs=2e-5)


# input


@pytest.mark.parametrize("name", [*NAMES, *COMPOSED])
def test_rules_never_modify_their_input(name: str) -> None:
    rows = sample(11, BLOCK_COLUMNS + 5)
    before = rows.copy()
    rows.setflags(write=False)
    result = run(name, rows, min(2, rule(name).largest_f(11)))
    assert np.array_equal(rows, before)
    assert result.dtype == np.float32
    assert not np.shares_memory(result, rows)


@pytest.mark.parametrize("name", [*NAMES, *COMPOSED])
def test_rules_give_the_same_bits_for_array_list_file_and_strided_input(
    name: str, tmp_path: Path
) -> None:
    rows, f = sample(11, 500), min(2, rule(name).largest_f(11))
    strided = np.repeat(rows, 2, axis=1)[:, ::2]
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.float32, "r", shape=rows.shape)
    whole = run(name, rows, f).tobytes()
    for other in (list(rows), np.asfortranarray(rows), strided, rows.astype(np.float64), mapped):
        assert run(name, other, f).tobytes() == whole


def test_rules_take_halves_and_bfloats() -> None:
    halves = sample(5, 30).astype(np.float16)
    wide = halves.astype(np.float32)
    assert np.array_equal(aggregate("median", halves, f=2), aggregate("median", wide, f=2))
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    narrow = sample(5, 30).astype(bfloat16)
    wide = narrow.astype(np.float32)
    assert np.array_equal(aggregate("median", narrow, f=2), aggregate("median", wide, f=2))


@pytest.mark.parametrize("name", [*NAMES, *COMPOSED])
def test_rules_do_not_overflow_on_the_largest_values(name: str) -> None:
    rows = np.full((11, 4), LARGEST, np.float32)
    if name == "foolsgold":
        return  # equal rows are Sybils to it: see test_trusting
    np.testing.assert_allclose(run(name, rows, min(2, rule(name).largest_f(11))), rows[0], 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_rules_give_no_negative_zero_and_keep_denormals(name: str) -> None:
    if name in ("fltrust", "foolsgold"):
        return  # rows without length or direction: see test_trusting
    rows = np.full((5, 3), -0.0, np.float32)
    rows[:, 1] = 1
    assert not np.signbit(run(name, rows)).any()
    tiny = np.full((5, 3), 1e-45, np.float32)
    if name not in ("flame", "geometric-median", "centered-clipping", "caf"):  # weights below 1
        assert np.array_equal(run(name, tiny), tiny[0])


@pytest.mark.parametrize("name", [n for n in NAMES if rule(n).least == 1])
def test_rules_of_one_row_return_it(name: str) -> None:
    rows = sample(1, 30)
    np.testing.assert_allclose(run(name, rows), rows[0], 1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [*NAMES, *COMPOSED])
def test_non_finite_row_is_refused_by_every_rule(name: str, bad: float) -> None:
    rows = sample(7, 2 * BLOCK_COLUMNS)
    rows[4, -1] = bad
    with pytest.raises(NonFiniteUpdateError) as caught:
        run(name, rows)
    assert caught.value.row == 4


# bounds, names, parameters


@pytest.mark.parametrize(
    ("name", "n", "f"),
    [
        ("mean", 5, 1),
        ("median", 4, 2),
        ("trimmed-mean", 2, 1),
        ("krum", 4, 1),
        ("multi-krum", 2, 0),
        ("bulyan", 10, 2),
        ("median", 3, -1),
        ("nnm+median", 4, 2),
    ],
)
def test_rule_below_its_bound_names_the_numbers(name: str, n: int, f: int) -> None:
    with pytest.raises(RuleBoundError) as caught:
        aggregate(name, sample(n, 3), f=f)
    assert f"n = {n}" in caught.value.message
    assert f"f = {f}" in caught.value.message
    assert (caught.value.n, caught.value.f) == (n, f)


def test_bucketing_counts_the_buckets_for_the_bound() -> None:
    rng = np.random.default_rng(0)
    assert aggregate("bucketing+median", sample(10, 3), f=2, rng=rng).shape == (3,)
    with pytest.raises(RuleBoundError, match="n = 4"):
        aggregate("bucketing+median", sample(10, 3), f=2, rng=rng, bucket_size=3)


@pytest.mark.parametrize("name", NAMES)
def test_largest_f_is_accepted_and_one_more_refused(name: str) -> None:
    entry = rule(name)
    for n in range(entry.least, 30):
        entry.check(n, entry.largest_f(n))
        with pytest.raises(RuleBoundError):
            entry.check(n, entry.largest_f(n) + 1)


def test_unknown_name_names_the_nearest() -> None:
    with pytest.raises(RuleError, match="did you mean 'trimmed-mean'"):
        aggregate("trimed-mean", sample(3, 3), f=1)
    with pytest.raises(RuleError, match="there are: mean"):
        rule("zzz")
    with pytest.raises(RuleError, match=r"pre-aggregation 'nmm'.*did you mean 'nnm'"):
        rule("nmm+median")


@pytest.mark.parametrize("name", ["", "+", "+mean", "mean+", "mean+median", "nnm+", "a" * 999])
def test_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(RuleError):
        rule(name)


def test_unknown_parameter_is_refused() -> None:
    with pytest.raises(RuleError, match="'beta'"):
        aggregate("mean", sample(3, 3), f=0, beta=1.0)
    assert rule("clip+centered-clipping").accepts == {"clip_norm": 0.0, "steps": 1.0, "tau": 0.0}


def test_reference_for_a_rule_without_one_is_refused() -> None:
    with pytest.raises(RuleError, match="takes no reference"):
        aggregate("median", sample(3, 3), f=1, reference=sample(1, 3)[0])


@pytest.mark.parametrize(
    "weights", [[1, 2], [1, -1, 1], [0, 0, 0], [0.5, 1, 1], ["a", 1, 1], [2**53, 1, 1], []]
)
def test_hostile_weights_are_refused(weights: list[Any]) -> None:
    with pytest.raises(WeightError):
        aggregate("mean", sample(3, 3), f=0, weights=weights)


@pytest.mark.parametrize("name", ["median", "nnm+mean"])
def test_weights_for_a_rule_without_them_are_refused(name: str) -> None:
    with pytest.raises(WeightError, match="takes no weights"):
        aggregate(name, sample(3, 3), f=0, weights=[1, 1, 1])


def test_rules_carry_bound_and_source() -> None:
    bounds = {entry.name: entry.bound for entry in rules()}
    assert bounds["mean"] == "f = 0, n ≥ 1"
    assert bounds["multi-krum"] == bounds["krum"] == "n ≥ 2·f + 3"
    assert bounds["bulyan"] == "n ≥ 4·f + 3"
    assert all(entry.source and entry.cost for entry in (*rules(),))
    assert {entry.name for entry in pre_aggregations()} == {"clip", "arc", "bucketing", "nnm"}


@settings(max_examples=30, deadline=None)
@given(matrices(least=7))
def test_decision_then_mix_is_the_rule(rows: np.ndarray) -> None:
    for name in (*COLUMN, "multi-krum", "geometric-median", *COMPOSED):
        whole = aggregate(name, rows, f=0)
        assert mix(rows, decide(name, rows, f=0)).tobytes() == whole.tobytes()


# rules of other packages

THEIRS = """
from qrfld.aggregation import Choice, Rule
def _first(view):
    return Choice.mean([0])
FIRST = Rule("first", _first, None, 1, "1", "a test")
"""


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real distribution with entry points, on the path."""
    (tmp_path / "their_rules.py").write_text(THEIRS)
    info = tmp_path / "their_rules-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[qrfld.rules]\nfirst = their_rules:FIRST\nabsent = their_rules:ABSENT\n"
        "other = their_rules:FIRST\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    _foreign.cache_clear()
    yield
    _foreign.cache_clear()


@pytest.mark.usefixtures("other_package")
def test_rule_of_another_package_is_found_and_composes() -> None:
    rows = sample(5, 20)
    assert np.array_equal(aggregate("first", rows, f=0), rows[0])
    assert aggregate("nnm+first", rows, f=0) == pytest.approx(rows.mean(axis=0), abs=1e-6)


@pytest.mark.usefixtures("other_package")
def test_broken_rule_of_another_package_is_named() -> None:
    with pytest.raises(RuleError, match=r"'absent'.*does not load"):
        rule("absent")
    with pytest.raises(RuleError, match="is not a Rule of that name"):
        rule("other")
