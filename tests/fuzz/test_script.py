from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuzz.script import Script


@given(st.binary(max_size=60), st.binary(max_size=300))
def test_script_cuts_bytes_without_losing_any(script: bytes, data: bytes) -> None:
    pieces = Script(script).cut(data)
    assert b"".join(pieces) == data
    assert len(pieces) <= 4


def test_script_that_has_ended_gives_zeros_and_changes_nothing() -> None:
    script = Script(b"")
    assert not script.more
    assert (script.number(4), script.below(7), script.take(5), script.piece()) == (0, 0, b"", b"")
    assert script.changed(b"message") == b"message"
    assert script.cut(b"message") == [b"message"]


def test_script_gives_its_bytes_in_order() -> None:
    script = Script(b"\x01\x02\x03\x00\x02abrest")
    assert script.number(2) == 0x0102
    assert script.below(2) == 1
    assert script.piece() == b"ab"
    assert script.more
    assert script.rest() == b"rest"


def test_script_changes_a_message_in_every_way() -> None:
    changes = {
        b"\x01\x00\x02\x00\x01": b"abbdef",
        b"\x01\x00\x02\x01": b"ab",
        b"\x01\x00\x02\x02\x00\x02XY": b"abXYcdef",
        b"\x01\x00\x02\x03\x00\x02XY": b"abXYef",
        b"\x01\x00\x02\x04\x03": b"abf",
        b"\x02\x00\x00\x00\x01\x00\x05\x01": b"`bcde",
    }
    for script, changed in changes.items():
        assert Script(script).changed(b"abcdef") == changed


@given(st.binary(max_size=60), st.binary(max_size=300))
def test_script_changes_alike_each_time(script: bytes, data: bytes) -> None:
    assert Script(script).changed(data) == Script(script).changed(data)
