from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from qrfld.conformance import program
from qrfld.conformance.program import Program
from qrfld.conformance.verdict import TargetError

VALUES = {"address": "127.0.0.1:7483", "case": "m2-name"}
SAY = "import os, sys; print(sys.argv[1:], os.environ['QRFLD_CONFORMANCE_CASE'], flush=True)"


async def said(log: Path) -> str:
    async with asyncio.timeout(30):
        while not (text := log.read_text()):
            await asyncio.sleep(0.01)
    return text


async def test_command_gets_the_values_as_words_and_variables(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = Program.parse(f'{sys.executable} -c "{SAY}" --to={{address}} {{other}}', log)
    async with command.running(VALUES):
        assert await said(log) == "['--to=127.0.0.1:7483', '{other}'] m2-name\n"


async def test_command_that_minds_no_signal_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "STOP_SECONDS", 0.1)
    log = tmp_path / "log"
    stubborn = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid(), flush=True); time.sleep(1000)"
    )
    async with Program([sys.executable, "-c", stubborn], log).running(VALUES):
        pid = int(await said(log))
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("command", ["", "'unbalanced"])
def test_command_cannot_be_read_and_is_refused(command: str) -> None:
    with pytest.raises(TargetError, match="the command"):
        Program.parse(command, None)


async def test_command_does_not_exist_and_is_named() -> None:
    with pytest.raises(TargetError, match="/nonexistent/client cannot be started"):
        async with Program.parse("/nonexistent/client", None).running(VALUES):
            pass
