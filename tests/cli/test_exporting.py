from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.cli import exporting
from qrfld.cli.errors import ExportError, OutputError, OutputExistsError
from qrfld.cli.exporting import Format, Model
from qrfld.protocol.tensors import encode

DTYPES = ("f2", "f4", "f8", "i4", "i8", "u1")


def model() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        "layer/weights": rng.standard_normal((3, 5)).astype("f4"),
        "bytes": np.arange(7, dtype="u1"),
        "scalar": np.array(2.5, dtype="f8"),
        "empty": np.zeros((0, 4), dtype="f4"),
        "half": np.array([[1, 2]], dtype="f2"),
        "file": np.arange(3, dtype="i8"),
        "counts": np.arange(3, dtype="i4"),
    }


def blob(tensors: Model) -> bytes:
    return b"".join(encode(tensors))


def export(tensors: Model, path: Path, format: Format) -> Path:
    exporting.write(blob(tensors), path, format, metadata={"round": "3"})
    return path


def read_safetensors(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """An independent reader: what the format says, and nothing else."""
    names = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "u1"}
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__")
    raw = data[8 + size :]
    spans = sorted(entry["data_offsets"] for entry in header.values())
    assert [begin for begin, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == len(raw)
    assert size % 8 == 0
    found = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = np.dtype(names[entry["dtype"]])
        assert begin % dtype.itemsize == 0
        found[name] = np.frombuffer(raw[begin:end], dtype).reshape(entry["shape"])
    return found, metadata


def same(left: Model, right: Model) -> None:
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.dtype == right[name].dtype
        np.testing.assert_array_equal(array, right[name])
        assert array.shape == right[name].shape


def test_npz_is_read_back_by_numpy_without_pickle(tmp_path: Path) -> None:
    with np.load(export(model(), tmp_path / "m.npz", "npz"), allow_pickle=False) as loaded:
        same(dict(loaded), model())


def test_safetensors_follows_the_format(tmp_path: Path) -> None:
    data = export(model(), tmp_path / "m.safetensors", "safetensors").read_bytes()
    found, metadata = read_safetensors(data)
    same(found, model())
    assert metadata == {"round": "3"}


def test_safetensors_is_read_by_the_library_of_that_name(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    path = export(model(), tmp_path / "m.safetensors", "safetensors")
    same(library.load_file(path), model())


@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=9),
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=3)),
        min_size=1,
        max_size=6,
    )
)
def test_any_model_survives_as_safetensors(shapes: dict[str, tuple[str, list[int]]]) -> None:
    from io import BytesIO

    tensors = {
        name: np.arange(int(np.prod(shape, dtype=int)), dtype=dtype).reshape(shape)
        for name, (dtype, shape) in shapes.items()
    }
    file = BytesIO()
    exporting._safetensors(tensors, file, {})
    same(read_safetensors(file.getvalue())[0], tensors)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil"])
def test_tensor_that_would_unzip_outside_is_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "m.npz"
    with pytest.raises(ExportError, match="cannot be the name of a file"):
        export({name: np.zeros(1, "f4")}, target, "npz")
    assert list(tmp_path.iterdir()) == []


def test_tensor_with_the_reserved_name_is_refused_as_safetensors_only(tmp_path: Path) -> None:
    tensors = {"__metadata__": np.zeros(1, "f4")}
    with pytest.raises(ExportError, match="__metadata__"):
        export(tensors, tmp_path / "m.safetensors", "safetensors")
    assert zipfile.is_zipfile(export(tensors, tmp_path / "m.npz", "npz"))


def test_target_that_cannot_be_is_found_out_early(tmp_path: Path) -> None:
    (tmp_path / "old.npz").touch()
    with pytest.raises(OutputExistsError, match=r"old\.npz exists"):
        exporting.check_target(tmp_path / "old.npz", force=False)
    exporting.check_target(tmp_path / "old.npz", force=True)
    with pytest.raises(OutputError, match="is a directory"):
        exporting.check_target(tmp_path, force=True)
    with pytest.raises(OutputError, match="there is no directory"):
        exporting.check_target(tmp_path / "no" / "m.npz", force=False)


def test_disk_full_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    old = tmp_path / "m.npz"
    old.write_bytes(b"old")

    def fill_the_disk(_: object) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(OutputError, match="No space left"):
        exporting._replace(old, fill_the_disk)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("m.npz", b"old")]


def test_file_gets_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = export(model(), tmp_path / "m.npz", "npz")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
