from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mesh import Federation


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[Federation]:
    one = Federation(tmp_path)
    yield one
    await one.stop()
