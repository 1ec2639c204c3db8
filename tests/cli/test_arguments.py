from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.cli.arguments import parameters, seconds
from qrfld.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("365d", 31_536_000)],
)
def test_duration_with_a_unit_is_seconds(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "0s", "-1h", "1.5h", "1w", "366d", "9" * 40, "\u0661h"])
def test_duration_that_is_none_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration") as caught:
        seconds(text)
    assert repr(text) in caught.value.message


def test_parameters_take_the_type_they_read_as() -> None:
    words = [
        "n=3",
        "neg=-4",
        "x=0.5",
        "e=1e-3",
        "yes=true",
        "no=false",
        "name=mlp",
        "empty=",
        "u==v",
    ]
    assert parameters(words) == {
        "n": 3,
        "neg": -4,
        "x": 0.5,
        "e": 0.001,
        "yes": True,
        "no": False,
        "name": "mlp",
        "empty": "",
        "u": "=v",
    }
    assert type(parameters(["n=3"])["n"]) is int


@pytest.mark.parametrize("text", ["1e999", "nan", "inf", "-inf", "1_000", "0x10", "1e", "9" * 30])
def test_parameter_that_is_no_plain_number_stays_text(text: str) -> None:
    assert parameters([f"k={text}"]) == {"k": text}


@pytest.mark.parametrize(
    "words", [["alpha"], ["=1"], ["a=1", "a=2"], [f"k{i}=1" for i in range(33)]]
)
def test_parameters_that_cannot_be_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parameters(words)
    assert caught.value.hint


@given(st.text(), st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False))
def test_parameter_numbers_survive_the_way_through_text(key: str, number: float) -> None:
    if key and "=" not in key:
        assert parameters([f"{key}={number}"]) == {key: number}
