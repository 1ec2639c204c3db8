"""Sessions on real sockets in the suites that need liboqs, and in a private one."""

from __future__ import annotations

from pathlib import Path

import pytest
from mesh import Federation, until
from toy_suites import TOY, install_toy, skip_unless_served

from qrfld.crypto.identity import Identity
from qrfld.net.admission import redeem


@pytest.mark.parametrize("number", [3, 4, TOY])
async def test_members_of_an_optional_suite_meet_and_admit_others(
    number: int, site: Path, tmp_path: Path
) -> None:
    skip_unless_served(number)
    install_toy(site)
    federation = Federation(tmp_path / "mesh", suite=number)
    try:
        a = await federation.node("a")
        b = await federation.node("b", knows=(a,))
        await until("connected", lambda: len(a.peers.connected()) == len(b.peers.connected()) == 2)
        assert a.peers.sessions[b.identity.node_id].protocol.suite & 0xFF == number
        newcomer = Identity.generate(number)
        admitted = await redeem(await federation.token(a), newcomer, "newcomer")
        assert admitted.genesis == federation.genesis_bytes
    finally:
        await federation.stop()
