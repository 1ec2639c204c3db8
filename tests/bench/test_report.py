from __future__ import annotations

import pytest

from qrfld.bench.report import Goal, Result, Table, figure, goals, machine


def test_table_is_markdown() -> None:
    table = Table("Speed", ["what", "ms"], [["one", "1"], ["another", "23"]], ["A note."])
    assert str(table).splitlines() == [
        "### Speed",
        "",
        "| what    | ms |",
        "| ------- | -- |",
        "| one     | 1  |",
        "| another | 23 |",
        "",
        "A note.",
    ]


def test_result_says_where_and_when_it_was_measured() -> None:
    result = Result("speed", {"ms": 1.0}, [Table("Speed", ["ms"], [["1"]])])
    assert result.as_json() == {"bench": "speed", "machine": machine(), "ms": 1.0}
    assert result.as_text().startswith("### Speed")
    assert f"Measured on: {machine()['cpu']}, " in result.as_text()


@pytest.mark.parametrize(("measured", "met"), [(0.5, True), (0.6, False), (None, None)])
def test_goal_is_met_up_to_its_limit(measured: float | None, met: bool | None) -> None:
    goal = Goal("share", 0.5, measured)
    assert goal.as_json() == {"what": "share", "limit": 0.5, "measured": measured, "met": met}
    word = {True: "yes", False: "**no**", None: "not measured"}[met]
    assert word in str(goals([goal]))


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.12345, "0.123"), (12.34, "12.3"), (12991.4, "12,991")]
)
def test_figure_has_three_digits_that_count(value: float | None, text: str) -> None:
    assert figure(value) == text
