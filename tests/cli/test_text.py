from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.cli import text


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123456, "123 kB"),
        (99_950, "100 kB"),
        (999_500, "1.0 MB"),
        (12_300_000, "12.3 MB"),
        (5e15, "5000 TB"),
    ],
)
def test_amount_names_three_digits_and_a_unit(count: float, shown: str) -> None:
    assert text.amount(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0 s"),
        (59.9, "59 s"),
        (61, "1 min 01 s"),
        (7380, "2 h 03 min"),
        (90_000, "1 d 01 h"),
    ],
)
def test_duration_names_its_two_largest_units(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_curve_has_a_fixed_scale_and_shows_the_end() -> None:
    assert text.curve([0.0, 0.5, 1.0], 10) == "▁▅█"
    assert text.curve([0.0, 0.5, 1.0], 2) == "▅█"
    assert text.curve([0.9, None, 0.9], 10) == "█ █"
    assert text.curve([0.5], 0) == ""


@given(st.lists(st.floats(0, 1) | st.none()), st.integers(0, 50))
def test_curve_never_exceeds_its_width(values: list[float | None], width: int) -> None:
    assert len(text.curve(values, width)) == min(len(values), width)


def test_table_aligns_wide_and_combining_characters() -> None:
    lines = text.table(("NAME", "X"), [("病院", "1"), ("e\u0301t", "2"), ("abc", "3")]).split("\n")
    assert lines == ["NAME  X", "病院  1", "e\u0301t    2", "abc   3"]


def test_table_without_rows_is_its_head() -> None:
    assert text.table(("A", "B"), []) == "A  B"


@given(st.lists(st.tuples(st.text(), st.text())))
def test_table_meets_hostile_cells_keeps_one_printable_line_a_row(
    rows: list[tuple[str, str]],
) -> None:
    lines = text.table(("A", "B"), rows).split("\n")
    assert len(lines) == len(rows) + 1
    assert not [c for line in lines for c in line if ord(c) < 32 or c == "\x7f"]


def test_fields_put_values_below_each_other() -> None:
    assert text.fields({"a": 1, "long": "x\x1b[2J"}) == "a     1\nlong  x\\x1b[2J"
