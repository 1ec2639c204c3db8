from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from qrfld.tasks.errors import TaskParameterError
from qrfld.tasks.settings import settings


class Example(msgspec.Struct, frozen=True):
    model: Literal["small", "large"] = "small"
    epochs: Annotated[int, msgspec.Meta(ge=1, le=9)] = 5
    rate: float | None = None


def test_parameters_override_defaults() -> None:
    assert settings(Example, {"epochs": 3, "rate": 1}) == Example("small", 3, 1.0)


def test_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(TaskParameterError, match=r"'epoch' = 3.*did you mean 'epochs'"):
        settings(Example, {"epoch": 3})
    with pytest.raises(TaskParameterError, match="there are: model, epochs, rate"):
        settings(Example, {"zzz": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("epochs", "3"), ("epochs", 2.5), ("model", "huge"), ("rate", "fast")],
)
def test_wrong_value_names_parameter_and_value(name: str, value: Any) -> None:
    with pytest.raises(TaskParameterError, match=f"parameter {name} = {value!r}: "):
        settings(Example, {name: value})
