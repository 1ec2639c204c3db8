from __future__ import annotations

import pytest
from protocol_pair import endpoint

from qrfld.protocol.door import Door
from qrfld.protocol.errors import SilentRejectError


def door() -> Door:
    return Door(endpoint("bob"), {}, None)


@pytest.mark.parametrize(("magic", "kind"), [(b"QRFL", "control"), (b"QRFB", "bulk")])
def test_first_four_bytes_tell_the_kind(magic: bytes, kind: str) -> None:
    step = door()
    for length in range(4):
        assert step.needed(magic[:length]) == 4
        assert step.kind is None
    assert step.needed(magic) > 4
    assert step.kind == kind


@pytest.mark.parametrize("start", [b"\x16", b"QX", b"QRX", b"QRFX", b"QRFl"])
def test_first_byte_that_fits_neither_is_refused(start: bytes) -> None:
    with pytest.raises(SilentRejectError, match=start.hex()):
        door().needed(start)


def test_message_without_a_beginning_is_refused() -> None:
    with pytest.raises(SilentRejectError):
        door().receive(b"")
