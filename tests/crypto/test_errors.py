from __future__ import annotations

import inspect

from qrfld.crypto import errors
from qrfld.errors import IdentityError, QrfldError

CLASSES = {
    name: cls
    for name, cls in vars(errors).items()
    if inspect.isclass(cls) and cls.__module__ == errors.__name__
}


def test_every_error_is_one_of_the_projects_with_a_name_of_its_own() -> None:
    assert len({cls.name for cls in CLASSES.values()}) == len(CLASSES) > 10
    assert all(issubclass(cls, QrfldError) for cls in CLASSES.values())


def test_every_error_stands_in_the_picture() -> None:
    assert errors.__doc__ is not None
    assert all(name in errors.__doc__ for name in CLASSES)


def test_identity_errors_end_the_command_line_with_5() -> None:
    for name in ("KeystoreError", "GenesisError", "CertificateError", "TokenError"):
        assert issubclass(CLASSES[name], IdentityError)
        assert CLASSES[name].exit_code == 5
