"""Admitted members that attack: what one peer may cost, and that it costs nobody else.

Each attack runs beside two honest members that keep talking; see `attacker.undisturbed` for what it
must not touch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop
from attacker import Attackers, Speaker, undisturbed
from mesh import FAST, PATIENCE, Federation, MeshNode, until

from qrfld.crypto import addresses
from qrfld.crypto.identity import Identity, NodeId
from qrfld.errors import QrfldError
from qrfld.net import limits, link, session, transfer
from qrfld.net.errors import TransferError
from qrfld.net.timing import Timing
from qrfld.protocol.errors import ErrorCode
from qrfld.protocol.events import ChunkReceived, StreamReset
from qrfld.protocol.frames import (
    Chunk,
    Close,
    Credit,
    Frame,
    Get,
    MessageFrame,
    Ping,
    Reset,
    StreamCredit,
)
from qrfld.protocol.messages import (
    Digest,
    MemberEntry,
    Members,
    RunEnd,
    RunOffer,
    RunSync,
    TrainingFailed,
)

IMPATIENT = Timing(
    head_start=0.1, tick=0.1, silence=1.0, stall=0.4, backoff_first=0.05, backoff_most=0.5
)
BLOCKED = asyncio.Event  # a handler that waits on one of these never ends


@contextlib.asynccontextmanager
async def infiltrated(
    federation: Federation, *, timing: Timing = FAST, buffer: int | None = None
) -> AsyncIterator[Rogue]:
    """A node that talks to another, and has a session with a member that attacks it."""
    target = await federation.node("target", timing=timing)
    friend = await federation.node("friend", knows=(target,), timing=timing)
    attackers, identity = Attackers(target, federation), Identity.generate(1)
    try:
        async with undisturbed(target, friend):
            control, bulk = await attackers.member(identity, buffer=buffer)
            rogue = Rogue(target, friend, attackers, identity, control, bulk)
            await until("served", lambda: rogue.node_id in target.peers.connected())
            yield rogue
    finally:
        await attackers.close()


class Rogue:
    """The member that attacks."""

    def __init__(
        self,
        target: MeshNode,
        friend: MeshNode,
        attackers: Attackers,
        identity: Identity,
        control: Speaker,
        bulk: Speaker,
    ) -> None:
        self.target, self.friend, self.attackers = target, friend, attackers
        self.identity, self.control, self.bulk = identity, control, bulk
        self.node_id: NodeId = identity.node_id
        self.session = target.peers.sessions.get(identity.node_id)

    @property
    def served(self) -> session.Session:
        """The target's end of our session."""
        return self.target.peers.sessions[self.node_id]

    def fetch(self, blob: bytes, size: int) -> asyncio.Task[object]:
        """Have the target fetch a blob from us."""
        return asyncio.create_task(self.target.peers.fetch(self.node_id, blob, size))

    async def block(self, kind: type[RunOffer]) -> None:
        """Have the target be slow to deal with a kind of message."""

        async def never(_: NodeId, __: RunOffer) -> None:
            await BLOCKED().wait()

        self.target.peers.handle(kind, never)


# records and frames


def replayed(speaker: Speaker) -> list[bytes]:
    record = speaker.sealed(Ping(bytes(8)))
    return [record, record]


def reordered(speaker: Speaker) -> list[bytes]:
    return [speaker.sealed(Ping(bytes(8))) for _ in range(3)][::-1]


