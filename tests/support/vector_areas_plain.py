"""Vectors that need no session: encoding, identity, tokens, blobs, tensors, updates, chains,
control-frames."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from vector_files import fields, named, same, unhex, value

from qrfld.crypto.encoding import pack, unpack
from qrfld.crypto.errors import InvalidNodeIdError, TokenError
from qrfld.crypto.identity import Identity, NodeId
from qrfld.crypto.tokens import Token
from qrfld.protocol.control_frames import (
    ControlDecoder,
    Failure,
    Request,
    Result,
    encode_answer,
    encode_request,
)
from qrfld.protocol.errors import ControlFrameError, TensorError
from qrfld.protocol.statements import RoundRecord, RunConfig
from qrfld.protocol.tensors import MerkleHasher, blob_hash, decode, encode, parse_manifest
from qrfld.rounds.errors import RecordRefusedError, UpdateRefusedError
from qrfld.rounds.ledger import Ledger
from qrfld.rounds.mixing import check_update


def run_encoding(vector: dict[str, Any]) -> None:
    if "bytes" not in vector:
        pack(value(vector["value"]))
        return
    data = unhex(vector["bytes"])
    read = unpack(data, max_bytes=vector["max_bytes"])
    assert same(read, value(vector["value"]))
    assert pack(value(vector["value"])) == data


def run_identity(vector: dict[str, Any]) -> str:
    try:
        node_id = NodeId.parse(vector["text"])
    except InvalidNodeIdError:
        return "node-id"
    assert node_id.hex() == vector["node_id"]
    assert str(node_id) == vector.get("written", vector["text"])
    if "seed" in vector:
        public = Identity.from_seed(vector["suite"], bytes.fromhex(vector["seed"])).public_key
        assert public.hex() == vector["public_key"]
        assert NodeId.of(vector["suite"], public) == node_id
    return "ok"


def run_token(vector: dict[str, Any]) -> str:
    try:
        token = Token.parse(vector["token"])
    except TokenError:
        return "token"
    assert same(named(token), fields(vector["fields"]))
    assert token.secret_hash().hex() == vector["secret_hash"]
    assert token.text() == vector.get("written", vector["token"])
    return "ok"


def run_blob(vector: dict[str, Any]) -> str:
    blob, hasher = unhex(vector["blob"]), MerkleHasher()
    for at in range(0, len(blob), 40_000):
        hasher.update(blob[at : at + 40_000])
    assert hasher.digest() == blob_hash(blob)
    good = hasher.digest().hex() == vector["hash"] and hasher.length == vector["length"]
    return "ok" if good else "blob"


def run_tensors(vector: dict[str, Any]) -> str:
    blob = unhex(vector["blob"])
    try:
        model = decode(blob, max_bytes=vector["max_bytes"])
    except TensorError:
        return "tensor"
    manifest = parse_manifest(blob, vector["max_bytes"])
    listed = [
        {
            "name": tensor.name,
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "offset": tensor.offset,
            "data": model[tensor.name].tobytes(),
        }
        for tensor in manifest.tensors
    ]
    assert listed == [{**one, "data": unhex(one["data"])} for one in vector["tensors"]]
    assert b"".join(encode(model)) == blob
    assert blob_hash(blob).hex() == vector["hash"]
    return "ok"


def run_update(vector: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as directory:
        update, base = Path(directory) / "update", Path(directory) / "model"
        update.write_bytes(unhex(vector["update"]))
        base.write_bytes(unhex(vector["model"]))
        try:
            check_update(update, base, 1 << 20)
        except (UpdateRefusedError, TensorError):
            return "update"
    return "ok"


def run_chain(vector: dict[str, Any]) -> str:
    config = RunConfig.from_bytes(unhex(vector["config"]))
    ledger = Ledger(bytes.fromhex(vector["run"]), config, None)  # type: ignore[arg-type]
    for held in vector["held"]:
        record = RoundRecord.from_bytes(unhex(held["body"]))
        ledger.check(record)
        ledger.append(record, bytes.fromhex(held["id"]))
    try:
        ledger.check(RoundRecord.from_bytes(unhex(vector["record"])))
    except RecordRefusedError:
        return "statement"
    return "ok"


def run_control_frame(vector: dict[str, Any]) -> str:
    request = vector["direction"] == "request"
    decoder: ControlDecoder[Any] = (
        ControlDecoder.requests() if request else ControlDecoder.answers()
    )
    frame = unhex(vector["frame"])
    decoder.receive_data(frame)
    try:
        read = decoder.next_frame()
    except ControlFrameError:
        return "control-frame"
    assert read is not None
    assert decoder.pending == 0
    if "payload" in vector:
        assert same(_payload(read), value(vector["payload"]))
        again = encode_request(read) if isinstance(read, Request) else encode_answer(read)
        assert again == unhex(vector.get("written", vector["frame"]))
    return "ok"


def _payload(read: Request | Result | Failure) -> dict[str, Any]:
    match read:
        case Request():
            return {"id": read.id, "method": read.method, "params": read.params}
        case Result():
            return {"id": read.id, "result": read.result}
        case Failure():
            error = {key: content for key, content in vars(read).items() if key != "id"}
            return {"id": read.id, "error": error}
