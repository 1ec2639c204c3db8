"""Signed bodies: round trips, bounds, the rules between fields, and what an ID commits to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_types import fields, misses, structures, values

from qrfld.crypto.encoding import Structure, pack
from qrfld.crypto.errors import EncodingError, InvalidSignatureError
from qrfld.crypto.identity import Identity
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import BODY_MAX_BYTES, open_signed, seal, statement_id
from qrfld.protocol.messages import MAX_STATEMENT_BYTES, RoundRecordMessage, RunOffer
from qrfld.protocol.statements import (
    FIRST_RECORD,
    MAX_PARAMS,
    MAX_RUN_MEMBERS,
    Param,
    RoundRecord,
    RunConfig,
    UpdateEntry,
    UpdateStatement,
    pairs,
    run_id,
)

ME = Identity.from_seed(2, bytes(32))
H = b"h" * 32
RUN = b"r" * 16

CONFIG = RunConfig(
    federation=H,
    coordinator=bytes(ME.node_id),
    task="digits",
    task_digest=H,
    params=pairs({"lr": 0.5, "epochs": 2, "model": "mlp", "iid": True}),
    rounds=10,
    rule="trimmed-mean",
    f=1,
    quorum=2,
    deadline_seconds=30.0,
    seed=7,
    members=(b"a" * 32, b"b" * 32, b"c" * 32),
    started_at=1_800_000_000,
    nonce=RUN,
)
UPDATE = UpdateStatement(
    run=RUN,
    round=1,
    base_model=H,
    update=H,
    update_bytes=100,
    samples=10,
    loss=0.5,
)
RECORD = RoundRecord(
    run=RUN,
    round=1,
    previous=FIRST_RECORD,
    base_model=H,
    model=H,
    rule="mean",
    f=0,
    updates=(UpdateEntry(node=b"a" * 32, update=H, samples=10, verdict=1),),
    stragglers=(b"b" * 32,),
    evaluations=2,
    accuracy=0.5,
    loss=0.5,
    seconds=2.0,
    bytes_sent=1,
    bytes_received=2,
    finished_at=1_800_000_100,
)
KINDS: dict[Kind, Structure] = {
    Kind.RUN_CONFIG: CONFIG,
    Kind.UPDATE: UPDATE,
    Kind.ROUND_RECORD: RECORD,
}
BODIES = list(KINDS.values())
every_body = pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)


@pytest.mark.parametrize("kind", KINDS)
def test_statement_opens_for_its_signer_and_kind_only(kind: Kind) -> None:
    body = KINDS[kind]
    data = seal(ME, kind, body)
    assert open_signed(type(body), data, kind=kind, signer=ME) == body
    with pytest.raises(InvalidSignatureError):
        open_signed(type(body), data, kind=kind, signer=Identity.from_seed(1, b"1" * 32))
    for other in KINDS:
        if other is not kind:
            with pytest.raises(EncodingError):
                open_signed(type(body), data, kind=other, signer=ME)


@settings(max_examples=40)
@given(structures(UpdateStatement))
def test_update_statement_round_trips(body: UpdateStatement) -> None:
    assert UpdateStatement.from_bytes(body.to_bytes()) == body


@settings(max_examples=40)
@given(st.data())
def test_config_and_record_round_trip(data: st.DataObject) -> None:
    for body in (CONFIG, RECORD):
        free = {
            name: hint
            for name, (_, hint) in fields(type(body)).items()
            if name
            not in {
                *("params", "members", "quorum", "updates", "stragglers"),
                *("evaluations", "accuracy", "loss"),
            }
        }
        name = data.draw(st.sampled_from(sorted(free)))
        value = data.draw(values(free[name]))
        changed = msgspec.structs.replace(body, **{name: value})
        assert type(body).from_bytes(changed.to_bytes()) == changed


@every_body
def test_body_with_a_field_out_of_type_or_bounds_is_refused(body: Structure) -> None:
    m = body.to_map()
    for name, (key, hint) in fields(type(body)).items():
        for miss in misses(hint):
            with pytest.raises(EncodingError):
                pytest.fail(f"{name} = {miss!r}: {type(body).from_bytes(pack(m | {key: miss}))}")


@every_body
def test_body_truncated_anywhere_is_refused(body: Structure) -> None:
    data = body.to_bytes()
    for end in range(len(data)):
        with pytest.raises(EncodingError):
            type(body).from_bytes(data[:end])


@every_body
def test_body_with_unknown_odd_keys_is_read_and_with_even_ones_refused(body: Structure) -> None:
    m = body.to_map()
    assert type(body).from_bytes(pack(m | {1001: H})) == body
    with pytest.raises(EncodingError, match="1002"):
        type(body).from_bytes(pack(m | {1002: H}))


params = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10),
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    max_size=8,
)


@given(params)
def test_parameters_come_back_with_their_types(given_params: dict[str, Param]) -> None:
    config = msgspec.structs.replace(CONFIG, params=pairs(given_params))
    back = RunConfig.from_bytes(config.to_bytes()).parameters
    assert {k: (type(v), v) for k, v in back.items()} == {
        k: (type(v), v) for k, v in given_params.items()
    }


def flawed(**changes: Any) -> bytes:
    keys = {name: key for name, (key, _) in fields(RunConfig).items()}
    return pack(CONFIG.to_map() | {keys[name]: value for name, value in changes.items()})


@pytest.mark.parametrize(
    "changes",
    [
        {"params": [["b", 1], ["a", 1]]},
        {"params": [["a", 1], ["a", 1]]},
        {"params": [["a", [1]]]},
        {"params": [["a", None]]},
        {"params": [["a", b"x"]]},
        {"params": [["a", 2**63]]},
        {"params": [["a", "x" * 256]]},
        {"params": [["a"]]},
        {"params": [[f"{i:02}", 1] for i in range(MAX_PARAMS + 1)]},
        {"members": [b"a" * 32, b"a" * 32]},
        {"members": []},
        {"members": [bytes([i % 256, i // 256]) * 16 for i in range(MAX_RUN_MEMBERS + 1)]},
        {"quorum": 4},
        {"quorum": 0},
        {"rounds": 0},
        {"rounds": 100_001},
        {"deadline_seconds": 0.0},
        {"deadline_seconds": 1e300},
    ],
    ids=str,
)
def test_config_that_breaks_a_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(EncodingError):
        RunConfig.from_bytes(flawed(**changes))


def test_config_built_in_code_is_held_to_the_same_rules() -> None:
    with pytest.raises(EncodingError, match="twice"):
        msgspec.structs.replace(CONFIG, members=(H, H))
    with pytest.raises(EncodingError, match="quorum of 4"):
        msgspec.structs.replace(CONFIG, quorum=4)
    with pytest.raises(EncodingError, match="ascend"):
        msgspec.structs.replace(CONFIG, params=(("b", 1), ("a", 1)))


def test_record_that_counts_a_node_twice_is_refused() -> None:
    entry = RECORD.updates[0]
    for changes in ({"updates": (entry, entry)}, {"stragglers": (entry.node,)}):
        with pytest.raises(EncodingError, match="twice"):
            msgspec.structs.replace(RECORD, **changes)


def test_record_has_scores_exactly_if_members_evaluated() -> None:
    unscored = msgspec.structs.replace(RECORD, evaluations=0, accuracy=None, loss=None)
    assert RoundRecord.from_bytes(unscored.to_bytes()) == unscored
    for changes in ({"evaluations": 0}, {"accuracy": None}, {"loss": None}):
        with pytest.raises(EncodingError, match="exactly if"):
            msgspec.structs.replace(RECORD, **changes)


def test_largest_config_and_record_fit_a_message() -> None:
    nodes = [i.to_bytes(2, "big") * 16 for i in range(MAX_RUN_MEMBERS)]
    config = msgspec.structs.replace(
        CONFIG,
        members=tuple(nodes),
        params=pairs({f"{i:02}" + "n" * 62: "v" * 255 for i in range(MAX_PARAMS)}),
    )
    entries = [UpdateEntry(node=n, update=H, samples=2**32 - 1, verdict=3) for n in nodes]
    record = msgspec.structs.replace(RECORD, updates=tuple(entries), stragglers=())
    for kind, body in ((Kind.RUN_CONFIG, config), (Kind.ROUND_RECORD, record)):
        assert len(body.to_bytes()) <= BODY_MAX_BYTES
        assert len(seal(ME, kind, body)) <= MAX_STATEMENT_BYTES
    RunOffer(config=seal(ME, Kind.RUN_CONFIG, config)).encode()
    RoundRecordMessage(statement=seal(ME, Kind.ROUND_RECORD, record)).encode()
    with pytest.raises(EncodingError, match="allowed are"):
        msgspec.structs.replace(RECORD, updates=tuple(entries[1:]), stragglers=(H, b"s" * 32))


def test_run_id_is_half_the_statement_id_and_commits_to_every_field() -> None:
    ids = {run_id(seal(ME, Kind.RUN_CONFIG, CONFIG))}
    assert ids == {statement_id(seal(ME, Kind.RUN_CONFIG, CONFIG))[:16]}
    changed: dict[str, Any] = {
        "federation": b"g" * 32,
        "nonce": b"n" * 16,
        "members": (H, b"i" * 32),
    }
    for name, value in changed.items():
        body = msgspec.structs.replace(CONFIG, **{name: value})
        ids.add(run_id(seal(ME, Kind.RUN_CONFIG, body)))
    assert len(ids) == 4
