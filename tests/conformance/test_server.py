"""The catalogue against our own node: it conforms, and a node with a check less does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mesh import FAST, Federation

from qrfld.conformance import report, runner, server
from qrfld.conformance.cases import blobs
from qrfld.conformance.verdict import Result, TargetError, Verdict
from qrfld.conformance.wire import Pace
from qrfld.crypto import canonical, encoding
from qrfld.crypto.identity import Identity, PublicIdentity
from qrfld.crypto.signed import Signed
from qrfld.crypto.suites import Suite
from qrfld.net import peers, transfer
from qrfld.net.timing import Timing
from qrfld.protocol import (
    bulk,
    connection,
    credit,
    frames,
    handshake,
    records,
    streams,
    tickets,
    wire,
)
from qrfld.protocol.session import BulkSecret, Opened, Outcome

#: The recommended waits are awaited in the catalogue; nobody needs the real ones for that.
QUICK = Timing(head_start=0.1, tick=0.1, silence=1.0, admission=1.0)
FAST_ENOUGH = 1.5
#: Whether these come about hangs on how fast the node reads.
UNDECIDED = {"credit-exceeded"}


async def run(
    federation: Federation,
    *only: str,
    timing: Timing = FAST,
    prompt: float = FAST_ENOUGH,
    token: bool = True,
) -> list[Result]:
    node = await federation.node("tested", timing=timing, handshake_seconds=2.0)
    given = await federation.token(node) if token else None
    pace = Pace(1_000, 1_000)
    _, plans = await server.plans(node.address, given, None, prompt=prompt, pace=pace)
    return [result async for result in runner.judge(runner.chosen(plans, only))]


def without_blobs() -> list[str]:
    """A mesh alone trains nothing: tests/cli/test_conformance.py has a daemon for those cases."""
    training = {case.id for case in blobs.CASES}
    return [case.id for case in server.catalogue() if case.id not in training]


def broken(results: list[Result]) -> list[str]:
    return [line for r in results if r.verdict is not Verdict.PASSED for line in report.lines(r)]


async def test_our_node_keeps_every_rule_of_the_catalogue(federation: Federation) -> None:
    results = await run(federation, *without_blobs(), timing=QUICK)
    assert broken([r for r in results if r.id not in UNDECIDED]) == []
    assert [r.id for r in results] == without_blobs()


async def test_stranger_without_a_token_tests_the_door_only(federation: Federation) -> None:
    results = await run(federation, "magic*", "m1*", "m3*", token=False)
    assert [r.id for r in results] == ["magic-first-byte", "magic-last-byte", "m1-cut-short"]
    assert broken(results) == []


def test_ids_of_the_catalogue_are_unique() -> None:
    ids = [case.id for case in server.catalogue()]
    assert len(set(ids)) == len(ids)


Mutation = Callable[[pytest.MonkeyPatch], None]


def mac1_unchecked(patch: pytest.MonkeyPatch) -> None:
    original = wire.parse_m1

    def parse(message: bytes, ours: Suite, federation: bytes, responder: bytes) -> wire.Hello1:
        body = message[:-16]
        right = wire.mac1(federation, responder, body)
        return original(body + right, ours, federation, responder)

    patch.setattr(wire, "parse_m1", parse)


def flags_ignored(patch: pytest.MonkeyPatch) -> None:
    original = wire.parse_m1
    patch.setattr(wire, "parse_m1", lambda *given: replace(original(*given), flags=wire.FLAGS))


def signature_unverified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handshake, "_verify", lambda *_: None)


def offers_uncounted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wire, "MAX_OFFERS", 255)


def own_identity_accepted(patch: pytest.MonkeyPatch) -> None:
    def presented(payload: bytes, chosen: Suite, own: Identity) -> tuple[PublicIdentity, bytes]:
        public_key, signature = wire.parse_payload(payload, chosen)
        return PublicIdentity(chosen.id, public_key), signature

    patch.setattr(handshake, "_presented", presented)
    patch.setattr(handshake, "_verify", lambda *_: None)


def macs_unchecked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bulk.hmac, "compare_digest", lambda *_: True)


def bulk_unconfirmed(patch: pytest.MonkeyPatch) -> None:
    def confirm(
        self: bulk.BulkResponder, secret: BulkSecret, opened: Opened, message: bytes
    ) -> Outcome:
        return Outcome(opened=opened)

    patch.setattr(bulk.BulkResponder, "_confirm", confirm)


def record_length_unbounded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(connection, "MAX_CONTROL_SEALED", 2**32 - 1)


def key_update_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(records.Opener, "step", lambda _: None)


def credit_may_fall(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(credit.MessageCredit, "grant", lambda *_: None)


def no_credit_is_granted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(credit.MessageCredit, "consume", lambda *_: None)


def frames_go_anywhere(patch: pytest.MonkeyPatch) -> None:
    every = frozenset(frames.FrameType) - {frames.FrameType.BULK_CONFIRM}
    patch.setattr(frames, "ALLOWED", {"control": every, "bulk": every})


def encodings_uncompared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(encoding, "_check_same", lambda *_: None)


def long_integers_accepted(patch: pytest.MonkeyPatch) -> None:
    any_size = {tag: (size, 0) for tag, (size, _) in canonical._UNSIGNED.items()}
    patch.setattr(canonical, "_UNSIGNED", any_size)


def streams_without_parity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(streams.Supplies, "get", lambda *_: None)


def certificates_unchecked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Signed, "verify", lambda *_: None)


def sessions_doubled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(peers.Peers, "_keep", lambda *_: True)


def blobs_unanswered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transfer.Transfers, "_reset", lambda *_: None)


def tickets_unspent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tickets.TicketGate, "use", lambda *_: None)


def older_tickets_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tickets.Tickets, "forget", lambda *_: None)


MUTANTS: list[tuple[Mutation, str]] = [
    (mac1_unchecked, "mac1-last-byte"),
    (mac1_unchecked, "mac1-of-a-stranger"),
    (flags_ignored, "flags"),
    (signature_unverified, "m3-signature"),
    (signature_unverified, "m3-context"),
    (own_identity_accepted, "m3-reflected"),
    (offers_uncounted, "offers-nine"),
    (macs_unchecked, "b1-mac"),
    (bulk_unconfirmed, "b3-garbage"),
    (record_length_unbounded, "record-too-long"),
    (key_update_ignored, "key-update"),
    (credit_may_fall, "credit-lowered"),
    (no_credit_is_granted, "credit-granted"),
    (frames_go_anywhere, "frame-bulk-credit"),
    (encodings_uncompared, "value-float-int"),
    (long_integers_accepted, "value-ignored-int-long"),
    (streams_without_parity, "stream-parity"),
    (certificates_unchecked, "hello-signature"),
    (sessions_doubled, "duplicate"),
    (blobs_unanswered, "get-not-found"),
    (tickets_unspent, "resume-once"),
    (older_tickets_kept, "resume-older"),
    (macs_unchecked, "resume-mac"),
]


@pytest.mark.parametrize(
    ("mutation", "case"), MUTANTS, ids=[f"{m.__name__}-{c}" for m, c in MUTANTS]
)
async def test_node_with_a_check_less_is_caught(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, mutation: Mutation, case: str
) -> None:
    mutation(monkeypatch)
    (result,) = await run(federation, case, prompt=0.5)
    assert result.verdict is Verdict.FAILED, result
    assert not report.conforms([result])


async def test_token_is_needed_once_and_the_folder_stands_for_it(
    federation: Federation, tmp_path: Path
) -> None:
    node = await federation.node("tested")
    folder = tmp_path / "tester"
    token = await federation.token(node)
    _, first = await server.plans(None, token, folder)
    where, again = await server.plans(None, None, folder)
    assert where == node.address
    assert len(first) == len(again) == len(server.catalogue())
    with pytest.raises(TargetError, match="the token was refused"):
        await server.plans(None, token, None)


async def test_nobody_listens_and_the_error_says_where() -> None:
    with pytest.raises(TargetError, match=r"127\.0\.0\.1:1 does not answer"):
        await server.plans("127.0.0.1:1", None, None)
    with pytest.raises(TargetError, match="neither an address nor a token"):
        await server.plans(None, None, None)
