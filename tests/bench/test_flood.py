from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from qrfld.bench import flood, member


def test_measurement_has_its_shape() -> None:
    result = flood.measure(0.1, rate=200, addresses=4)
    found = json.loads(json.dumps(result.as_json()))
    assert found["phases"].keys() == {"in peace", "under the flood"}
    for phase in found["phases"].values():
        assert phase["pings"] >= 1
        assert phase["joins"] >= 1
        assert phase["joins_failed"] == []
        assert len(phase["memory_mb"]) >= 2
        assert phase["ping_ms"] > 0
    assert found["rate"] > 0
    assert [goal["limit"] for goal in found["goals"]] == [3.0, 1.1, 0.0]
    assert "first messages a second" in result.as_text()


@dataclass(frozen=True)
class WithOneToken(flood.Target):
    one: str = ""

    def token(self) -> str:
        return self.one


def test_failed_join_is_counted_not_raised(tmp_path: Path) -> None:
    async def watch(target: flood.Target) -> flood.Phase:
        used = WithOneToken(target.client, target.pid, target.port, target.token())
        async with member.session(used.one) as pinger:
            return await flood._watch(used, pinger, 0.0)

    with flood.daemon(tmp_path / "home") as target:
        phase = asyncio.run(watch(target))
    assert len(phase.refused) == 1
    assert "token" in phase.refused[0]
    assert phase.as_json()["join_ms"] is None
