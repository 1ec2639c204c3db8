from __future__ import annotations

import pytest

from qrfld.crypto import genesis, signed
from qrfld.crypto.errors import GenesisError
from qrfld.crypto.genesis import Genesis, Limits
from qrfld.crypto.identity import Identity
from qrfld.crypto.labels import Kind


def body(founder: Identity, **change: object) -> Genesis:
    fields: dict[str, object] = {
        "format": 1,
        "name": "lab",
        "suites": (1, 2),
        "founder_suite": 1,
        "founder_key": founder.public_key,
        "validators": (bytes(founder.node_id),),
        "limits": Limits(max_members=10, max_model_bytes=1000),
        "created_at": 1,
        "nonce": bytes(16),
    }
    return Genesis(**(fields | change))  # type: ignore[arg-type]


def test_founded_federation_reads_back(founder: Identity) -> None:
    data = genesis.create(founder, "lab", now=5, suites=(2, 1), max_members=7)
    parsed = genesis.parse(data)
    assert (parsed.name, parsed.suites, parsed.created_at) == ("lab", (2, 1), 5)
    assert parsed.limits == Limits(max_members=7, max_model_bytes=256 << 20)
    assert parsed.founder == founder.public
    assert parsed.validators == (founder.node_id,)


def test_federation_id_names_one_founding(founder: Identity) -> None:
    first, second = (genesis.create(founder, "lab", now=5) for _ in range(2))
    assert genesis.federation_id(first) != genesis.federation_id(second)
    same = [genesis.create(founder, "lab", now=5, nonce=bytes(16)) for _ in range(2)]
    assert same[0] != same[1]
    assert genesis.federation_id(same[0]) == genesis.federation_id(same[1])


def test_founder_of_suite_2_founds(founder: Identity) -> None:
    identity = Identity.from_seed(2, founder.seed)
    assert genesis.parse(genesis.create(identity, "lab", now=1, suites=(2,))).founder_suite == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"name": ""}, "1 to 64"),
        ({"name": "a\nb"}, "printable"),
        ({"suites": ()}, "none of"),
        ({"suites": (9,)}, "none of"),
        ({"suites": (2,)}, "founder's suite 1"),
        ({"suites": (1, 1)}, "twice"),
        ({"suites": (0, 1, 2, 3, 4, 5, 6, 7, 8)}, "suites"),
        ({"max_members": 0}, "max_members"),
        ({"max_members": 1001}, "max_members"),
        ({"max_model_bytes": 0}, "max_model_bytes"),
        ({"nonce": bytes(15)}, "nonce"),
        ({"now": -1}, "created_at"),
    ],
)
def test_founding_out_of_bounds_is_refused(
    founder: Identity, arguments: dict[str, object], why: str
) -> None:
    given: dict[str, object] = {"name": "lab", "now": 1, **arguments}
    with pytest.raises(GenesisError, match=why):
        genesis.create(founder, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 2}, "format 2"),
        ({"name": "\u202e"}, "printable"),
        ({"suites": (9, 8)}, "none of"),
        ({"suites": (2,)}, "founder's suite"),
        ({"validators": (bytes(32),)}, "one validator"),
        ({"founder_suite": 2, "suites": (2,)}, "instead of 2592"),
        ({"founder_key": bytes(1952)}, "one validator"),
    ],
)
def test_signed_genesis_that_makes_no_sense_is_refused(
    founder: Identity, change: dict[str, object], why: str
) -> None:
    data = signed.seal(founder, Kind.GENESIS, body(founder, **change))
    with pytest.raises(GenesisError, match=why):
        genesis.parse(data)


def test_genesis_with_two_validators_is_refused(founder: Identity, alice: Identity) -> None:
    both = (bytes(founder.node_id), bytes(alice.node_id))
    data = signed.seal(founder, Kind.GENESIS, body(founder, validators=both))
    with pytest.raises(GenesisError, match="one validator"):
        genesis.parse(data)


def test_genesis_signed_by_another_than_its_founder_is_refused(
    founder: Identity, mallory: Identity
) -> None:
    data = signed.seal(mallory, Kind.GENESIS, body(founder))
    with pytest.raises(GenesisError, match="not signed by"):
        genesis.parse(data)


def test_statement_of_another_kind_is_no_genesis(founder: Identity) -> None:
    with pytest.raises(GenesisError, match="instead of: genesis"):
        genesis.parse(signed.seal(founder, Kind.UPDATE, body(founder)))


def test_unknown_suite_beside_a_known_one_is_kept(founder: Identity) -> None:
    data = signed.seal(founder, Kind.GENESIS, body(founder, suites=(9, 1)))
    assert genesis.parse(data).suites == (9, 1)


def test_truncated_or_corrupted_genesis_is_refused(founder: Identity) -> None:
    data = genesis.create(founder, "lab", now=5)
    for size in range(0, len(data), 131):
        with pytest.raises(GenesisError):
            genesis.parse(data[:size])
        flipped = data[:size] + bytes([data[size] ^ 1]) + data[size + 1 :]
        with pytest.raises(GenesisError):
            genesis.parse(flipped)