ATTACKS: list[tuple[str, Callable[[Speaker], list[bytes]], ErrorCode]] = [
    ("control", lambda _: [(40).to_bytes(4) + os.urandom(40)], ErrorCode.BAD_RECORD),
    ("control", lambda _: [os.urandom(5000)], ErrorCode.BAD_RECORD),
    ("control", lambda _: [(65601).to_bytes(4)], ErrorCode.BAD_RECORD),
    ("control", lambda _: [b"\xff" * 4], ErrorCode.BAD_RECORD),
    ("control", lambda _: [bytes(4)], ErrorCode.BAD_RECORD),
    ("control", replayed, ErrorCode.BAD_RECORD),
    ("control", reordered, ErrorCode.BAD_RECORD),
    ("bulk", replayed, ErrorCode.BAD_RECORD),
    ("bulk", lambda _: [b"\xff" * 4], ErrorCode.BAD_RECORD),
    ("control", lambda s: [s.sealed(b"\x7f")], ErrorCode.BAD_FRAME),
    ("control", lambda s: [s.sealed(b"\x02short")], ErrorCode.BAD_FRAME),
    ("bulk", lambda s: [s.sealed(b"\x10" + bytes(7))], ErrorCode.BAD_FRAME),
    ("control", lambda s: [s.sealed(Get(1, bytes(32), 0, 1))], ErrorCode.UNEXPECTED_FRAME),
    ("bulk", lambda s: [s.sealed(MessageFrame(b"\0\1\x80"))], ErrorCode.UNEXPECTED_FRAME),
    ("control", lambda s: [s.sealed(MessageFrame(b"\0\x80\x80"))], ErrorCode.BAD_MESSAGE),
    ("control", lambda s: [s.sealed(MessageFrame(b"\0\6\xc1"))], ErrorCode.BAD_MESSAGE),
    (
        "control",
        lambda s: [s.sealed(MessageFrame(b"\0\4" + os.urandom(999)))],
        ErrorCode.BAD_MESSAGE,
    ),
    ("control", lambda s: [s.sealed(Credit(1))], ErrorCode.CREDIT_EXCEEDED),
    ("bulk", lambda s: [s.sealed(Chunk(2, 0, False, b"x"))], ErrorCode.BAD_STREAM),
    ("bulk", lambda s: [s.sealed(Chunk(1, 0, True, b"x"))], ErrorCode.BAD_STREAM),
    ("bulk", lambda s: [s.sealed(StreamCredit(1, 9))], ErrorCode.BAD_STREAM),
    ("bulk", lambda s: [s.sealed(Reset(2, 0))], ErrorCode.BAD_STREAM),
    ("bulk", lambda s: [s.sealed(Get(2, bytes(32), 0, 1))], ErrorCode.BAD_STREAM),
]


async def test_member_that_breaks_a_rule_is_told_which_and_loses_its_session(
    federation: Federation,
) -> None:
    async with infiltrated(federation) as rogue:
        for number, (kind, attack, code) in enumerate(ATTACKS):
            control, bulk = await rogue.attackers.member(rogue.identity)
            await until("served", lambda: rogue.node_id in rogue.target.peers.connected())
            speaker = control if kind == "control" else bulk
            await speaker.wire.send(*attack(speaker))
            closed = await speaker.end()
            assert closed is not None, number
            assert closed.code == code, number
            await until("gone", lambda: rogue.node_id not in rogue.target.peers.sessions)


async def test_messages_of_a_later_version_are_ignored(federation: Federation) -> None:
    async with infiltrated(federation) as rogue:
        await rogue.control.say(*(MessageFrame(b"\x7f\x01" + os.urandom(5000)),) * 100)
        await rogue.control.tell(Digest(members=()))
        await rogue.control.heard_message(Members)


async def test_messages_after_a_goodbye_reach_nobody(federation: Federation) -> None:
    async with infiltrated(federation) as rogue:
        heard = []

        async def hear(_: NodeId, message: RunEnd) -> None:
            heard.append(message)

        rogue.target.peers.handle(RunEnd, hear)
        end = RunEnd(run=bytes(16), state=1, reason="")
        await rogue.control.say(Close(0, "bye"), MessageFrame(end.encode()))
        await until("gone", lambda: rogue.node_id not in rogue.target.peers.sessions)
        assert heard == []


# floods


