from __future__ import annotations

from qrfld.protocol import errors
from qrfld.protocol.errors import ErrorCode, ProtocolError, RemoteProtocolError

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, ProtocolError)
]


def test_names_are_unique() -> None:
    assert len({error.name for error in CLASSES}) == len(CLASSES)


def test_each_remote_error_has_a_code_for_broken_rules() -> None:
    for error in CLASSES:
        if issubclass(error, RemoteProtocolError):
            assert error.code in ErrorCode
            assert error.code >= 16


def test_each_broken_rule_has_an_error() -> None:
    used = {error.code for error in CLASSES if issubclass(error, RemoteProtocolError)}
    assert used == {code for code in ErrorCode if code >= 16}


def test_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    for error in CLASSES:
        assert f" {error.__name__} " in errors.__doc__.replace("\n", " \n")
