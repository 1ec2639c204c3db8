"""A receiver without one of its checks fails a vector: the vectors bite.

Each mutant takes one check out of our own code, as one who read the text too quickly leaves it out.
That all vectors pass with the check in place is `test_vectors`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from vector_files import all_vectors
from vector_runner import outcome

from qrfld.crypto import canonical, certificates, encoding, identity, signed
from qrfld.crypto.errors import CryptoError, InvalidSignatureError
from qrfld.crypto.labels import Kind
from qrfld.net import members
from qrfld.protocol import (
    bulk,
    connection,
    control_frames,
    credit,
    frames,
    handshake,
    keys,
    records,
    streams,
    tensors,
    wire,
)
from qrfld.protocol.errors import KeyShareError

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]


def differs(path: str) -> bool:
    """Whether the outcome is not the vector's; what is taken by mistake may raise later."""
    vector = all_vectors()[path]
    try:
        return outcome(path, vector) != vector["expect"]
    except Exception:
        return True


def always(*_: Any, **__: Any) -> bool:
    return True


def nothing(*_: Any, **__: Any) -> None:
    pass


def no_reencoding(patch: Patch) -> None:
    patch.setattr(encoding, "_check_same", nothing)


def ignores_even_keys(patch: Patch) -> None:
    split = encoding._split

    def lenient(cls: Any, m: dict[int, object]) -> Any:
        return split(cls, {k: v for k, v in m.items() if k % 2 or k in encoding._fields(cls)})

    patch.setattr(encoding, "_split", lenient)


def any_spelling(patch: Patch) -> None:
    patch.setattr(canonical._Reader, "_spelling", nothing)


def accepts_nan(patch: Patch) -> None:
    patch.setattr(canonical._Reader, "_finite", lambda self, number: number)


def any_depth(patch: Patch) -> None:
    patch.setattr(canonical, "MAX_DEPTH", 1 << 20)


def unknown_even_codes_ignored(patch: Patch) -> None:
    decode = connection.decode_message

    def lenient(data: bytes) -> Any:
        known = int.from_bytes(data[:2]) in {*range(1, 7), *range(10, 20)}
        return decode(data) if known else None

    patch.setattr(connection, "decode_message", lenient)


def no_mac1(patch: Patch) -> None:
    patch.setattr(wire.hmac, "compare_digest", always)


def flags_ignored(patch: Patch) -> None:
    parse = wire.parse_m1

    def lenient(*args: Any) -> Any:
        m1 = parse(*args)
        return type(m1)(**{**vars(m1), "flags": wire.FLAGS})

    patch.setattr(wire, "parse_m1", lenient)


def no_handshake_signature(patch: Patch) -> None:
    patch.setattr(handshake, "_verify", nothing)


def no_reflection_check(patch: Patch) -> None:
    def lenient(payload: bytes, chosen: Any, own: Any) -> Any:
        public_key, signature = wire.parse_payload(payload, chosen)
        return identity.PublicIdentity(chosen.id, public_key), signature

    patch.setattr(handshake, "_presented", lenient)


def zero_secret(patch: Patch) -> None:
    exchange = keys.exchange

    def lenient(ours: Any, peer: bytes) -> bytes:
        try:
            return exchange(ours, peer)
        except KeyShareError:
            return bytes(32)

    patch.setattr(handshake, "exchange", lenient)


def no_bulk_mac(patch: Patch) -> None:
    patch.setattr(bulk.hmac, "compare_digest", always)


def no_length_bound(patch: Patch) -> None:
    def lenient(self: records.RecordReader, record: bytes) -> int:
        return min(int.from_bytes(record[:4]), 1 << 22)  # not 4 GiB in a test

    patch.setattr(records.RecordReader, "_size", lenient)


def no_key_limit(patch: Patch) -> None:
    init = records._Generation.__init__
    patch.setattr(
        records._Generation, "__init__", lambda self, chain, *_: init(self, chain, 1 << 62, 1 << 62)
    )


def any_frame_size(patch: Patch) -> None:
    patch.setattr(frames, "_exactly", lambda what, body, size: bytes(body[:size]))


def offsets_beyond_63_bits(patch: Patch) -> None:
    patch.setattr(frames, "_bounded", lambda what, offset: offset)