async def test_member_that_pings_and_never_reads_is_dropped(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(link, "MAX_UNSENT", 128 * 1024)
    caplog.set_level(logging.INFO)
    async with infiltrated(federation, buffer=4096) as rogue:
        ping: Frame = Ping(bytes(8))
        pieces = (b"".join(rogue.control.sealed(ping) for _ in range(500)) for _ in range(2000))
        served = rogue.served
        assert served.control._transport is not None
        sock = served.control._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        flood = asyncio.create_task(rogue.control.flood(pieces))
        await until("dropped", served.closed.is_set)
        flood.cancel()
        assert "does not read what it asked for" in str(served.error)


async def test_member_that_floods_small_messages_is_held(federation: Federation) -> None:
    async with infiltrated(federation) as rogue:
        await rogue.block(RunOffer)
        served = rogue.served
        empty = MessageFrame(Members(entries=()).encode())
        await rogue.control.tell(RunOffer(config=b"x"))
        pieces = (b"".join(rogue.control.sealed(empty) for _ in range(500)) for _ in range(30))
        flood = asyncio.create_task(rogue.control.flood(pieces))
        await until("held", lambda: served.control.held)
        await asyncio.sleep(0.2)
        assert served.messages.qsize() < 2 * session.MAX_WAITING_MESSAGES
        assert not served.closed.is_set()
        flood.cancel()


async def test_member_that_sends_beyond_its_credit_loses_its_session(
    federation: Federation,
) -> None:
    async with infiltrated(federation) as rogue:
        await rogue.block(RunOffer)
        await rogue.control.tell(*(RunOffer(config=bytes(60_000)),) * 5)
        closed = await rogue.control.end()
        assert closed is not None
        assert closed.code == ErrorCode.CREDIT_EXCEEDED


async def test_member_that_gives_no_credit_delays_no_broadcast(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with infiltrated(federation, timing=IMPATIENT) as rogue:
        served, friend = rogue.served, rogue.friend
        heard = asyncio.Event()

        async def hear(_: NodeId, message: TrainingFailed) -> None:
            heard.set()

        friend.peers.handle(TrainingFailed, hear)
        everybody = [rogue.node_id, friend.identity.node_id]
        big = RunOffer(config=bytes(60_000))
        ping = asyncio.create_task(pinging(rogue.control))
        for _ in range(8):
            await rogue.target.peers.broadcast(everybody, big)
        last = TrainingFailed(run=bytes(16), round=1, reason="last")
        await rogue.target.peers.broadcast(everybody, last)
        assert served._outbox  # nobody has waited for it
        await asyncio.wait_for(heard.wait(), PATIENCE)
        await until("given up", served.closed.is_set)
        ping.cancel()
        assert "reads no messages" in str(served.error)


async def pinging(speaker: Speaker) -> None:
    """Be alive, and no more."""
    while await speaker.say(Ping(bytes(8))):
        await asyncio.sleep(0.2)


async def test_member_for_which_too_many_messages_wait_is_dropped(federation: Federation) -> None:
    async with infiltrated(federation) as rogue:
        served, big = rogue.served, RunOffer(config=bytes(60_000))
        for _ in range(session.MAX_OUTBOX + 10):
            await rogue.target.peers.broadcast([rogue.node_id], big)
        assert served.closed.is_set()


async def test_member_whose_digests_know_nobody_is_answered_a_few_times(
    federation: Federation,
) -> None:
    async with infiltrated(federation) as rogue:
        strangers = tuple((os.urandom(32), 2**63 - 1) for _ in range(1000))
        served = rogue.served
        before = served.control.bytes_sent
        for _ in range(60):
            await rogue.control.tell(Digest(members=strangers))
        await rogue.control.tell(RunSync(run=bytes(16), next_round=77))
        await until("all were read", lambda: served.messages.empty())
        assert served.control.bytes_sent - before < 6 * 20_000  # three members and credit, 4 times
        assert not served.closed.is_set()


async def test_member_that_sends_garbage_certificates_loses_its_session_and_its_hearing(
    federation: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    async with infiltrated(federation) as rogue:
        garbage = Members(entries=(MemberEntry(certificate=os.urandom(5000)),) * 7)
        assert not await rogue.control.say_within_credit(garbage for _ in range(200))
        closed = await rogue.control.end()
        assert closed is None or closed.code == ErrorCode.RATE_LIMITED
        await until("gone", lambda: rogue.node_id not in rogue.target.peers.sessions)
        again = await rogue.attackers.stranger(rogue.identity)
        await again.tell(rogue.attackers.hello(rogue.identity))
        closed = await again.end()
        assert closed is not None
        assert "too much nonsense" in closed.reason
        warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert len(warnings) <= limits.OFFENCES.burst + 5
        assert len(rogue.target.peers.members) == 3


async def test_garbage_does_not_keep_a_new_member_from_spreading(federation: Federation) -> None:
    async with infiltrated(federation) as rogue:
        fresh = Identity.generate(1)
        entries = (
            MemberEntry(certificate=federation.certificate(fresh)),
            MemberEntry(certificate=b"garbage"),
        )
        await rogue.control.tell(Members(entries=entries))
        await until("known", lambda: rogue.friend.peers.members.get(fresh.node_id))


async def test_member_that_moves_a_thousand_times_is_followed_a_few_times(
    federation: Federation,
) -> None:
    async with infiltrated(federation) as rogue:
        certificate = federation.certificate(rogue.identity)
        nodes = (rogue.target, rogue.friend)

        def record(sequence: int) -> MemberEntry:
            signed = addresses.issue(rogue.identity, federation.id, sequence, ["127.0.0.1:1"])
            return MemberEntry(certificate=certificate, addresses=signed)

        count = 1000 if isinstance(asyncio.get_running_loop(), uvloop.Loop) else 100
        moves = (Members(entries=(record(sequence),)) for sequence in range(1, count + 1))
        assert await rogue.control.say_within_credit(moves)
        served = rogue.served
        await until("all were read", lambda: served.messages.empty() and not served.control.held)
        for node in nodes:
            known = node.peers.members.get(rogue.node_id)
            assert known is not None
            assert 0 < known.sequence <= limits.RECORDS.burst + 2
        assert not served.closed.is_set()


# blobs


async def test_member_that_floods_requests_is_served_its_share(federation: Federation) -> None:
    async with infiltrated(federation) as rogue:
        blob = rogue.target.blobs.put_bytes(bytes(1000))
        served, connection = rogue.served, rogue.bulk.connection
        for _ in range(20):
            for _ in range(100):
                stream = connection.next_stream
                connection.send_get(stream, blob, 0, 0)
                connection.send_reset(stream, 0)
            assert await rogue.bulk.flush()
        last = await rogue.bulk.get(blob, 0, 1000)
        while (event := await rogue.bulk.heard(StreamReset)).stream != last:
            pass
        assert event.code == ErrorCode.RATE_LIMITED
        await until("none is left", lambda: not served.outgoing and served.requests.empty())
        assert not served.closed.is_set()


async def test_member_that_asks_for_too_much_at_once_loses_its_session(
    federation: Federation,
) -> None:
    async with infiltrated(federation) as rogue:
        blob = rogue.target.blobs.put_bytes(bytes(1000))
        await rogue.bulk.say(*(Get(stream, blob, 0, 0) for stream in range(1, 19, 2)))
        closed = await rogue.bulk.end()
        assert closed is not None
        assert closed.code == ErrorCode.TOO_MANY_STREAMS


async def test_requests_beyond_a_blob_and_for_none_are_refused(federation: Federation) -> None:
    async with infiltrated(federation) as rogue:
        blob = rogue.target.blobs.put_bytes(bytes(1000))
        await rogue.bulk.get(blob, 1001, 2000)
        await rogue.bulk.get(bytes(32), 0, 10)
        await rogue.bulk.get(blob, 2**62, 2**63 - 1)
        for _ in range(3):
            assert (await rogue.bulk.heard(StreamReset)).code == ErrorCode.NOT_FOUND
        await rogue.bulk.get(blob, 1000, 1000)  # its very end is no mistake
        chunk = await rogue.bulk.heard(ChunkReceived)
        assert (len(chunk.data), chunk.last) == (0, True)


async def test_member_that_asks_and_gives_no_credit_is_reset(federation: Federation) -> None:
    async with infiltrated(federation, timing=IMPATIENT) as rogue:
        blob = rogue.target.blobs.put_bytes(bytes(1000))
        for _ in range(8):
            await rogue.bulk.get(blob, 0, 10)
        ping = asyncio.create_task(pinging(rogue.control))
        codes = {(await rogue.bulk.heard(StreamReset)).code for _ in range(8)}
        ping.cancel()
        assert codes == {ErrorCode.CANCELLED}
        await until("none is left", lambda: not rogue.served.outgoing)


async def test_member_that_asks_and_never_reads_makes_us_hold_little(
    federation: Federation,
) -> None:
    async with infiltrated(federation, buffer=4096) as rogue:
        served = rogue.served
        blobs = [rogue.target.blobs.put_bytes(os.urandom(6_000_000)) for _ in range(8)]
        ends = [(2 * n + 1, blob) for n, blob in enumerate(blobs)]
        await rogue.bulk.say(*(Get(stream, blob, 0, 6_000_000) for stream, blob in ends))
        bulk = served.bulk
        assert bulk is not None
        await until("the socket is full", lambda: not bulk._writable.is_set())
        await asyncio.sleep(0.2)
        assert bulk._transport is not None
        assert bulk._transport.get_write_buffer_size() <= link.MAX_UNSENT
        assert not served.closed.is_set()


async def test_supplier_of_tiny_chunks_is_held_while_the_disk_is_slow(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "BULK_READ_BUFFER", link.READ_BUFFER)
    async with infiltrated(federation) as rogue:
        served, loop, disk = rogue.served, asyncio.get_running_loop(), threading.Event()
        fetch = rogue.fetch(os.urandom(32), 8_000_000)
        await until("asked", lambda: served.incoming)
        (source,) = served.incoming.values()
        busy = [loop.run_in_executor(None, disk.wait) for _ in range(64)]  # all there are
        pieces = (
            b"".join(rogue.bulk.sealed(Chunk(2, at, False, b"x")) for at in range(n, n + 500))
            for n in range(0, 2_500, 500)
        )
        flood = asyncio.create_task(rogue.bulk.flood(pieces))
        try:
            await until("held", lambda: served.bulk is not None and served.bulk.held)
            await until("all is sent or stuck", lambda: flood.done())
            # A full read buffer of the smallest records, and what waited before.
            assert source.queue.qsize() < link.BULK_READ_BUFFER // 34 + session.MAX_WAITING_CHUNKS
        finally:
            disk.set()
        await asyncio.gather(*busy)
        await until("the rest came", lambda: served.bulk is not None and not served.bulk.held)
        fetch.cancel()
        await asyncio.gather(fetch, flood, return_exceptions=True)
        await until("given up", lambda: not served.incoming)


async def test_supplier_that_breaks_a_rule_loses_its_session(federation: Federation) -> None:
    attacks = [
        ([Chunk(2, 5, False, b"x")], ErrorCode.BAD_STREAM),
        ([Chunk(2, 0, False, b"x"), Chunk(2, 0, False, b"x")], ErrorCode.BAD_STREAM),
        ([Chunk(2, 0, True, b"x" * 1001)], ErrorCode.CREDIT_EXCEEDED),
        ([Chunk(4, 0, True, b"x")], ErrorCode.BAD_STREAM),
    ]
    async with infiltrated(federation) as rogue:
        for chunks, code in attacks:
            _, bulk = await rogue.attackers.member(rogue.identity)
            await until("served", lambda: rogue.node_id in rogue.target.peers.connected())
            fetch = rogue.fetch(os.urandom(32), 1000)
            await until("asked", lambda: rogue.served.incoming)
            await bulk.say(*chunks)
            closed = await bulk.end()
            assert closed is not None
            assert closed.code == code
            with pytest.raises(TransferError, match="ended during a transfer"):
                await fetch
            await until("gone", lambda: rogue.node_id not in rogue.target.peers.sessions)


async def test_supplier_of_the_wrong_thing_leaves_nothing_behind(federation: Federation) -> None:
    attacks: list[tuple[Callable[[int], Frame], str]] = [
        (lambda stream: Chunk(stream, 0, True, bytes(1000)), "content of blob"),
        (lambda stream: Chunk(stream, 0, True, bytes(10)), "10 bytes came instead of 1000"),
        (lambda stream: Chunk(stream, 0, False, bytes(1000)), "more than 1000 bytes"),
        (lambda stream: Reset(stream, ErrorCode.NOT_FOUND), "does not send the blob"),
        (lambda stream: Chunk(stream, 0, False, bytes(10)), "sent nothing for 0.4 s"),
    ]
    async with infiltrated(federation, timing=IMPATIENT) as rogue:
        served = rogue.served
        ping = asyncio.create_task(pinging(rogue.control))
        for chunk, why in attacks:
            fetch = rogue.fetch(os.urandom(32), 1000)
            await until("asked", lambda: served.incoming)
            await rogue.bulk.say(chunk(*served.incoming))
            with pytest.raises(QrfldError, match=why):
                await fetch
            assert rogue.target.blobs.names() == []
            assert served.fetching._value == 8
        ping.cancel()
        assert not served.closed.is_set()


async def test_supplier_that_trickles_is_too_slow_on_the_whole(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MIN_BYTES_PER_SECOND", 5000)
    async with infiltrated(federation, timing=IMPATIENT) as rogue:
        fetch = rogue.fetch(os.urandom(32), 1000)
        await until("asked", lambda: rogue.served.incoming)
        at = 0
        while not fetch.done() and at < 100:
            await rogue.bulk.say(Chunk(2, at, False, b"x"))
            await rogue.control.say(Ping(bytes(8)))
            at += 1
            await asyncio.sleep(0.05)
        with pytest.raises(TransferError, match="did not send 1000 bytes in 1 s"):
            await fetch


async def test_supplier_that_stalls_keeps_nobody_from_the_same_blob(
    federation: Federation,
) -> None:
    async with infiltrated(federation) as rogue:
        friend, data = rogue.friend, os.urandom(300_000)
        blob = friend.blobs.put_bytes(data)
        stalled = rogue.fetch(blob, len(data))
        lied = rogue.fetch(blob, 1 << 20)
        await until("asked", lambda: len(rogue.served.incoming) == 2)
        path = await rogue.target.peers.fetch(friend.identity.node_id, blob, len(data))
        assert path.read_bytes() == data
        stalled.cancel()
        lied.cancel()
        await asyncio.gather(stalled, lied, return_exceptions=True)
        await until("both have ended", lambda: not rogue.served.incoming)
        await until("the spool is empty", lambda: not list(rogue.target.blobs._spool.iterdir()))
