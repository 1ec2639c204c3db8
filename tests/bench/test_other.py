from __future__ import annotations

import os

import pytest

from qrfld.bench.other import OtherProcessError, Served, other


async def serve(port: int) -> Served:
    return Served((str(os.getpid()), port), done=3)


async def die() -> Served:
    os._exit(1)


def test_other_process_serves_and_tells_its_state() -> None:
    with other(serve, 7) as process:
        pid, port = process.address
        assert int(pid) != os.getpid()
        assert port == 7
        state = process.state()
        assert state.done == 3
        assert state.cpu > 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    with pytest.raises(OtherProcessError):
        process.state()


def test_other_process_ends_before_it_serves_is_reported() -> None:
    with pytest.raises(OtherProcessError, match="has ended"), other(die):
        pass