def credit_not_counted(patch: Patch) -> None:
    def lenient(self: credit.MessageCredit, size: int) -> None:
        self._received += size

    patch.setattr(credit.MessageCredit, "receive", lenient)


def chunks_not_followed(patch: Patch) -> None:
    patch.setattr(streams.Fetches, "chunk", always)


def any_number_of_streams(patch: Patch) -> None:
    patch.setattr(streams, "MAX_STREAMS", 1 << 20)


def no_statement_signature(patch: Patch) -> None:
    patch.setattr(identity.PublicIdentity, "verify", nothing)


def any_context(patch: Patch) -> None:
    def lenient(self: signed.Signed, signer: identity.PublicIdentity) -> None:
        for kind in Kind:
            try:
                return signer.verify(self.statement, self.signature, kind.context)
            except CryptoError:
                pass
        raise InvalidSignatureError("no context fits")

    patch.setattr(signed.Signed, "verify", lenient)


def unsigned_fields(patch: Patch) -> None:
    def lenient(cls: type[signed.Signed], data: bytes, kind: Kind | None = None) -> signed.Signed:
        envelope = cls.from_bytes(data, max_bytes=signed.SIGNED_MAX_BYTES)
        if kind is not None and envelope.kind != kind:
            raise InvalidSignatureError("another kind")
        return envelope

    patch.setattr(signed.Signed, "parse", classmethod(lenient))


def certificates_of_any_federation(patch: Patch) -> None:
    patch.setattr(certificates, "_flaw", lambda *_: "")


def certificates_of_any_node(patch: Patch) -> None:
    learn = members.Members.learn

    async def lenient(self: Any, certificate: bytes, record: Any, **_: Any) -> Any:
        return await learn(self, certificate, record)

    patch.setattr(members.Members, "learn", lenient)


def any_name(patch: Patch) -> None:
    patch.setattr(certificates, "name_flaw", lambda name: "")


def padding_not_looked_at(patch: Patch) -> None:
    patch.setattr(tensors, "_check_data", nothing)


def true_is_one(patch: Patch) -> None:
    def lenient(frame: dict[str, Any], name: str, kind: type) -> Any:
        if not isinstance(frame.get(name), kind):
            raise control_frames.ControlFrameError(name)
        return frame[name]

    patch.setattr(control_frames, "_field", lenient)


MUTANTS: tuple[tuple[Mutant, str], ...] = (
    (no_reencoding, "messages"),
    (no_reencoding, "bodies"),
    (ignores_even_keys, "messages"),
    (ignores_even_keys, "bodies"),
    (any_spelling, "encoding"),
    (any_spelling, "messages/spelling"),
    (accepts_nan, "encoding"),
    (accepts_nan, "messages/spelling"),
    (any_depth, "encoding"),
    (unknown_even_codes_ignored, "messages/codes"),
    (no_mac1, "handshake-steps/m1"),
    (flags_ignored, "handshake-steps/m1"),
    (no_handshake_signature, "handshake-steps/m2"),
    (no_handshake_signature, "handshake-steps/m3"),
    (no_reflection_check, "handshake-steps/m3"),
    (zero_secret, "handshake-steps/m1"),
    (zero_secret, "handshake-steps/m2"),
    (no_bulk_mac, "handshake-steps/bulk"),
    (no_length_bound, "records"),
    (no_key_limit, "records"),
    (any_frame_size, "frames"),
    (offsets_beyond_63_bits, "frames"),
    (credit_not_counted, "connections/credit"),
    (chunks_not_followed, "connections/requester"),
    (any_number_of_streams, "connections/supplier"),
    (no_statement_signature, "statements"),
    (any_context, "statements/admission"),
    (any_context, "statements/round-record"),
    (unsigned_fields, "statements/update"),
    (certificates_of_any_federation, "statements/admission"),
    (certificates_of_any_node, "hello"),
    (any_name, "statements/admission"),
    (padding_not_looked_at, "tensors"),
    (true_is_one, "control-frames"),
)


@pytest.mark.parametrize(("mutant", "where"), MUTANTS)
def test_receiver_lacks_a_check_takes_what_a_vector_says_it_refuses(
    mutant: Mutant, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    wrong = {path for path in all_vectors() if path.startswith(f"{where}/") and differs(path)}
    assert wrong
    # A mutant lacks a check and nothing else: it takes what is good like everybody.
    assert not {path for path in wrong if all_vectors()[path]["expect"] == "ok"}
