"""What every rule has to hold, as one call that a rule's own tests can make.

``check(rule)`` raises AssertionError, naming the property, for the first one that does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from qrfld.aggregation.blocks import BLOCK_COLUMNS, Updates, Vector, as_rows
from qrfld.aggregation.decision import mix
from qrfld.aggregation.errors import NonFiniteUpdateError, RuleBoundError
from qrfld.aggregation.rules import Rule, decide_with

_COLUMNS = BLOCK_COLUMNS + 37
_CLOSE = 1e-4

Sample = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def check(rule: Rule, *, needs_place: bool = False) -> None:
    """Raise AssertionError unless ``rule`` has the properties of a rule.

    ``needs_place``: the place of a row means something to the rule (MoNNA's pivot), so that it is
    not checked for independence of the rows' order. Rules that need a reference get the first row.
    """
    for name, holds in _properties(rule):
        if needs_place and holds is _is_independent_of_order:
            continue
        for n in (max(rule.least, 3), 11):
            f = rule.largest_f(n) if rule.largest_f(n) < 3 else 2
            rows = np.random.default_rng(n).standard_normal((n, _COLUMNS), dtype=np.float32)
            if not holds(rule, rows, f):
                raise AssertionError(f"rule {rule.name!r} with n = {n}, f = {f}: {name} fails")


def run(rule: Rule, rows: Updates, f: int, reference: Vector | None = None) -> Vector:
    """The result of ``rule`` itself, whether it is registered or not."""
    given = as_rows(rows)
    if not rule.reference:
        reference = None
    elif reference is None:
        reference = np.asarray(given[0], np.float32)
    rng = np.random.default_rng(0)
    decision = decide_with(rule, given, f=f, rng=rng, reference=reference)
    return mix(given if reference is None else [*given, reference], decision)


def _properties(rule: Rule) -> Iterator[tuple[str, Callable[[Rule, Sample, int], bool]]]:
    yield "the input stays as it was", _leaves_its_input
    yield "the same bits for every form of the input", _takes_every_form
    yield "the order of rows changes only rounding", _is_independent_of_order
    yield "a common scale scales the result", _scales
    yield "a row that is not finite is refused", _refuses_what_is_not_finite
    yield "f + 1 beyond the bound is refused", _keeps_its_bound
    if rule.per_fault is not None:
        yield "f rows of 1e30 leave a result near the others", _withstands_far_rows


def _leaves_its_input(rule: Rule, rows: Sample, f: int) -> bool:
    before = rows.copy()
    rows.setflags(write=False)
    result = run(rule, rows, f)
    return (
        np.array_equal(rows, before)
        and result.shape == (rows.shape[1],)
        and result.dtype == np.float32
        and not np.shares_memory(result, rows)
    )


def _takes_every_form(rule: Rule, rows: Sample, f: int) -> bool:
    whole = run(rule, rows, f).tobytes()
    strided = np.repeat(rows, 2, axis=1)[:, ::2]
    forms: list[Updates] = [list(rows), np.asfortranarray(rows), strided, rows.astype(np.float64)]
    return all(run(rule, form, f).tobytes() == whole for form in forms)


def _is_independent_of_order(rule: Rule, rows: Sample, f: int) -> bool:
    order = np.random.default_rng(1).permutation(len(rows))
    one, other = run(rule, rows, f, rows[0]), run(rule, rows[order], f, rows[0])
    return np.allclose(one, other, _CLOSE, _CLOSE)


def _scales(rule: Rule, rows: Sample, f: int) -> bool:
    return np.allclose(run(rule, rows * np.float32(4), f), run(rule, rows, f) * 4, _CLOSE, _CLOSE)


def _refuses_what_is_not_finite(rule: Rule, rows: Sample, f: int) -> bool:
    for bad in (np.nan, np.inf, -np.inf):
        broken = rows.copy()
        broken[-1, -1] = bad
        try:
            run(rule, broken, f, rows[0])
        except NonFiniteUpdateError as error:
            if error.row == len(rows) - 1:
                continue
        return False
    return True


def _keeps_its_bound(rule: Rule, rows: Sample, f: int) -> bool:
    try:
        run(rule, rows, rule.largest_f(len(rows)) + 1)
    except RuleBoundError:
        return True
    return False


def _withstands_far_rows(rule: Rule, rows: Sample, f: int) -> bool:
    hostile = rows.copy()
    hostile[len(rows) - f :] = 1e30
    largest = float(np.linalg.norm(rows, axis=1).max())
    result = run(rule, hostile, f, rows[0]).astype(np.float64)
    return float(np.linalg.norm(result)) <= 4 * largest
