from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from qrfld.errors import IdentityError
from qrfld.store.database import Database
from qrfld.store.errors import (
    TokenExpiredError,
    TokenSecretError,
    TokenUnknownError,
    TokenUsedError,
)

TOKEN, SECRET = b"t" * 16, b"s" * 32
NODE, OTHER = b"n" * 32, b"o" * 32


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "qrfld.db", create=True)
    yield database
    database.close()


def issuing(certificate: bytes = b"certificate") -> Callable[[], bytes]:
    return lambda: certificate


def refusing() -> bytes:
    raise AssertionError("a certificate must not be signed here")


async def test_meta_is_kept_and_replaced(database: Database) -> None:
    assert await database.get_meta("genesis") is None
    await database.set_meta("genesis", b"1")
    await database.set_meta("genesis", b"2")
    assert await database.get_meta("genesis") == b"2"


async def test_member_added_twice_keeps_the_first_certificate(database: Database) -> None:
    assert await database.add_member(NODE, b"first", 1.0)
    assert not await database.add_member(NODE, b"second", 2.0)
    member = await database.member(NODE)
    assert member is not None
    assert (member.certificate, member.added_at) == (b"first", 1.0)
    assert (member.addresses, member.address_sequence) == (None, 0)
    assert await database.member(OTHER) is None


async def test_members_come_by_node_id(database: Database) -> None:
    for node in (OTHER, NODE, b"a" * 32):
        await database.add_member(node, b"c", 1.0)
    assert [row.node_id for row in await database.members()] == [b"a" * 32, NODE, OTHER]


async def test_addresses_change_only_with_a_newer_sequence(database: Database) -> None:
    await database.add_member(NODE, b"c", 1.0)
    assert await database.update_addresses(NODE, b"zero", 0)
    assert not await database.update_addresses(NODE, b"again", 0)
    assert await database.update_addresses(NODE, b"256", 256)
    assert not await database.update_addresses(NODE, b"255", 255)
    member = await database.member(NODE)
    assert member is not None
    assert (member.addresses, member.address_sequence) == (b"256", 256)


async def test_addresses_with_the_largest_sequence_are_kept(database: Database) -> None:
    # SQLite's integers end at 2^63 - 1; a peer may send up to 2^64 - 1.
    await database.add_member(NODE, b"c", 1.0)
    assert await database.update_addresses(NODE, b"a", 2**63 - 1)
    assert await database.update_addresses(NODE, b"b", 2**64 - 1)
    assert not await database.update_addresses(NODE, b"c", 2**63)
    member = await database.member(NODE)
    assert member is not None
    assert member.address_sequence == 2**64 - 1


async def test_addresses_of_a_stranger_are_not_kept(database: Database) -> None:
    assert not await database.update_addresses(NODE, b"a", 1)
    assert await database.members() == []


async def test_token_redeemed_admits_the_node(database: Database) -> None:
    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    redemption = await database.redeem_token(TOKEN, SECRET, NODE, issuing(), 2.0)
    assert (redemption.certificate, redemption.first) == (b"certificate", True)
    (token,) = await database.tokens()
    assert token.redeemed_by == NODE
    (member,) = await database.members()
    assert (member.node_id, member.certificate) == (NODE, b"certificate")


async def test_token_redeemed_again_by_the_same_node_gives_the_same_certificate(
    database: Database,
) -> None:
    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    await database.redeem_token(TOKEN, SECRET, NODE, issuing(), 2.0)
    # Also after its expiry: the first answer may have been lost on the way.
    again = await database.redeem_token(TOKEN, SECRET, NODE, refusing, 200.0)
    assert (again.certificate, again.first) == (b"certificate", False)


async def test_token_redeemed_by_another_node_is_refused(database: Database) -> None:
    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    await database.redeem_token(TOKEN, SECRET, NODE, issuing(), 2.0)
    with pytest.raises(TokenUsedError):
        await database.redeem_token(TOKEN, SECRET, OTHER, refusing, 3.0)
    assert [row.node_id for row in await database.members()] == [NODE]


