from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from run_sites import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    one = World(tmp_path)
    yield one
    await one.stop()
