"""A model as a file of another program: numpy's npz, or safetensors.

safetensors: ``u64 little-endian n ‖ JSON of n bytes, padded with spaces to 8 ‖ raw blocks``. The
JSON maps each name to ``{"dtype", "shape", "data_offsets"}``, offsets counted from the first block,
without holes, and ``__metadata__`` to a map of strings. (github.com/huggingface/safetensors, format
section of its README.) Blocks stand in order of item size, largest first, so that each is aligned.

A file appears whole or not at all: written beside its name, flushed, renamed.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from qrfld.cli.errors import ExportError, OutputError, OutputExistsError
from qrfld.protocol.tensors import decode

Format = Literal["npz", "safetensors"]
Model = Mapping[str, NDArray[Any]]

_DTYPES: Final = {"f2": "F16", "f4": "F32", "f8": "F64", "i4": "I32", "i8": "I64", "u1": "U8"}
_METADATA: Final = "__metadata__"
_ALIGNMENT: Final = 8


def check_target(output: Path, *, force: bool) -> None:
    """Find out early that ``output`` cannot be written. OutputExistsError, OutputError."""
    if output.is_dir():
        raise OutputError(f"cannot write {output}: it is a directory", hint="name a file in it")
    if not output.parent.is_dir():
        raise OutputError(
            f"cannot write {output}: there is no directory {output.parent}",
            hint="make it, or name another file",
        )
    if output.exists() and not force:
        raise OutputExistsError(f"{output} exists already", hint="name another file, or --force")


def write(
    blob: bytes | bytearray, output: Path, format: Format, *, metadata: Mapping[str, str]
) -> None:
    """Write the model in ``blob`` to ``output``. TensorError, ExportError, OutputError."""
    model = decode(blob)
    writers: dict[Format, Callable[[IO[bytes]], None]] = {
        "npz": lambda file: _npz(model, file),
        "safetensors": lambda file: _safetensors(model, file, metadata),
    }
    _replace(output, writers[format])


def _npz(model: Model, file: IO[bytes]) -> None:
    # numpy.savez cannot store arrays that are called like its own arguments, so: its format, by
    # its own writer. Names may come from another node; none may lead out of a directory that
    # somebody unzips the file into.
    for name in model:
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise ExportError(
                f"tensor {name!r} cannot be the name of a file in an npz archive",
                hint="export it as safetensors",
            )
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in model.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _safetensors(model: Model, file: IO[bytes], metadata: Mapping[str, str]) -> None:
    if _METADATA in model:
        raise ExportError(
            f"safetensors keeps the name {_METADATA!r} for itself", hint="export it as npz"
        )
    ordered = sorted(model.items(), key=lambda item: -item[1].itemsize)
    header: dict[str, object] = {_METADATA: dict(metadata)}
    at = 0
    for name, array in ordered:
        dtype = _DTYPES[array.dtype.str[1:]]
        span = [at, at + array.nbytes]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": span}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, array in ordered:
        file.write(np.ascontiguousarray(array).data)


def _replace(output: Path, write_to: Callable[[IO[bytes]], None]) -> None:
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    except OSError as error:
        raise _cannot_write(output, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write_to(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644 & ~_umask())
        temporary.replace(output)
    except OSError as error:
        raise _cannot_write(output, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _cannot_write(output: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {output}: {error.strerror}", hint="free space, or name another file"
    )
