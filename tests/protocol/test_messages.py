"""Every message from its own declaration: what round-trips, and what is refused."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_types import fields, misses, structures

from qrfld.crypto.encoding import pack, unpack
from qrfld.crypto.errors import EncodingError
from qrfld.protocol.messages import (
    MAX_DIGEST_ENTRIES,
    MAX_MEMBER_ENTRIES,
    MAX_MESSAGE_BYTES,
    MESSAGES,
    Digest,
    Evaluation,
    Hello,
    Join,
    MemberEntry,
    Members,
    Message,
    Refused,
    RoundStart,
    RunOffer,
    decode_message,
)

H = b"h" * 32
RUN = b"r" * 16
EXAMPLES: dict[type[Message], Message] = {
    type(message): message
    for message in (
        Hello(software="qrfld/0.1", certificate=b"c", addresses=b"a"),
        Join(token_id=RUN, secret=H, name="dora"),
        MESSAGES[3](genesis=b"g", certificate=b"c"),
        Refused(about=2, error=3, reason="no"),
        Members(entries=(MemberEntry(certificate=b"c", addresses=b"a"),)),
        Digest(members=((H, 3),)),
        RunOffer(config=b"s"),
        RoundStart(
            run=RUN,
            round=1,
            model=H,
            model_bytes=9,
            previous=H,
            seconds_left=1.5,
        ),
        MESSAGES[12](statement=b"s"),
        MESSAGES[13](run=RUN, round=1, update=H, accepted=True, reason=""),
        MESSAGES[14](run=RUN, round=1, model=H, model_bytes=9),
        Evaluation(run=RUN, round=1, model=H, accuracy=0.5, loss=0.25, samples=4),
        MESSAGES[16](statement=b"s"),
        MESSAGES[17](run=RUN, state=1, reason=""),
        MESSAGES[18](run=RUN, round=1, reason="out of memory"),
        MESSAGES[19](run=RUN, next_round=1),
    )
}
every_message = pytest.mark.parametrize("cls", MESSAGES.values(), ids=lambda cls: cls.__name__)


def wire(cls: type[Message], m: object) -> bytes:
    return cls.code.to_bytes(2, "big") + pack(m)


def test_codes_are_those_of_the_spec_and_every_message_has_an_example() -> None:
    assert list(MESSAGES) == [1, 2, 3, 4, 5, 6, *range(10, 20)]
    assert set(EXAMPLES) == set(MESSAGES.values())


@every_message
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_message_round_trips(cls: type[Message], data: st.DataObject) -> None:
    message = data.draw(structures(cls))
    assert decode_message(message.encode()) == message


@every_message
def test_message_with_a_field_out_of_type_or_bounds_is_refused(cls: type[Message]) -> None:
    m = EXAMPLES[cls].to_map()
    for name, (key, hint) in fields(cls).items():
        for miss in misses(hint):
            with pytest.raises(EncodingError):
                pytest.fail(f"{name} = {miss!r}: {decode_message(wire(cls, m | {key: miss}))}")


#: Even keys that may be absent: a reader has to know the field, not every sender has to send it.
OPTIONAL: dict[type[Message], set[int]] = {Hello: {2}}


@every_message
def test_message_without_a_required_field_is_refused(cls: type[Message]) -> None:
    m, optional = EXAMPLES[cls].to_map(), OPTIONAL.get(cls, set())
    for key in m:
        rest = {k: v for k, v in m.items() if k != key}
        if key % 2 == 0 and key not in optional:
            with pytest.raises(EncodingError):
                decode_message(wire(cls, rest))
        else:
            assert decode_message(wire(cls, rest)) is not None


@every_message
def test_message_truncated_anywhere_or_extended_is_refused(cls: type[Message]) -> None:
    data = EXAMPLES[cls].encode()
    for end in range(len(data)):
        with pytest.raises(EncodingError):
            decode_message(data[:end])
    with pytest.raises(EncodingError, match="follow"):
        decode_message(data + b"\xc0")


@every_message
def test_message_with_unknown_odd_keys_is_read_and_with_even_ones_refused(
    cls: type[Message],
) -> None:
    m = EXAMPLES[cls].to_map()
    assert decode_message(wire(cls, m | {1001: [H, {}]})) == EXAMPLES[cls]
    with pytest.raises(EncodingError, match="1002"):
        decode_message(wire(cls, m | {1002: 0}))


@every_message
@settings(max_examples=60)
@given(data=st.data())
def test_message_with_one_byte_changed_is_refused_or_another_message(
    cls: type[Message], data: st.DataObject
) -> None:
    encoded = bytearray(EXAMPLES[cls].encode())
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        message = decode_message(bytes(encoded))
    except EncodingError:
        return
    assert message != EXAMPLES[cls]
    assert message is None or unpack(bytes(encoded[2:]), max_bytes=1000) is not None


def test_unknown_codes_odd_are_ignored_and_even_refused() -> None:
    assert decode_message(b"\x7f\xff\x80") is None
    with pytest.raises(EncodingError, match="32766"):
        decode_message(b"\x7f\xfe\x80")
    for data in (b"", b"\x00"):
        with pytest.raises(EncodingError, match="no code"):
            decode_message(data)


@pytest.mark.parametrize("bits", ["7ff8000000000000", "7ff0000000000000", "fff0000000000000"])
@pytest.mark.parametrize("key", [6, 8])
def test_evaluation_with_nan_or_infinity_is_refused(bits: str, key: int) -> None:
    data = EXAMPLES[Evaluation].encode()
    number = pack(EXAMPLES[Evaluation].to_map()[key])
    with pytest.raises(EncodingError, match="not a finite number"):
        decode_message(data.replace(number, b"\xcb" + bytes.fromhex(bits)))


def test_message_over_its_size_is_neither_written_nor_read() -> None:
    entry = MemberEntry(certificate=bytes(16384), addresses=bytes(1))
    with pytest.raises(EncodingError, match="allowed are"):
        Members(entries=(entry,) * 4).encode()
    with pytest.raises(EncodingError, match="at most"):
        decode_message(wire(Members, {0: [entry.to_map()] * 4}))


def test_messages_at_their_counts_and_sizes_fit() -> None:
    digest = Digest(members=tuple((bytes([i % 256]) * 32, 2**63 - 1) for i in range(1000)))
    assert len(digest.members) == MAX_DIGEST_ENTRIES
    assert decode_message(digest.encode()) == digest
    offer = RunOffer(config=bytes(MAX_MESSAGE_BYTES - 64))
    assert decode_message(offer.encode()) == offer
    with pytest.raises(EncodingError):
        Digest(members=digest.members + digest.members[:1]).encode()


@given(st.lists(st.tuples(st.integers(1, 16384), st.integers(0, 16384)), max_size=30))
@settings(max_examples=30)
def test_member_batches_keep_order_and_always_fit(sizes: list[tuple[int, int]]) -> None:
    entries = [
        MemberEntry(certificate=bytes(c), addresses=bytes(a) if a else None) for c, a in sizes
    ]
    batches = list(Members.batches(entries))
    assert [entry for batch in batches for entry in batch.entries] == entries
    for batch in batches:
        assert 1 <= len(batch.entries) <= MAX_MEMBER_ENTRIES
        batch.encode()


def test_join_does_not_show_its_secret() -> None:
    join = Join(token_id=RUN, secret=b"topsecret" + bytes(23), name="dora")
    assert "topsecret" not in f"{join!r} {join} {join.__rich_repr__()}"


BOMBS = {
    "array32 nested": b"\xdd\x00\x00\x03\x00" * 200,
    "array16 nested": b"\xdc\x01\x00" * 340,
    "array32 of 4 billion": b"\xdd\xff\xff\xff\xff" + bytes(1000),
    "map32 of 4 billion": b"\xdf\xff\xff\xff\xff" + bytes(1000),
    "bin32 of 4 GB": b"\x81\x00\xc6\xff\xff\xff\xff" + bytes(1000),
    "str32 of 4 GB": b"\x81\x00\xdb\xff\xff\xff\xff" + bytes(1000),
    "deep arrays": b"\x91" * 1000,
    "deep maps": b"\x81\x00" * 500,
    "map keys that are maps": b"\x81" * 1000,
    "array of arrays": b"\x81\x00\xdc\x03\xe4" + b"\x90" * 996,
    "extension": b"\xc9\xff\xff\xff\xff\x01" + bytes(1000),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
@pytest.mark.parametrize("code", [5, 6])
def test_hostile_kilobyte_is_refused_within_a_megabyte(bomb: bytes, code: int) -> None:
    data = code.to_bytes(2, "big") + bomb[:1022]
    tracemalloc.start()
    try:
        with pytest.raises(EncodingError):
            decode_message(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(code: int, data: bytes) -> None:
    with contextlib.suppress(EncodingError):
        decode_message(code.to_bytes(2, "big") + data)
