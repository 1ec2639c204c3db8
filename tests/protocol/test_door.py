from __future__ import annotations

import pytest
from protocol_pair import endpoint

from qrfld.protocol.door import Door
from qrfld.protocol.errors import SilentRejectError
from qrfld.protocol.tickets import TicketGate, Tickets


def door() -> Door:
    return Door(endpoint("bob"), {}, None, TicketGate(Tickets(), 0.0))


@pytest.mark.parametrize(
    ("magic", "kind"), [(b"QRFL", "control"), (b"QRFB", "bulk"), (b"QRFS", "control")]
)
def test_first_four_bytes_tell_the_kind(magic: bytes, kind: str) -> None:
    step = door()
    for length in range(4):
        assert step.needed(magic[:length]) == 4
        assert step.kind is None
    assert step.needed(magic) > 4
    assert step.kind == kind


@pytest.mark.parametrize("start", [b"\x16", b"QX", b"QRX", b"QRFX", b"QRFl"])
def test_first_byte_that_fits_none_is_refused(start: bytes) -> None:
    with pytest.raises(SilentRejectError, match=start.hex()):
        door().needed(start)


def test_node_without_tickets_takes_a_resumption_for_another_protocol() -> None:
    with pytest.raises(SilentRejectError, match=b"QRFS".hex()):
        Door(endpoint("bob"), {}, None).needed(b"QRFS")


def test_message_without_a_beginning_is_refused() -> None:
    with pytest.raises(SilentRejectError):
        door().receive(b"")
