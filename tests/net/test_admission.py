"""From a token to a certificate, over real sockets: once, for one node, from the one issuer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from attacker import Attackers
from mesh import NOW, Federation, until

from qrfld.crypto import certificates
from qrfld.crypto.identity import Identity
from qrfld.crypto.tokens import Token
from qrfld.net.admission import Admitted, redeem
from qrfld.net.errors import AdmissionError, PeerUnreachableError, RateLimitError
from qrfld.protocol.messages import Join, Refused, Welcome


async def test_joiner_gets_genesis_certificate_and_the_issuers_word(federation: Federation) -> None:
    issuer = await federation.node("issuer")
    joiner = Identity.generate(1)
    admitted = await redeem(await federation.token(issuer), joiner, "new")
    assert admitted.genesis == federation.genesis_bytes
    assert admitted.issuer == issuer.identity.node_id
    member = certificates.check(admitted.certificate, federation.genesis, federation.id)
    assert (member.node_id, member.name) == (joiner.node_id, "new")
    assert issuer.peers.members.get(joiner.node_id) is not None


async def test_joiner_that_lost_the_answer_gets_the_same_certificate(
    federation: Federation,
) -> None:
    issuer = await federation.node("issuer")
    token, joiner = await federation.token(issuer), Identity.generate(1)
    first = await redeem(token, joiner, "new")
    assert (await redeem(token, joiner, "new")).certificate == first.certificate
    assert len(issuer.peers.members) == 2


async def test_of_twenty_racing_joins_with_one_token_one_is_admitted(
    federation: Federation,
) -> None:
    issuer = await federation.node("issuer")
    token = await federation.token(issuer)
    racers = [Identity.generate(1) for _ in range(20)]
    results = await asyncio.gather(
        *(redeem(token, racer, "racer") for racer in racers), return_exceptions=True
    )
    admitted = [r for r in results if isinstance(r, Admitted)]
    refused = [r for r in results if isinstance(r, AdmissionError)]
    limited = [r for r in results if isinstance(r, RateLimitError)]
    assert (len(admitted), len(refused), len(limited)) == (1, 5, 14)
    assert len(issuer.peers.members) == 2
    assert len(await issuer.database.members()) == 2


async def test_a_whole_site_may_join_from_one_address_at_once(federation: Federation) -> None:
    issuer = await federation.node("issuer")
    tokens = [await federation.token(issuer) for _ in range(12)]
    results = await asyncio.gather(
        *(redeem(token, Identity.generate(1), f"n{n}") for n, token in enumerate(tokens))
    )
    assert len({admitted.certificate for admitted in results}) == 12
    assert len(issuer.peers.members) == 13


async def test_of_racing_joins_for_the_last_place_one_is_admitted(tmp_path: Path) -> None:
    federation = Federation(tmp_path, max_members=3)
    try:
        issuer = await federation.node("issuer")
        tokens = [await federation.token(issuer) for _ in range(5)]
        await redeem(tokens[0], Identity.generate(1), "second")
        results = await asyncio.gather(
            *(redeem(token, Identity.generate(1), "third") for token in tokens[1:]),
            return_exceptions=True,
        )
        assert sum(isinstance(r, Admitted) for r in results) == 1
        full = [r for r in results if isinstance(r, AdmissionError)]
        assert len(full) == 3
        assert all("the federation is full: 3 members" in str(r) for r in full)
        assert len(await issuer.database.members()) == 3
    finally:
        await federation.stop()


async def test_token_that_is_expired_unknown_or_has_another_secret_is_refused(
    federation: Federation,
) -> None:
    issuer = await federation.node("issuer")
    known = await federation.token(issuer)
    for token, why in (
        (await federation.token(issuer, expires_at=NOW - 1), "expired"),
        (changed(known, token_id=bytes(16)), "no such token"),
        (changed(known, secret=bytes(32)), "secret is wrong"),
    ):
        with pytest.raises(AdmissionError, match=why) as refusal:
            await redeem(token, Identity.generate(1), "x")
        assert token.secret.hex() not in str(refusal.value)
    assert (await redeem(known, Identity.generate(1), "x")).certificate


async def test_member_that_is_no_validator_admits_nobody(federation: Federation) -> None:
    founder = await federation.node("founder")
    member = await federation.node("member", knows=(founder,))
    token = await federation.token(member)
    with pytest.raises(AdmissionError, match="issues no admissions"):
        await redeem(token, Identity.generate(1), "x")


async def test_node_that_is_not_the_issuer_hears_no_secret(federation: Federation) -> None:
    issuer = await federation.node("issuer")
    other = await federation.node("other", knows=(issuer,))
    token = changed(await federation.token(issuer), addresses=(other.address,))
    with pytest.raises(PeerUnreachableError, match="did not answer"):
        await redeem(token, Identity.generate(1), "x")
    assert (await issuer.database.tokens())[0].redeemed_by is None


async def test_second_address_is_tried_when_the_first_is_dead(federation: Federation) -> None:
    issuer = await federation.node("issuer")
    token = await federation.token(issuer)
    token = changed(token, addresses=("127.0.0.1:1", *token.addresses))
    assert (await redeem(token, Identity.generate(1), "x")).certificate


async def test_token_of_no_reachable_address_says_so(federation: Federation) -> None:
    issuer = await federation.node("issuer")
    token = changed(await federation.token(issuer), addresses=("127.0.0.1:1",))
    with pytest.raises(PeerUnreachableError, match=r"127\.0\.0\.1:1"):
        await redeem(token, Identity.generate(1), "x")


async def test_refused_joins_of_one_address_hinder_no_other(federation: Federation) -> None:
    issuer = await federation.node("issuer")
    attackers = Attackers(issuer, federation)
    try:
        token = await federation.token(issuer)
        wrong = Join(token_id=token.token_id, secret=bytes(32), name="thief")
        for _ in range(6):
            thief = await attackers.stranger(source="127.0.0.9")
            await thief.tell(wrong)
            await thief.heard_message(Refused)
        honest = await attackers.stranger(source="127.0.0.10")
        await honest.tell(Join(token_id=token.token_id, secret=token.secret, name="honest"))
        await honest.heard_message(Welcome)
    finally:
        await attackers.close()


async def test_new_member_is_made_known_to_all(federation: Federation) -> None:
    issuer = await federation.node("issuer")
    other = await federation.node("other", knows=(issuer,))
    await until("connected", lambda: len(issuer.peers.connected()) == 2)
    joiner = Identity.generate(1)
    await redeem(await federation.token(issuer), joiner, "new")
    await until("known", lambda: other.peers.members.get(joiner.node_id))


def changed(token: Token, **fields: object) -> Token:
    values = {name: getattr(token, name) for name in token.__struct_fields__}
    return Token(**(values | fields))
