"""Typed maps: names, bounds, growth rules and the one spelling of every value."""

from __future__ import annotations

import math
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from qrfld.crypto.encoding import U8, U63, Hash, Key, NonNegative, Structure, pack
from qrfld.crypto.errors import EncodingError


class Leaf(Structure, frozen=True, kw_only=True):
    who: Annotated[Hash, Key(1)]
    note: Annotated[Annotated[str, Meta(max_length=4)] | None, Key(2)] = None


class Tree(Structure, frozen=True, kw_only=True):
    count: Annotated[U63, Key(1)]
    loss: Annotated[NonNegative, Key(2)]
    leaves: Annotated[tuple[Leaf, ...], Meta(max_length=3), Key(3)] = ()
    best: Annotated[Leaf | None, Key(4)] = None
    pairs: Annotated[tuple[tuple[bytes, U8], ...], Key(6)] = ()


LEAF = Leaf(who=b"w" * 32)
TREE = Tree(count=7, loss=0.5, leaves=(LEAF, LEAF), best=LEAF, pairs=((b"a", 1),))

leaves = st.builds(
    Leaf,
    who=st.binary(min_size=32, max_size=32),
    note=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)
trees = st.builds(
    Tree,
    count=st.integers(0, 2**63 - 1),
    loss=st.floats(min_value=0, allow_infinity=False),
    leaves=st.lists(leaves, max_size=3).map(tuple),
    best=st.none() | leaves,
    pairs=st.lists(st.tuples(st.binary(max_size=5), st.integers(0, 255)), max_size=3).map(tuple),
)


@given(trees)
def test_structure_round_trips(tree: Tree) -> None:
    assert Tree.from_bytes(tree.to_bytes()) == tree
    assert Tree.from_map(tree.to_map()) == tree


def test_structure_writes_integer_keys_and_leaves_none_out() -> None:
    assert LEAF.to_bytes() == b"\x81\x01\xc4\x20" + b"w" * 32
    assert set(Tree(count=1, loss=0.0).to_map()) == {1, 2, 3, 6}


def test_structure_writes_whole_numbers_in_float_fields_as_floats() -> None:
    assert Tree(count=1, loss=1).to_bytes() == Tree(count=1, loss=1.0).to_bytes()


def test_structure_read_with_an_integer_in_a_float_field_is_refused() -> None:
    with pytest.raises(EncodingError, match="canonical form"):
        Tree.from_bytes(pack(TREE.to_map() | {2: 1}))


def test_structure_read_with_null_for_an_absent_field_is_refused() -> None:
    with pytest.raises(EncodingError, match="canonical form"):
        Leaf.from_bytes(pack({1: b"w" * 32, 2: None}))


def test_unknown_odd_keys_are_ignored_at_every_level() -> None:
    m = TREE.to_map()
    leaf = LEAF.to_map() | {99: b"later"}
    assert Tree.from_bytes(pack(m | {3: [leaf, leaf], 4: leaf, 101: {1: 2}})) == TREE


@pytest.mark.parametrize("place", [0, 3, 4])
def test_unknown_even_keys_refuse_the_value_at_every_level(place: int) -> None:
    m = TREE.to_map()
    leaf = LEAF.to_map() | {98: 0}
    m |= {0: {98: 0}, 3: {3: [leaf]}, 4: {4: leaf}}[place]
    with pytest.raises(EncodingError, match="unknown even field 98"):
        Tree.from_bytes(pack(m))


@pytest.mark.parametrize(
    "change",
    [
        {1: -1},
        {1: 2**63},
        {1: True},
        {1: "1"},
        {1: 1.0},
        {2: -0.5},
        {2: "x"},
        {3: [LEAF.to_map()] * 4},
        {3: {1: 2}},
        {3: [5]},
        {3: [{}]},
        {4: []},
        {4: {1: b"w" * 31}},
        {4: {1: "w" * 32}},
        {4: {1: b"w" * 32, 2: "12345"}},
        {6: [[b"a"]]},
        {6: [[b"a", 256]]},
        {6: [[b"a", 1, 1]]},
    ],
)
def test_structure_out_of_type_or_bounds_is_refused_in_both_directions(
    change: dict[int, object],
) -> None:
    with pytest.raises(EncodingError):
        Tree.from_bytes(pack(TREE.to_map() | change))


@pytest.mark.parametrize(
    "tree",
    [
        Tree(count=-1, loss=0.0),
        Tree(count=1, loss=math.nan),
        Tree(count=1, loss=math.inf),
        Tree(count=1, loss=0.0, leaves=(LEAF,) * 4),
        Tree(count=1, loss=0.0, best=Leaf(who=b"short")),
    ],
)
def test_structure_built_out_of_bounds_is_not_written(tree: Tree) -> None:
    with pytest.raises(EncodingError):
        tree.to_bytes()


@pytest.mark.parametrize("value", [[], 5, None, "x", b"x"])
def test_structure_that_is_not_a_map_is_refused(value: object) -> None:
    with pytest.raises(EncodingError, match="is a map"):
        Tree.from_bytes(pack(value))


def test_structure_over_its_size_is_refused() -> None:
    with pytest.raises(EncodingError, match="at most 10"):
        Tree.from_bytes(TREE.to_bytes(), max_bytes=10)


def test_structure_truncated_anywhere_is_refused() -> None:
    data = TREE.to_bytes()
    for end in range(len(data)):
        with pytest.raises(EncodingError):
            Tree.from_bytes(data[:end])


@given(st.integers(0, len(TREE.to_bytes()) - 1), st.integers(1, 255))
def test_structure_with_one_byte_changed_is_refused_or_another_value(at: int, flip: int) -> None:
    data = bytearray(TREE.to_bytes())
    data[at] ^= flip
    try:
        tree = Tree.from_bytes(bytes(data))
    except EncodingError:
        return
    assert tree != TREE


def test_structure_declared_without_a_key_or_with_one_twice_is_a_type_error() -> None:
    class NoKey(Structure, frozen=True, kw_only=True):
        x: int

    class Twice(Structure, frozen=True, kw_only=True):
        x: Annotated[int, Key(1)]
        y: Annotated[int, Key(1)]

    with pytest.raises(TypeError, match=r"NoKey\.x"):
        NoKey(x=1).to_bytes()
    with pytest.raises(TypeError, match=r"Twice\.y"):
        Twice(x=1, y=1).to_bytes()
