from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from qrfld.bench import flood, member
from qrfld.net.errors import AdmissionError


def test_member_joins_once_by_a_token_and_pings(tmp_path: Path) -> None:
    async def take_part(target: flood.Target) -> None:
        token = target.token()
        async with member.session(token) as pinger:
            assert await pinger.ping() > 0
            assert await pinger.ping() > 0
            assert not pinger.session.closed.is_set()
        assert pinger.session.closed.is_set()
        with pytest.raises(AdmissionError):
            await member.join(token)

    with flood.daemon(tmp_path / "home") as target:
        asyncio.run(take_part(target))
        assert target.memory() > 0
        assert target.cpu() >= 0
        assert target.client.call("status")["members"] == 2
