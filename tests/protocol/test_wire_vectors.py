"""The vectors of spec/PROTOCOL.md for encoding, messages, statements, blobs and control frames."""

from __future__ import annotations

import numpy as np
import pytest

from qrfld.crypto.encoding import pack
from qrfld.crypto.identity import Identity
from qrfld.crypto.labels import Kind
from qrfld.crypto.signed import seal, statement_id
from qrfld.protocol.control_frames import Failure, Request, encode_answer, encode_request
from qrfld.protocol.messages import Refused, RunSync
from qrfld.protocol.statements import UpdateStatement, run_id
from qrfld.protocol.tensors import blob_hash, encode

RUN = bytes(range(16))


def test_value_vector() -> None:
    value = {1: -1, 0: [True, None, 1.5, "é", b"\x00"]}
    assert pack(value).hex() == "820095c3c0cb3ff8000000000000a2c3a9c4010001ff"


def test_message_vectors() -> None:
    sync = RunSync(run=RUN, next_round=300)
    assert sync.encode().hex() == "00138200c410000102030405060708090a0b0c0d0e0f02cd012c"
    refused = Refused(about=2, error=3, reason="used")
    assert refused.encode().hex() == "0004830002020304a475736564"


def test_statement_vector() -> None:
    update = UpdateStatement(
        run=RUN,
        round=1,
        base_model=b"\x11" * 32,
        update=b"\x22" * 32,
        update_bytes=2600,
        samples=287,
        loss=0.5,
    )
    assert update.to_bytes().hex() == (
        f"8700c410{RUN.hex()}020104c420{'11' * 32}06c420{'22' * 32}"
        "08cd0a280acd011f0ccb3fe0000000000000"
    )
    signed = seal(Identity.from_seed(1, bytes(32)), Kind.UPDATE, update)
    name = "48a7c88f8c8923fdb62826fdb08b7e428a634f64935dc5c2f20911091766e06b"
    assert statement_id(signed).hex() == name
    assert run_id(signed).hex() == name[:32]


@pytest.mark.parametrize(
    ("zeros", "name"),
    [
        (0, "f0c1e0b4cd1983b9c92909f8145cc102993e4c797489c0ba98639fd93056b82f"),
        (1, "ee8acb9cb20eaf4b807ef586e552774d803cc3dd837bf26e9f509500cc2604bd"),
        (65536, "75bbee7cb4cd40558f2e6f9cc36c9d16cb503782cce7844fdeb00b45659d5d2e"),
        (65537, "933b937488b2a8703c542973ec8ec5a1e1989045fdbd5a1f0858968be205d92c"),
        (196608, "435c49963a9223afe6f85c0c633d446b83e74450378b6719b98b964b1908f190"),
    ],
)
def test_blob_hash_vectors(zeros: int, name: str) -> None:
    assert blob_hash(bytes(zeros)).hex() == name


def test_blob_vector() -> None:
    blob = b"".join(encode({"n": np.uint8([1, 2, 3]), "w": np.float32([[1], [-2]])}))
    assert blob.hex() == (
        "51524654000000129293a16ea27531910393a177a266349202010000000000000000"
        f"{'00' * 30}010203000000803f000000c0"
    )
    assert blob_hash(blob).hex() == (
        "f0f848a6b008470052a35cfd81b578053c410a398af14aefda000bd34a1b064c"
    )


def test_control_frame_vectors() -> None:
    assert encode_request(Request(1, "status", {})).hex() == (
        "0000001b83a2696401a66d6574686f64a6737461747573a6706172616d7380"
    )
    assert encode_answer(Failure(1, "usage", "m", "h", 2)).hex() == (
        "0000003382a56572726f7284a9657869745f636f646502a468696e74a168a76d657373616765a16d"
        "a46e616d65a57573616765a2696401"
    )
