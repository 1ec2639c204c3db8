"""Errors of the aggregation room.

AggregationError
├── RuleError               unknown rule or attack, or an argument that it does not take
│   └── RuleBoundError      too few rows for the number of malicious ones to be withstood
├── UpdateShapeError        the rows are not n equal one-dimensional float arrays
├── NonFiniteUpdateError    a row holds NaN or infinity; ``row`` says which
└── WeightError             weights that are negative, all zero, fractional, or not one a row
"""

from __future__ import annotations

from qrfld.errors import QrfldError, UsageError


class AggregationError(QrfldError):
    """Base of everything this room refuses."""


class RuleError(AggregationError):
    """A rule or attack that does not exist, or an argument that it does not take."""

    exit_code = UsageError.exit_code


class RuleBoundError(RuleError):
    """The rule cannot withstand ``f`` malicious rows among ``n``."""

    def __init__(self, message: str, *, n: int, f: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.n = n
        self.f = f


class UpdateShapeError(AggregationError):
    """The updates are not n equal one-dimensional float arrays."""


class NonFiniteUpdateError(AggregationError):
    """A row holds NaN or infinity. ``row`` is its index, ``column`` the first bad column."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__(
            f"update in row {row} is not finite at column {column}",
            hint="refuse that node's update and aggregate the rest",
        )
        self.row = row
        self.column = column


class WeightError(AggregationError):
    """Weights are not one non-negative integer a row with a positive sum."""
