"""Settings of the whole suite, and a place to install distributions for one test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from toy_suites import forget

# No test measures time: a busy machine must not fail a property.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Many more examples, by hand: make test TEST_FLAGS=--hypothesis-profile=deep
settings.register_profile("deep", settings.get_profile("suite"), max_examples=3000)
settings.load_profile("suite")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory on ``sys.path`` for distributions; forgotten afterwards, with its modules."""
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.syspath_prepend(directory)
    before = set(sys.modules)
    forget()
    yield directory
    for name in set(sys.modules) - before:
        if str(directory) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    forget()
