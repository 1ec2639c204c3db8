"""Models and updates as bytes: a small manifest, then raw little-endian blocks.

    "QRFT" ‖ u32 n ‖ manifest of n bytes ‖ zeros to a multiple of 64 ‖ block ‖ block ‖ …

The manifest is canonical msgpack, ``[[name, dtype, [dim, …]], …]``. It carries no offsets and no
sizes: they follow from dtype and shape, so they cannot lie, overlap or leave holes. A block begins
where the one before it ends, rounded up with zeros to its own item size; a model of float32 only is
therefore one gap-free vector, which aggregation reads in place.

Reading trusts nothing: every bound is checked on the manifest alone, before memory of the model's
size is touched, and the arrays are read-only views into the caller's buffer. A model has one
encoding (padding must be zero), so its hash is its name. Whether the numbers are finite is the
aggregation's question, not this one's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qrfld.crypto.encoding import pack, unpack
from qrfld.crypto.errors import EncodingError
from qrfld.protocol.errors import TensorError
from qrfld.protocol.merkle import Buffer, MerkleHasher, blob_hash

__all__ = [
    "Manifest",
    "MerkleHasher",
    "Tensor",
    "blob_hash",
    "decode",
    "encode",
    "flat_float32",
    "layout",
    "parse_manifest",
    "unflatten",
]

MAGIC: Final = b"QRFT"
PREFIX_BYTES: Final = 8  # magic and manifest length
MAX_MANIFEST_BYTES: Final = 64 * 1024
MAX_TENSORS: Final = 4096
MAX_DIMS: Final = 8
MAX_TENSOR_BYTES: Final = 1 << 48
MAX_NAME: Final = 256
DATA_ALIGNMENT: Final = 64
MAX_HEAD_BYTES: Final = MAX_MANIFEST_BYTES + DATA_ALIGNMENT  # as much as parse_manifest may need
DTYPES: Final = frozenset({"f2", "f4", "f8", "i4", "i8", "u1"})

Array = NDArray[Any]
Model = Mapping[str, Array]


@dataclass(frozen=True)
class Tensor:
    """Where one tensor stands: ``offset`` counts bytes from the beginning of the blob."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the block, without padding."""
        return self.size * int(self.dtype[1])

    @property
    def end(self) -> int:
        """Offset of the byte after the block."""
        return self.offset + self.nbytes


@dataclass(frozen=True)
class Manifest:
    """The layout of a blob; two blobs fit together when their manifests are equal."""

    head: bytes  # everything before the first block: prefix, manifest, zeros
    tensors: tuple[Tensor, ...]
    total_bytes: int

    @property
    def data_offset(self) -> int:
        """Offset of the first block."""
        return len(self.head)

    @property
    def is_flat(self) -> bool:
        """True when all tensors are float32, so that the data is one vector."""
        return all(tensor.dtype == "f4" for tensor in self.tensors)

    @property
    def parameters(self) -> int:
        """Number of elements in all tensors."""
        return sum(tensor.size for tensor in self.tensors)


def layout(model: Model) -> Manifest:
    """Return the manifest of ``model``, in its own order. Raises TensorError."""
    entries = [[name, _dtype(name, array), list(array.shape)] for name, array in model.items()]
    return _build(entries, sys.maxsize)


def encode(model: Model) -> list[bytes | memoryview]:
    """Return the blob of ``model`` in pieces, for ``writelines``, a hasher or ``b"".join``.

    Blocks are views of the arrays where these are contiguous and little-endian; do not change the
    arrays while the pieces are in use. Raises TensorError.
    """
    manifest = layout(model)
    pieces: list[bytes | memoryview] = [manifest.head]
    at = manifest.data_offset
    for tensor in manifest.tensors:
        if tensor.offset > at:
            pieces.append(bytes(tensor.offset - at))
        if tensor.nbytes:
            block = np.ascontiguousarray(model[tensor.name], dtype="<" + tensor.dtype)
            pieces.append(block.reshape(-1).view(np.uint8).data)
        at = tensor.end
    return pieces


def parse_manifest(data: Buffer, max_bytes: int) -> Manifest:
    """Read the manifest at the beginning of ``data``, which may end anywhere after the head.

    ``max_bytes`` bounds the whole blob. Nothing of the blob's size is allocated. Raises
    TensorError.
    """
    prefix = bytes(data[:PREFIX_BYTES])
    if len(prefix) < PREFIX_BYTES or prefix[:4] != MAGIC:
        raise TensorError(f"no model begins with {prefix.hex() or 'nothing'}")
    size = int.from_bytes(prefix[4:], "big")
    if size > MAX_MANIFEST_BYTES:
        raise TensorError(f"manifest of {size} bytes, allowed are {MAX_MANIFEST_BYTES}")
    try:
        entries = unpack(bytes(data[PREFIX_BYTES : PREFIX_BYTES + size]), max_bytes=size)
    except EncodingError as error:
        raise TensorError(f"manifest: {error.message}") from error
    manifest = _build(entries, max_bytes)
    if bytes(data[: manifest.data_offset]) != manifest.head:
        raise TensorError("the head is cut short, or its padding is not zero")
    return manifest


