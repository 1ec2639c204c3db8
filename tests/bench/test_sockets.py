from __future__ import annotations

import pytest

from qrfld.bench import sockets
from qrfld.bench.contenders import Ours, Recipe, baseline
from qrfld.bench.other import other


@pytest.mark.parametrize("kind", ["full", "resumed", "tls"])
async def test_two_processes_shake_hands(kind: str) -> None:
    resumes = kind == "resumed"
    recipe: Recipe | None = baseline()
    if kind != "tls":
        recipe = Ours.generate(1, "openssl", resumes=resumes)
    if recipe is None:
        pytest.skip("pyOpenSSL is not installed")
    contender = recipe.prepare()
    with other(sockets.serve, recipe) as process:
        alone = await sockets.one_by_one(contender, process, 0.01)
        crowded = await sockets.at_once(contender, process, 0.01)
    assert len(alone.latencies) >= 1
    assert len(crowded.latencies) >= 1
    for one in (alone, crowded):
        assert one.per_second > 0
        assert one.cpu == one.dialling + one.dialled > 0


async def test_dialling_another_node_is_no_handshake() -> None:
    served, dialled = Ours.generate(1, "openssl"), Ours.generate(1, "openssl").prepare()
    with other(sockets.serve, served) as process, pytest.raises(ConnectionError, match="no handsh"):
        await sockets.handshake(dialled, process.address)
