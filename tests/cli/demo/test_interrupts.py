from __future__ import annotations

import os
import signal

import pytest

from qrfld.cli.demo.interrupts import SIGNALS, Interrupts


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_takes_effect_at_the_next_pause_only(number: signal.Signals) -> None:
    with Interrupts() as interrupts:
        interrupts.pause()
        os.kill(os.getpid(), number)
        assert interrupts.asked
        with pytest.raises(KeyboardInterrupt):
            interrupts.pause()


def test_leaving_puts_the_handlers_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
