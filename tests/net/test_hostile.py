"""Strangers at the door, on real sockets: before, during and right after the handshake.

Each attack runs beside two honest members that keep talking; see `attacker.undisturbed` for what it
must not touch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator

import pytest
from attacker import Attackers, Speaker, undisturbed
from mesh import FAST, Federation, MeshNode, until

from qrfld.crypto import certificates
from qrfld.crypto.identity import Identity
from qrfld.net import listener, peers
from qrfld.net.timing import Timing
from qrfld.protocol import bulk, wire
from qrfld.protocol.connection import Connection, Endpoint
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.events import MessageReceived
from qrfld.protocol.frames import MessageFrame
from qrfld.protocol.messages import Digest, Hello, Join, Members, Refused

HURRIED = Timing(head_start=0.1, tick=0.1, admission=0.5, backoff_first=0.05, backoff_most=0.5)


@contextlib.asynccontextmanager
async def besieged(
    federation: Federation, *, timing: Timing = FAST, handshake_seconds: float = 5.0
) -> AsyncIterator[tuple[MeshNode, Attackers]]:
    """A node that talks to another, and attackers of it."""
    target = await federation.node("target", timing=timing, handshake_seconds=handshake_seconds)
    friend = await federation.node("friend", knows=(target,))
    attackers = Attackers(target, federation)
    try:
        async with undisturbed(target, friend):
            yield target, attackers
    finally:
        await attackers.close()


def first_message(federation: Federation, target: MeshNode, *, stranger: bool = False) -> bytes:
    """M1, of one who knows the federation or of one who does not."""
    federation_id = bytes(32) if stranger else federation.id
    endpoint = Endpoint(Identity.generate(1), federation_id, (1,))
    connection = Connection.dial(endpoint, target.identity.node_id)
    return b"".join(connection.data_to_send())


# before the handshake


async def test_stranger_sends_anything_but_m1_and_hears_nothing(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with besieged(federation) as (target, attackers):
        m1 = first_message(federation, target)
        attacks = [
            b"\0",
            os.urandom(1),
            os.urandom(50_000),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"SSH-2.0-x\r\n",
            b"\x16\x03\x01\x02\0" + os.urandom(512),
            wire.MAGIC + os.urandom(2000),
            wire.MAGIC + b"\x01\0\0\0\xff" + os.urandom(2000),  # 255 offers
            bulk.MAGIC + os.urandom(200),
            bulk.MAGIC + b"\x01" + os.urandom(200),
            first_message(federation, target, stranger=True),
            m1[:-1] + bytes([m1[-1] ^ 1]),
            m1[:100] + bytes([m1[100] ^ 1]) + m1[101:],
            os.urandom(len(m1)),
        ]
        for attack in attacks:
            stranger = await attackers.wire()
            await stranger.send(attack)
            stranger.writer.write_eof()
            assert await stranger.rest() == b"", attack[:20]
        await until("all are gone", lambda: not target.listener._pending)
        assert "not our protocol" in caplog.text


async def test_stranger_cuts_m1_short_at_any_length_and_hears_nothing(
    federation: Federation,
) -> None:
    async with besieged(federation) as (target, attackers):
        m1 = first_message(federation, target)
        for length in [*range(0, 60, 7), *range(60, len(m1), 97), len(m1) - 1]:
            stranger = await attackers.wire(source="127.0.0.9")
            await stranger.send(m1[:length])
            stranger.writer.write_eof()
            assert await stranger.rest() == b"", length


async def test_stranger_that_sends_a_byte_at_a_time_runs_out_of_time(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with besieged(federation, handshake_seconds=0.3) as (target, attackers):
        m1 = first_message(federation, target)
        slow = await attackers.wire()
        sent = 0
        while sent < len(m1) and await slow.send(m1[sent : sent + 1]):
            sent += 1
            await asyncio.sleep(0.02)
        assert sent < len(m1)
        assert await slow.rest() == b""
        assert "no handshake within 0.3 s" in caplog.text


async def test_idle_strangers_take_no_place_from_a_member(federation: Federation) -> None:
    async with besieged(federation) as (target, attackers):
        for number in range(200):
            await attackers.wire(source=f"127.0.0.{10 + number % 4}")
        await until("all were accepted", lambda: len(target.listener._pending) > 60)
        assert len(target.listener._pending) <= listener.MAX_PENDING
        late = await federation.node("late", knows=(target,))
        await until("a member comes in", lambda: len(late.peers.connected()) == 3)


async def test_idle_strangers_from_one_address_are_turned_away_beyond_its_share(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with besieged(federation) as (_, attackers):
        for _ in range(200):
            await attackers.wire(source="127.0.0.9")
        await until("some are turned away", lambda: "turned 127.0.0.9" in caplog.text)
        turned = [r for r in caplog.records if "turned" in r.message]
        assert len(turned) <= listener.COMPLAINTS.burst + 5


# during the handshake


async def shaken_to(attackers: Attackers, target: MeshNode) -> tuple[Speaker, bytes, bytes]:
    """An attacker with M3 in hand, unsent; M1 and M3."""
    endpoint = Endpoint(Identity.generate(1), attackers.federation.id, (1,))
    connection = Connection.dial(endpoint, target.identity.node_id)
    speaker = Speaker(await attackers.wire(), connection)
    m1 = b"".join(connection.data_to_send())
    await speaker.wire.send(m1)
    connection.receive_data(await speaker.wire.read(6433))
    return speaker, m1, b"".join(connection.data_to_send())


@pytest.mark.parametrize("at", [0, 2000, 5278])
async def test_flipped_m3_ends_the_handshake(
    federation: Federation, caplog: pytest.LogCaptureFixture, at: int
) -> None:
    caplog.set_level(logging.INFO)
    async with besieged(federation) as (target, attackers):
        speaker, _, m3 = await shaken_to(attackers, target)
        assert len(m3) == 5279
        await speaker.wire.send(m3[:at] + bytes([m3[at] ^ 0x80]) + m3[at + 1 :])
        assert await speaker.wire.rest() == b""
        assert "does not authenticate" in caplog.text


async def test_recorded_m1_and_m3_open_nothing_a_second_time(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with besieged(federation) as (target, attackers):
        speaker, m1, m3 = await shaken_to(attackers, target)
        await speaker.wire.send(m3)
        await until("it is let in", lambda: len(target.peers._live) == 2)
        again = await attackers.wire()
        await again.send(m1)
        assert len(await again.read(6433)) == 6433
        await again.send(m3)
        assert await again.rest() == b""
        assert "does not authenticate" in caplog.text
        assert len(target.peers._live) == 2


async def test_connection_may_drop_at_every_step(federation: Federation) -> None:
    async with besieged(federation) as (target, attackers):
        (await attackers.wire()).writer.transport.abort()
        one = await attackers.wire()
        await one.send(first_message(federation, target))
        one.writer.transport.abort()
        for sent in (0, 1, 5278, 5279):
            speaker, _, m3 = await shaken_to(attackers, target)
            await speaker.wire.send(m3[:sent])
            speaker.wire.writer.transport.abort()
        member = Identity.generate(1)
        stranger = await attackers.stranger(member)
        await stranger.tell(attackers.hello(member))
        stranger.wire.writer.transport.abort()
        stranger = await attackers.stranger(member)
        await stranger.tell(attackers.hello(member))
        await stranger.heard_message(Hello)
        session = stranger.connection.session
        assert session is not None
        half = await attackers.wire()
        await half.send(*Connection.dial_bulk(session.bulk).data_to_send())
        half.writer.transport.abort()
        stranger.wire.writer.transport.abort()
        control, _ = await attackers.member(member)
        control.wire.writer.transport.abort()
        await until("only the friend is left", lambda: len(target.peers._live) == 1)
        assert not target.listener._pending
        assert not target.peers.bulk_secrets


# right after the handshake


async def test_stranger_with_a_certificate_of_another_federation_is_refused(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with besieged(federation) as (target, attackers):
        rogue, founder = Identity.generate(1), Identity.generate(1)
        for certificate, why in (
            (certificates.issue(founder, federation.id, rogue, "x", now=1), "not signed"),
            (certificates.issue(federation.founder, bytes(32), rogue, "x", now=1), "federation"),
            (os.urandom(5000), "refused"),
        ):
            stranger = await attackers.stranger(rogue)
            await stranger.tell(Hello(software="x", certificate=certificate))
            closed = await stranger.end()
            assert closed is not None
            assert closed.code == ErrorCode.NOT_ADMITTED
            assert why in closed.reason
            assert closed.reason[:60] in caplog.text
        assert len(target.peers.members) == 2


async def test_stranger_with_the_certificate_of_another_node_is_refused(
    federation: Federation,
) -> None:
    async with besieged(federation) as (_, attackers):
        stranger = await attackers.stranger()
        await stranger.tell(Hello(software="x", certificate=federation.nodes[1].certificate))
        closed = await stranger.end()
        assert closed is not None
        assert closed.code == ErrorCode.NOT_ADMITTED
        assert "showed the certificate of" in closed.reason


async def test_stranger_without_a_hello_sees_no_certificate_and_no_blob(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with besieged(federation, timing=HURRIED) as (_, attackers):
        stranger = await attackers.stranger()
        with pytest.raises(ConnectionResetError):
            await attackers.bulk(stranger)
        closed = await stranger.end()
        assert closed is not None
        assert closed.code == ErrorCode.NOT_ADMITTED
        assert "timed out" in caplog.text
        assert not any(isinstance(event, MessageReceived) for event in stranger.events)


async def test_stranger_that_speaks_before_its_hello_is_refused(federation: Federation) -> None:
    async with besieged(federation) as (_, attackers):
        for message in (
            Digest(members=()),
            Members(entries=()),
            Refused(about=1, error=1, reason=""),
        ):
            stranger = await attackers.stranger()
            await stranger.tell(message)
            closed = await stranger.end()
            assert closed is not None
            assert "before a hello" in closed.reason


async def test_stranger_with_a_wrong_token_is_refused_and_then_not_heard(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    async with besieged(federation, timing=HURRIED) as (target, attackers):
        token = await federation.token(target)
        errors = []
        for _ in range(7):
            stranger = await attackers.stranger()
            await stranger.tell(Join(token_id=token.token_id, secret=bytes(32), name="thief"))
            refused = await stranger.heard_message(Refused)
            assert isinstance(refused, Refused)
            errors.append(refused.error)
        assert errors == [ErrorCode.NOT_ADMITTED] * 5 + [ErrorCode.RATE_LIMITED] * 2
        assert token.secret.hex() not in caplog.text
        assert len(target.peers.members) == 2


async def test_silent_callers_take_no_place_from_a_member(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "MAX_STRANGERS", 5)
    async with besieged(federation) as (target, attackers):
        for _ in range(12):
            await attackers.stranger()
        await until("the oldest are gone", lambda: len(target.peers._live) <= 1 + 5)
        late = await federation.node("late", knows=(target,))
        await until("a member comes in", lambda: len(late.peers.connected()) == 3)


async def test_member_at_two_places_keeps_the_newest_session(federation: Federation) -> None:
    async with besieged(federation) as (target, attackers):
        member = Identity.generate(1)
        first, _ = await attackers.member(member)
        second, _ = await attackers.member(member)
        closed = await first.end()
        assert closed is not None
        assert closed.code == ErrorCode.DUPLICATE_SESSION
        await until("served", lambda: member.node_id in target.peers.connected())
        await second.say(MessageFrame(Digest(members=()).encode()))
        await second.heard_message(Members)
