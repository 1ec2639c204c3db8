from __future__ import annotations

from fuzz.distil import chosen, steps
from fuzz.targets import Target, load

FRAMES = load("frames")


def test_inputs_that_take_new_steps_are_chosen() -> None:
    ping, close = b"\0\x0212345678", b"\0\x04\0\0bye"
    kept = chosen(FRAMES, [ping, close, b"\0\x02abcdefgh", b"\1" + ping[1:]], 1000)
    assert set(kept) == {ping, close}


def test_no_more_is_chosen_than_fits() -> None:
    kept = chosen(FRAMES, FRAMES.seeds(), 40)
    assert kept
    assert sum(map(len, kept)) <= 40


def test_input_that_breaks_the_invariant_is_not_chosen() -> None:
    def check(data: bytes) -> None:
        FRAMES.check(data)
        assert data != b"\0\x05"

    target = Target("frames", "", check, list, 100, 1)
    assert chosen(target, [b"\0\x05", b"\0\x0212345678"], 1000) == [b"\0\x0212345678"]


def test_steps_are_those_of_the_code_under_test() -> None:
    assert steps(FRAMES, b"") == set()
    assert steps(FRAMES, b"\0\x05") - steps(FRAMES, b"\0\x06")
