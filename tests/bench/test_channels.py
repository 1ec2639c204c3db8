from __future__ import annotations

import asyncio

import pytest

from qrfld.bench import channels
from qrfld.bench.channels import Channel, Raw, Sealed
from qrfld.bench.contenders import Ours
from qrfld.bench.other import other
from qrfld.crypto.suites import Aead


@pytest.mark.parametrize("kind", ["raw", *Aead])
async def test_all_that_is_sent_arrives(kind: str | Aead) -> None:
    channel: Channel = Raw()
    if isinstance(kind, Aead):
        channel = Sealed(Ours.generate(1, "openssl"), kind)
    with other(channels.serve, channel) as receiver:
        async with channel.open(receiver.address) as send:
            for size in (1, 65_536, 1_048_576):
                await send(bytes(size))
            async with asyncio.timeout(30):
                while receiver.state().done < 1 + 65_536 + 1_048_576:
                    await asyncio.sleep(0.01)
        assert receiver.state().done == 1 + 65_536 + 1_048_576


async def test_session_under_the_aead_that_was_asked_for() -> None:
    sealed = Sealed(Ours.generate(1, "openssl"), Aead.CHACHA20_POLY1305)
    assert all(endpoint.prefers_chacha for endpoint in sealed.endpoints())
    assert sealed.name == "ChaCha20-Poly1305"
