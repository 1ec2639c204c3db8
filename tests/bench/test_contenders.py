from __future__ import annotations

import copy

import pytest

from qrfld.bench.contenders import Ours, Tls, baseline, ours
from qrfld.bench.sans_io import shake
from qrfld.crypto import providers
from qrfld.crypto.errors import ProviderError, UnsupportedSuiteError
from qrfld.crypto.suites import SUITES


def test_every_suite_takes_part_by_every_provider() -> None:
    found = {(one.suite_id, one.provider, one.resumes) for one in ours()}
    for provider in providers.available():
        has = SUITES if provider == "liboqs" else (1, 2)
        assert {(i, provider, resumes) for i in has for resumes in (False, True)} <= found
    assert {provider for _, provider, _ in found} == set(providers.available())


def test_named_suite_and_provider_take_part_alone() -> None:
    one, resumed = ours(2, "openssl")
    assert (one.suite_id, one.provider, one.resumes) == (2, "openssl", False)
    assert one.name == f"suite 2 ({SUITES[2].name}), openssl"
    assert resumed.name == f"{one.name}, resumed"


def test_one_that_resumes_does_so_from_its_second_handshake_on() -> None:
    contender = Ours.generate(1, "openssl", resumes=True).prepare()
    assert [shake(contender).bytes for _ in range(3)] == [12_991, 2_506, 2_506]


@pytest.mark.parametrize(
    ("suite", "provider", "error"),
    [(1, "nobody", ProviderError), (99, "openssl", UnsupportedSuiteError)],
)
def test_unknown_name_is_refused(suite: int, provider: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        ours(suite, provider)


def test_recipe_travels_and_keeps_its_secrets_to_itself() -> None:
    recipe = Ours.generate(1, "openssl")
    contender = copy.deepcopy(recipe).prepare()
    contender.ready()
    assert shake(contender).bytes == 12_991
    assert "seeds" not in repr(recipe)


def test_baseline_is_tls_where_it_is_installed() -> None:
    pytest.importorskip("OpenSSL")
    recipe = baseline()
    assert isinstance(recipe, Tls)
    contender = recipe.prepare()
    contender.ready()
    shaken = shake(contender)
    assert 19_000 < shaken.bytes < 22_000
    assert shaken.late > 0  # its tickets
