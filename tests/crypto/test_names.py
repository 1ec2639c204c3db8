from __future__ import annotations

import pytest

from qrfld.crypto.names import name_flaw


@pytest.mark.parametrize("name", ["a", "lab", "Müllers Knoten", "日本", "a b", "x" * 64])
def test_name_that_people_give_is_accepted(name: str) -> None:
    assert name_flaw(name) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "not 0"),
        ("x" * 65, "not 65"),
        ("a\nb", "printable"),
        ("a\x1b[2J", "printable"),
        ("a\x00", "printable"),
        ("\u202eevil", "printable"),
        ("a\u200bb", "printable"),
        ("\ud800", "printable"),
        (" a", "space"),
        ("a ", "space"),
        (" ", "space"),
    ],
)
def test_name_with_a_flaw_is_named_and_shown_in_plain_ascii(name: str, why: str) -> None:
    flaw = name_flaw(name)
    assert why in flaw
    assert flaw.isascii()
    assert flaw.isprintable()