async def test_token_unknown_is_refused(database: Database) -> None:
    with pytest.raises(TokenUnknownError) as caught:
        await database.redeem_token(TOKEN, SECRET, NODE, refusing, 2.0)
    assert caught.value.exit_code == IdentityError.exit_code


@pytest.mark.parametrize("secret", [b"x" * 32, b"", b"s" * 31, b"s" * 33])
async def test_token_with_a_wrong_secret_is_refused_and_stays_open(
    database: Database, secret: bytes
) -> None:
    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    with pytest.raises(TokenSecretError):
        await database.redeem_token(TOKEN, secret, NODE, refusing, 2.0)
    assert (await database.redeem_token(TOKEN, SECRET, NODE, issuing(), 3.0)).first


async def test_token_redeemed_asked_with_a_wrong_secret_gives_nothing(database: Database) -> None:
    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    await database.redeem_token(TOKEN, SECRET, NODE, issuing(), 2.0)
    with pytest.raises(TokenSecretError):
        await database.redeem_token(TOKEN, b"x" * 32, NODE, refusing, 3.0)


@pytest.mark.parametrize("now", [100.0, 5000.0])
async def test_token_expired_is_refused(database: Database, now: float) -> None:
    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    with pytest.raises(TokenExpiredError):
        await database.redeem_token(TOKEN, SECRET, NODE, refusing, now)
    assert await database.members() == []


async def test_token_whose_certificate_cannot_be_signed_stays_open(database: Database) -> None:
    def failing() -> bytes:
        raise IdentityError("the key is gone")

    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    with pytest.raises(IdentityError, match="the key is gone"):
        await database.redeem_token(TOKEN, SECRET, NODE, failing, 2.0)
    assert (await database.redeem_token(TOKEN, SECRET, OTHER, issuing(), 3.0)).first


async def test_twenty_racing_joins_give_exactly_one_admission(database: Database) -> None:
    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    signed: list[bytes] = []

    def join(number: int) -> object:
        node = bytes([number]) * 32

        def issue() -> bytes:
            signed.append(node)
            return b"certificate of " + node

        return database.redeem_token(TOKEN, SECRET, node, issue, 2.0)

    outcomes = await asyncio.gather(*[join(i) for i in range(20)], return_exceptions=True)  # type: ignore[call-overload]
    refused = [outcome for outcome in outcomes if isinstance(outcome, TokenUsedError)]
    assert len(refused) == 19
    assert len(signed) == 1
    assert [row.node_id for row in await database.members()] == signed


async def test_twenty_racing_joins_of_one_node_all_get_one_certificate(database: Database) -> None:
    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    numbers = iter(range(20))
    outcomes = await asyncio.gather(
        *[
            database.redeem_token(TOKEN, SECRET, NODE, lambda: bytes([next(numbers)]), 2.0)
            for _ in range(20)
        ]
    )
    assert {outcome.certificate for outcome in outcomes} == {b"\x00"}
    assert sum(outcome.first for outcome in outcomes) == 1


async def test_member_with_a_second_token_is_known_by_its_new_certificate(
    database: Database,
) -> None:
    await database.add_member(NODE, b"old", 1.0)
    await database.update_addresses(NODE, b"addresses", 5)
    await database.create_token(TOKEN, SECRET, 100.0, 1.0)
    await database.redeem_token(TOKEN, SECRET, NODE, issuing(b"new"), 2.0)
    member = await database.member(NODE)
    assert member is not None
    assert (member.certificate, member.addresses, member.added_at) == (b"new", b"addresses", 1.0)


async def test_tokens_come_newest_first(database: Database) -> None:
    for number in range(3):
        await database.create_token(bytes([number]) * 16, SECRET, 100.0 + number, float(number))
    assert [row.created_at for row in await database.tokens()] == [2.0, 1.0, 0.0]
