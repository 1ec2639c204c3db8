from __future__ import annotations

from itertools import permutations

from qrfld.crypto import labels
from qrfld.crypto.labels import Kind

PLAIN = {name: value for name, value in vars(labels).items() if isinstance(value, bytes)}
HASHED = {name: value for name, value in PLAIN.items() if value.startswith(b"qrfld-1 ")}
CONTEXTS = [labels.SIGN_INITIATOR, labels.SIGN_RESPONDER, *(kind.context for kind in Kind)]


def test_labels_are_all_different() -> None:
    assert len(PLAIN) > 20
    assert len(set(PLAIN.values())) == len(PLAIN)


def test_contexts_are_all_different_and_short_enough() -> None:
    assert len(set(CONTEXTS)) == len(CONTEXTS)
    assert all(1 <= len(context) <= 255 for context in CONTEXTS)


def test_hashed_labels_are_no_prefixes_of_one_another_with_equal_rest() -> None:
    # A hash is over label ‖ fields of a fixed total length, except a statement's, whose first
    # field is its kind: a small number, never a letter that would continue another label.
    for (_, one), (_, other) in permutations(HASHED.items(), 2):
        if other.startswith(one):
            assert other[len(one)] >= 32
            assert max(Kind) < 32


def test_kind_names_its_context() -> None:
    assert Kind.ROUND_RECORD.context == b"qrfld-1 statement round-record"