def decode(buffer: Buffer, *, max_bytes: int = sys.maxsize) -> dict[str, Array]:
    """Return the model in ``buffer`` as read-only views of it. Raises TensorError."""
    manifest = parse_manifest(buffer, max_bytes)
    _check_data(buffer, manifest)
    return {
        tensor.name: _readonly(buffer, tensor.dtype, tensor.size, tensor.offset, tensor.shape)
        for tensor in manifest.tensors
    }


def flat_float32(buffer: Buffer, manifest: Manifest) -> NDArray[np.float32]:
    """Return all parameters of a float32 model as one read-only ``(d,)`` view of ``buffer``.

    Raises TensorError when ``buffer`` is not a blob of this ``manifest`` or has other dtypes.
    """
    _check_flat(manifest)
    if bytes(buffer[: manifest.data_offset]) != manifest.head:
        raise TensorError("the blob has another manifest than expected")
    _check_data(buffer, manifest)
    count = manifest.parameters
    return _readonly(buffer, "f4", count, manifest.data_offset, (count,))


def unflatten(vector: NDArray[np.float32], manifest: Manifest) -> dict[str, Array]:
    """Return the tensors of a ``(d,)`` float32 vector as views of it, by name.

    Raises TensorError when the vector does not fill ``manifest``.
    """
    _check_flat(manifest)
    if vector.dtype != np.float32 or vector.shape != (manifest.parameters,):
        raise TensorError(
            f"vector of shape {vector.shape}, {vector.dtype}; the model takes "
            f"({manifest.parameters},), float32"
        )
    model: dict[str, Array] = {}
    at = 0
    for tensor in manifest.tensors:
        model[tensor.name] = vector[at : at + tensor.size].reshape(tensor.shape)
        at += tensor.size
    return model


def _dtype(name: str, array: Array) -> str:
    code = array.dtype.str[1:]
    if code not in DTYPES:
        raise TensorError(
            f"tensor {name!r} is {array.dtype}",
            hint=f"convert it to one of {', '.join(sorted(DTYPES))}",
        )
    return code


def _build(entries: object, max_bytes: int) -> Manifest:
    """Check a manifest's entries and lay the blocks out."""
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_TENSORS:
        raise TensorError(f"a manifest lists 1 to {MAX_TENSORS} tensors")
    checked = [_check_entry(entry) for entry in entries]
    head = _head(pack(checked))
    at = len(head)
    tensors: dict[str, Tensor] = {}
    for name, dtype, shape in checked:
        if name in tensors:
            raise TensorError(f"tensor {name!r} twice")
        tensors[name] = Tensor(name, dtype, shape, at + -at % int(dtype[1]))
        at = tensors[name].end
    if at > max_bytes:
        raise TensorError(f"model of {at} bytes, allowed are {max_bytes}")
    return Manifest(head, tuple(tensors.values()), at)


def _head(packed: bytes) -> bytes:
    if len(packed) > MAX_MANIFEST_BYTES:
        raise TensorError(f"manifest of {len(packed)} bytes, allowed are {MAX_MANIFEST_BYTES}")
    head = MAGIC + len(packed).to_bytes(4, "big") + packed
    return head + bytes(-len(head) % DATA_ALIGNMENT)


def _check_entry(entry: object) -> tuple[str, str, tuple[int, ...]]:
    match entry:
        case [str(name), str(dtype), list(shape)]:
            pass
        case _:
            raise TensorError("a manifest entry is [name, dtype, shape]")
    if not 1 <= len(name) <= MAX_NAME or not all(" " <= c <= "~" for c in name):
        raise TensorError(f"tensor name {name!r:.80} is not 1 to {MAX_NAME} printable ASCII")
    if dtype not in DTYPES:
        raise TensorError(f"tensor {name!r}: no dtype {dtype!r:.20}")
    if len(shape) > MAX_DIMS or any(type(dim) is not int or dim < 0 for dim in shape):
        raise TensorError(f"tensor {name!r}: shape {shape!r:.80} is not up to {MAX_DIMS} sizes")
    # Zero dims count as one here: numpy multiplies the others even when the tensor is empty.
    if prod(dim or 1 for dim in shape) * int(dtype[1]) > MAX_TENSOR_BYTES:
        raise TensorError(f"tensor {name!r}: shape {shape!r:.80} is over {MAX_TENSOR_BYTES} bytes")
    return name, dtype, tuple(shape)


def _check_flat(manifest: Manifest) -> None:
    for tensor in manifest.tensors:
        if tensor.dtype != "f4":
            raise TensorError(f"tensor {tensor.name!r} is {tensor.dtype}, expected f4")


def _check_data(buffer: Buffer, manifest: Manifest) -> None:
    """Check the blob's size and that the gaps between blocks are zero."""
    if len(buffer) != manifest.total_bytes:
        raise TensorError(f"blob of {len(buffer)} bytes, its manifest says {manifest.total_bytes}")
    at = manifest.data_offset
    for tensor in manifest.tensors:
        if any(buffer[at : tensor.offset]):
            raise TensorError(f"padding before tensor {tensor.name!r} is not zero")
        at = tensor.end


def _readonly(buffer: Buffer, dtype: str, count: int, offset: int, shape: tuple[int, ...]) -> Array:
    array = np.frombuffer(buffer, "<" + dtype, count, offset).reshape(shape)
    array.flags.writeable = False
    return array
