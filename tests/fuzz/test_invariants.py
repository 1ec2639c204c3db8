from __future__ import annotations

import pytest

from fuzz.invariants import (
    MAX_ERROR_TEXT,
    InvariantError,
    Refused,
    attempt,
    extends,
    memory_within,
    require,
)
from qrfld.crypto.errors import EncodingError
from qrfld.errors import QrfldError


def fail(error: Exception) -> None:
    raise error


def test_named_refusal_is_no_finding() -> None:
    assert isinstance(attempt(lambda: fail(EncodingError("what")), EncodingError), Refused)


def test_result_is_passed_on() -> None:
    assert attempt(lambda: 7, EncodingError) == 7


@pytest.mark.parametrize("error", [IndexError("what"), QrfldError("what")])
def test_other_exception_is_a_finding(error: Exception) -> None:
    with pytest.raises(type(error)):
        attempt(lambda: fail(error), EncodingError)


@pytest.mark.parametrize("text", ["", "x" * (MAX_ERROR_TEXT + 1)])
def test_refusal_without_a_fit_text_is_a_finding(text: str) -> None:
    with pytest.raises(InvariantError):
        attempt(lambda: fail(EncodingError(text)), EncodingError)


def test_refusal_without_a_name_of_its_own_is_a_finding() -> None:
    with pytest.raises(InvariantError):
        attempt(lambda: fail(QrfldError("what")), QrfldError)


def test_invariant_that_does_not_hold_is_told() -> None:
    require(True, "this")
    with pytest.raises(InvariantError, match="that"):
        require(False, "that")


@pytest.mark.parametrize(
    ("received", "known"),
    [
        ({0: 1, 3: [1]}, {0: 1}),
        ({0: [{2: b"x", 5: None}]}, {0: [{2: b"x"}]}),
        (1.5, 1.5),
    ],
)
def test_unknown_odd_field_extends(received: object, known: object) -> None:
    assert extends(received, known)


@pytest.mark.parametrize(
    ("received", "known"),
    [
        ({0: 1, 2: 1}, {0: 1}),
        ({1: 1}, {0: 1}),
        ({0: 1}, {0: 1.0}),
        ({0: True}, {0: 1}),
        ([1, 2], [1]),
        ({0: [{2: b"x", 4: None}]}, {0: [{2: b"x"}]}),
    ],
)
def test_any_other_difference_does_not_extend(received: object, known: object) -> None:
    assert not extends(received, known)


def test_memory_beyond_the_limit_is_a_finding() -> None:
    with memory_within(200_000):
        bytes(100_000)
    with pytest.raises(InvariantError, match="bytes were held"), memory_within(50_000):
        bytes(100_000)
