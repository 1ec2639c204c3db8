"""The chain of records: what continues it, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from run_statements import FEDERATION, config, record, sealed

from qrfld.crypto.errors import EncodingError, InvalidSignatureError
from qrfld.crypto.identity import Identity
from qrfld.protocol.statements import FIRST_RECORD, UpdateEntry, Verdict
from qrfld.rounds.errors import RecordRefusedError
from qrfld.rounds.ledger import Ledger, read_config, read_record

COORDINATOR = Identity.generate(1)
MEMBER = Identity.generate(1).node_id
STRANGER = Identity.generate(1).node_id


def ledger(**changes: Any) -> Ledger:
    statement = config(COORDINATOR, [COORDINATOR.node_id, MEMBER], **changes)
    return Ledger.open(statement, COORDINATOR, FEDERATION)


def grown(held: int, **changes: Any) -> Ledger:
    """A ledger that holds some rounds already."""
    one = ledger(**changes)
    for number in range(1, held + 1):
        body = record(one.run, number, one.head, MEMBER)
        one.check(body)
        one.append(body, sealed(COORDINATOR, body)[1])
    return one


def test_ledger_of_a_new_run_expects_round_one() -> None:
    one = ledger()
    assert (one.next_round, one.head, one.last) == (1, FIRST_RECORD, None)
    assert one.members == [COORDINATOR.node_id, MEMBER]


def test_config_of_another_federation_is_refused() -> None:
    with pytest.raises(RecordRefusedError, match="another federation"):
        ledger(federation=b"o" * 32)


def test_config_that_names_another_coordinator_is_refused() -> None:
    with pytest.raises(RecordRefusedError, match="another coordinator"):
        ledger(coordinator=MEMBER)


def test_config_signed_by_another_is_refused() -> None:
    statement = config(COORDINATOR, [MEMBER])
    with pytest.raises(InvalidSignatureError):
        Ledger.open(statement, Identity.generate(1), FEDERATION)


def test_config_with_a_flipped_bit_is_refused() -> None:
    statement = bytearray(config(COORDINATOR, [MEMBER]))
    statement[60] ^= 1
    with pytest.raises((InvalidSignatureError, EncodingError)):
        Ledger.open(bytes(statement), COORDINATOR, FEDERATION)


def test_record_in_the_place_of_a_config_is_refused() -> None:
    statement, _ = sealed(COORDINATOR, record(b"r" * 16, 1, FIRST_RECORD, MEMBER))
    with pytest.raises(EncodingError):
        Ledger.open(statement, COORDINATOR, FEDERATION)


def test_records_in_order_make_a_chain() -> None:
    one = grown(3)
    assert one.next_round == 4
    assert one.last is not None
    assert one.last.round == 3


@pytest.mark.parametrize("number", [0, 1, 2, 4, 5, 2**32 - 1])
def test_record_of_any_round_but_the_next_is_refused(number: int) -> None:
    one = grown(2)
    with pytest.raises(RecordRefusedError, match=f"round {number} does not follow round 2"):
        one.check(record(one.run, number, one.head, MEMBER))


def test_record_that_follows_another_one_is_a_fork_and_refused() -> None:
    one = grown(2)
    with pytest.raises(RecordRefusedError, match="does not follow"):
        one.check(record(one.run, 3, b"p" * 32, MEMBER))


def test_record_of_another_run_is_refused() -> None:
    one = grown(1)
    with pytest.raises(RecordRefusedError, match="of run 3f3f"):
        one.check(record(b"?" * 16, 2, one.head, MEMBER))


UNLAWFUL: dict[str, tuple[dict[str, Any], str]] = {
    "another base model": ({"base_model": b"b" * 32}, "another model"),
    "another rule": ({"rule": "median"}, "the run's rule is 'mean'"),
    "another f": ({"f": 1}, "with f = 1"),
    "a straggler from outside": ({"stragglers": (STRANGER,)}, "no member"),
    "an update from outside": (
        {
            "updates": (
                UpdateEntry(node=STRANGER, update=bytes(32), samples=1, verdict=Verdict.USED),
            )
        },
        "no member",
    ),
    "no update": ({"updates": ()}, "used 0 updates, the quorum is 1"),
    "refused updates only": (
        {
            "updates": (
                UpdateEntry(node=MEMBER, update=bytes(32), samples=1, verdict=Verdict.REFUSED),
            )
        },
        "used 0 updates",
    ),
}


@pytest.mark.parametrize("what", UNLAWFUL)
def test_record_that_breaks_the_runs_own_rules_is_refused(what: str) -> None:
    changes, reason = UNLAWFUL[what]
    one = grown(2)
    with pytest.raises(RecordRefusedError, match=reason):
        one.check(record(one.run, 3, one.head, MEMBER, **changes))
    assert one.next_round == 3


def test_record_beyond_the_runs_last_round_is_refused() -> None:
    one = grown(2, rounds=2)
    with pytest.raises(RecordRefusedError, match="round 3 of a run of 2"):
        one.check(record(one.run, 3, one.head, MEMBER))


def test_statements_of_our_own_store_are_read_without_a_key() -> None:
    body = record(b"r" * 16, 1, FIRST_RECORD, MEMBER)
    assert read_record(sealed(COORDINATOR, body)[0]) == body
    assert read_config(config(COORDINATOR, [MEMBER])).members == (MEMBER,)
