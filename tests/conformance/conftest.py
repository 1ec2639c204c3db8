from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mesh import Federation

from qrfld.net import listener
from qrfld.net.limits import Rate


@pytest.fixture
async def federation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Federation]:
    """A federation whose nodes take connections as fast as they come."""
    monkeypatch.setattr(listener, "ACCEPT", Rate(10_000, 10_000))
    monkeypatch.setattr(listener, "EAGER", Rate(10_000, 10_000))
    one = Federation(tmp_path)
    yield one
    await one.stop()
