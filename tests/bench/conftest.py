from __future__ import annotations

import pytest

from qrfld.crypto import providers


@pytest.fixture(autouse=True)
def _provider_of_the_process_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements choose providers for their process, which here is the tests' own."""
    monkeypatch.setattr(providers, "_chosen", providers._chosen)
