"""From update files to the next model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from run_sites import storage

from qrfld.aggregation import rule, rules
from qrfld.aggregation.errors import RuleBoundError
from qrfld.protocol.errors import TensorError
from qrfld.protocol.tensors import blob_hash, decode, encode
from qrfld.rounds.errors import RoundFailedError, UpdateRefusedError
from qrfld.rounds.mixing import check_update, manifest_of, next_model
from qrfld.store.blobs import Blobs
from qrfld.store.errors import StoreError

LIMIT = 1 << 20
RNG = np.random.default_rng(0)
LARGEST = float(np.finfo(np.float32).max)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return storage(tmp_path)


def put(blobs: Blobs, *values: float, name: str = "w", dtype: str = "f4") -> Path:
    blob = b"".join(encode({name: np.array(values, dtype)}))
    return blobs.path(blobs.put_bytes(blob))


def test_layout_of_a_model_is_read_from_its_file(blobs: Blobs) -> None:
    path = put(blobs, 1, 2, 3)
    manifest = manifest_of(path, LIMIT)
    assert (manifest.parameters, manifest.total_bytes) == (3, path.stat().st_size)


def test_model_of_another_type_than_float32_fails_the_run(blobs: Blobs) -> None:
    with pytest.raises(RoundFailedError, match="not float32"):
        manifest_of(put(blobs, 1, 2, dtype="f8"), LIMIT)


def test_model_over_the_limit_is_refused(blobs: Blobs) -> None:
    with pytest.raises(TensorError, match="allowed are 70"):
        manifest_of(put(blobs, *range(100)), 70)


def test_missing_file_is_a_store_error(blobs: Blobs) -> None:
    with pytest.raises(StoreError, match="cannot read"):
        manifest_of(blobs.path(bytes(32)), LIMIT)


def test_empty_file_is_no_update(blobs: Blobs) -> None:
    empty = blobs.path(blobs.put_bytes(b""))
    with pytest.raises(TensorError):
        check_update(empty, put(blobs, 1), LIMIT)


def test_update_like_the_model_passes(blobs: Blobs) -> None:
    check_update(put(blobs, 5, 6), put(blobs, 1, 2), LIMIT)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 1, 70_000])
def test_number_that_is_not_finite_is_refused_wherever_it_stands(
    blobs: Blobs, bad: float, at: int
) -> None:
    values = np.zeros(70_001, np.float32)
    base = put(blobs, *values)
    values[at] = bad
    with pytest.raises(UpdateRefusedError, match="not finite"):
        check_update(put(blobs, *values), base, LIMIT)


def test_update_that_overflows_on_top_of_the_model_is_refused(blobs: Blobs) -> None:
    base, update = put(blobs, LARGEST, 0), put(blobs, LARGEST, 0)
    with pytest.raises(UpdateRefusedError, match="not finite"):
        check_update(update, base, LIMIT)


@pytest.mark.parametrize("changes", [{"name": "v"}, {"dtype": "i4"}])
def test_update_of_another_layout_is_refused(blobs: Blobs, changes: dict[str, str]) -> None:
    with pytest.raises(UpdateRefusedError, match="named or shaped"):
        check_update(put(blobs, 1, 2, **changes), put(blobs, 1, 2), LIMIT)


def test_update_with_bytes_after_its_end_is_refused(blobs: Blobs) -> None:
    base = put(blobs, 1, 2)
    longer = blobs.path(blobs.put_bytes(base.read_bytes() + b"\0"))
    with pytest.raises(TensorError):
        check_update(longer, base, LIMIT)


def mix(blobs: Blobs, rule: str, f: int, base: float, *updates: float) -> NDArray[np.float32]:
    paths = [put(blobs, value, 0) for value in updates]
    model, size, _ = next_model(put(blobs, base, 0), paths, rule, f, RNG, LIMIT, blobs)
    data = blobs.path(model).read_bytes()
    assert (blob_hash(data), len(data)) == (model, size)
    result: NDArray[np.float32] = decode(data)["w"]
    return result


def test_next_model_is_the_base_plus_the_mixed_updates(blobs: Blobs) -> None:
    assert mix(blobs, "mean", 0, 10, 1, 2, 6)[0] == 13
    assert mix(blobs, "median", 1, 10, 1, 2, 1e30)[0] == 12
    assert mix(blobs, "trimmed-mean", 1, 10, -LARGEST, 1, 2, 3, LARGEST)[0] == 12
    assert mix(blobs, "multi-krum", 1, 10, 1, 1, 1, 1, LARGEST)[0] == 11


def test_suspects_are_rows_in_the_order_given(blobs: Blobs) -> None:
    paths = [put(blobs, value, 0) for value in (1, 50, 1.5, 2, 0.5)]
    _, _, suspected = next_model(put(blobs, 0, 0), paths, "trimmed-mean", 1, RNG, LIMIT, blobs)
    assert suspected == [1]


def test_fewer_updates_than_the_rule_needs_fail(blobs: Blobs) -> None:
    with pytest.raises(RuleBoundError, match="n = 2"):
        mix(blobs, "median", 1, 0, 1, 2)


def test_same_updates_make_the_same_model_to_the_bit(blobs: Blobs, tmp_path: Path) -> None:
    other = storage(tmp_path / "other")
    values = np.random.default_rng(3).standard_normal((5, 1000)).astype(np.float32)
    hashes = set()
    for store in (blobs, other):
        paths = [put(store, *row) for row in values]
        base = put(store, *values[0])
        hashes.add(next_model(base, paths, "trimmed-mean", 1, RNG, LIMIT, store)[0])
    assert len(hashes) == 1


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=40, deadline=None)
@given(
    base=arrays.arrays(np.float32, 3, elements=finite),
    rows=arrays.arrays(np.float32, (5, 3), elements=finite),
    name=st.sampled_from(
        [rule.name for rule in rules() if rule.name not in ("fltrust", "foolsgold", "bulyan")]
        + ["arc+nnm+trimmed-mean", "bucketing+median"]
    ),
)
def test_updates_that_passed_the_check_always_make_a_finite_model(
    tmp_path_factory: pytest.TempPathFactory,
    base: NDArray[np.float32],
    rows: NDArray[np.float32],
    name: str,
) -> None:
    blobs = storage(tmp_path_factory.mktemp("mix"))
    model, paths = put(blobs, *base), [put(blobs, *row) for row in rows]
    try:
        for path in paths:
            check_update(path, model, LIMIT)
    except UpdateRefusedError:
        return
    f = min(1, rule(name).largest_f(5))
    mixed, _, _ = next_model(model, paths, name, f, RNG, LIMIT, blobs)
    assert np.isfinite(decode(blobs.path(mixed).read_bytes())["w"]).all()
