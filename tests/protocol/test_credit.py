from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.protocol.credit import GRANT_STEP, INITIAL_CREDIT, MessageCredit
from qrfld.protocol.errors import CreditError, LocalProtocolError
from qrfld.protocol.messages import CODE_BYTES, MAX_MESSAGE_BYTES


def test_sending_beyond_the_credit_is_refused_locally() -> None:
    credit = MessageCredit()
    credit.send(INITIAL_CREDIT)
    assert credit.available == 0
    with pytest.raises(LocalProtocolError):
        credit.send(1)


def test_receiving_beyond_the_grant_is_refused() -> None:
    credit = MessageCredit()
    credit.receive(INITIAL_CREDIT)
    with pytest.raises(CreditError):
        credit.receive(1)


def test_grant_goes_out_in_steps() -> None:
    credit = MessageCredit()
    credit.receive(INITIAL_CREDIT)
    assert credit.consume(GRANT_STEP - 1) is None
    assert credit.consume(1) == INITIAL_CREDIT + GRANT_STEP
    assert credit.consume(1) is None
    credit.receive(GRANT_STEP)
    with pytest.raises(CreditError):
        credit.receive(1)


def test_consuming_what_never_came_is_refused_locally() -> None:
    credit = MessageCredit()
    credit.receive(10)
    credit.consume(10)
    for size in (1, -1):
        with pytest.raises(LocalProtocolError):
            credit.consume(size)


def test_grant_that_is_taken_back_is_refused() -> None:
    credit = MessageCredit()
    credit.grant(INITIAL_CREDIT)  # the same again grants nothing and harms nothing
    assert credit.available == INITIAL_CREDIT
    with pytest.raises(CreditError):
        credit.grant(INITIAL_CREDIT - 1)


@given(st.lists(st.integers(1, CODE_BYTES + MAX_MESSAGE_BYTES), max_size=60))
def test_peers_never_stall_and_never_hold_more_than_the_window(sizes: list[int]) -> None:
    sender, receiver, unread = MessageCredit(), MessageCredit(), 0
    for size in sizes:
        if size > sender.available:
            limit = receiver.consume(unread)  # the reader catches up
            unread = 0
            assert limit is not None
            sender.grant(limit)
        sender.send(size)
        receiver.receive(size)
        unread += size
        assert unread <= INITIAL_CREDIT
