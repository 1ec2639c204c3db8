"""A run's parameters, checked against what a task takes.

A task writes its parameters as a ``msgspec.Struct`` with defaults and bounds and calls `settings`;
an unknown name or a value out of range then fails before any training.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from qrfld.tasks.base import Parameter
from qrfld.tasks.errors import TaskParameterError

S = TypeVar("S", bound=msgspec.Struct)


def settings(kind: type[S], params: Mapping[str, Parameter]) -> S:
    """Return ``params`` as ``kind``. Raises TaskParameterError that names parameter and value."""
    names = kind.__struct_fields__
    for name in params:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
            raise TaskParameterError(f"unknown parameter {name!r} = {params[name]!r}", hint=hint)
    try:
        return msgspec.convert(dict(params), kind)
    except msgspec.ValidationError as error:
        path = str(error).rpartition("$.")[2].rstrip("`")
        raise TaskParameterError(
            f"parameter {path} = {params.get(path)!r}: {str(error).partition(' - at')[0]}"
        ) from None
