from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine
from fixture_daemon import FixtureDaemon


@pytest.fixture
def qrfl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", capsys)


@pytest.fixture
def daemon(qrfl: CommandLine) -> Iterator[FixtureDaemon]:
    qrfl.home.mkdir()
    served = FixtureDaemon(qrfl.home / "ctl.sock")
    served.start()
    yield served
    served.close()
