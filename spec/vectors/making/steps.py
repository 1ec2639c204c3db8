"""handshake-steps/: one side of a handshake and what it receives, to the first wrong message.

`received` and `sent` alternate; an initiator begins with what it sent, a responder with what it
received. The last message received is the one that the vector is about (sections 5 and 7).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from making.basics import Vector, hexed
from making.keys import AES, CHACHA, SUITES, Chain, identity, transcript
from making.sessions import FEDERATION, Handshake, mac1, make_cookie, plain

SILENT, FAILED = "silent-reject", "handshake-failed"
OTHER = identity(1, 100)
Q = 3329


def flip(data: bytes, at: int) -> bytes:
    place = at % len(data)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    yield from _silent()
    yield from _m1_failed()
    yield from _choices()
    yield from _retry()
    yield from _m2_on_the_way()
    yield from _m2_of_an_insider()
    yield from _m3()
    yield from _ends()
    yield from _b1()
    yield from _b2_and_b3()


def _responder(
    slug: str, expect: str, section: str, comment: str, received: list[bytes], **more: Any
) -> Vector:
    """A vector about the responder of an ordinary handshake."""
    inputs = plain(1).inputs()
    sent = more.pop("sent", [])
    known = {
        "role": "responder",
        "federation": inputs["federation"],
        "responder": inputs["responder"],
    }
    return _step(slug, expect, section, comment, known | more, received, sent)


def _initiator(
    slug: str, expect: str, section: str, comment: str, received: list[bytes], sent: list[bytes]
) -> Vector:
    inputs = plain(1).inputs()
    known = {"role": "initiator", "federation": inputs["federation"],
     "initiator": inputs["initiator"],
             "peer": inputs["responder"]["node_id"]}  # fmt: skip
    return _step(slug, expect, section, comment, known, received, sent)


def _step(
    slug: str,
    expect: str,
    section: str,
    comment: str,
    known: dict[str, Any],
    received: list[bytes],
    sent: list[bytes],
) -> Vector:
    values = known | {"received": [hexed(m) for m in received], "sent": [hexed(m) for m in sent]}
    return Vector(f"handshake-steps/{slug}", expect, section, comment, values)


def _silent() -> Iterator[Vector]:
    good = plain(1)
    m1 = good.m1
    for slug, comment, data in (
        ("first-byte", "a first byte that fits nothing", b"Z"),
        ("magic", "the fourth byte of the magic", b"QRFX"),
        ("http", "a web browser", b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"),
        ("version-2", "a later version", b"QRFL\x02"),
        ("no-offer", "no offer", replace(good, count=0).m1[:9]),
        ("nine-offers", "nine offers", replace(good, count=9).m1[:9]),
        ("two-suites", "offers of two suites", replace(good, offers=(0x0101, 0x0102)).m1[:13]),
        ("suite-2", "offers of suite 2, and the responder is of suite 1",
         replace(good, offers=(0x0102, 0x0202)).m1[:13]),
        ("suite-4", "offers of suite 4, whose KEM key is the longest",
         replace(good, offers=(0x0104, 0x0204)).m1[:13]),
        ("private-suite", "offers of a private suite",
         replace(good, offers=(0x0140, 0x0240)).m1[:13]),
        ("unknown-suite", "offers of suite 63", replace(good, offers=(0x013F, 0x023F)).m1[:13]),
        ("suite-0", "offers of suite 0", replace(good, offers=(0x0100, 0x0200)).m1[:13]),
        ("cookie-of-1", "a cookie of 1 byte", good.core + b"\x00\x01"),
        ("cookie-of-39", "a cookie of 39 bytes", good.core + b"\x00\x27"),
        ("cookie-of-41", "a cookie of 41 bytes", good.core + b"\x00\x29"),
        ("mac1", "the last bit of mac1", flip(m1, -1)),
        ("random-changed", "the random was changed on the way", flip(m1, 13)),
        ("kem-key-changed", "the KEM key was changed on the way", flip(m1, 45)),
        ("flags-changed", "a flag was set on the way", flip(m1, 5)),
        ("other-federation", "mac1 is for another federation", replace(good,
         i_federation=bytes(32)).m1),
        ("other-node", "mac1 is for another node", replace(good, i_peer=OTHER.node_id).m1),
        ("own-node", "mac1 is for the initiator itself", replace(good, i_peer=good.i.node_id).m1),
        ("mac1-over-core", "mac1 leaves the cookie's length out",
         good.core + bytes(2) + mac1(FEDERATION, good.r.node_id, good.core)),
        ("mac1-keys-swapped", "node ID before federation",
         good.core + bytes(2) + mac1(good.r.node_id, FEDERATION, good.core + bytes(2))),
    ):  # fmt: skip
        yield _responder(f"m1/silent-{slug}", SILENT, "5.2", comment, [data])


def coefficient_q(key: bytes) -> bytes:
    """The first coefficient, twelve bits little-endian, becomes q."""
    return bytes([Q & 0xFF, key[1] & 0xF0 | Q >> 8]) + key[2:]


def _m1_failed() -> Iterator[Vector]:
    good = plain(1)
    points = {
        "zero": bytes(32),
        "one": b"\x01" + bytes(31),
        "order-8": bytes.fromhex(
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"
        ),
        "minus-one": b"\xec" + b"\xff" * 30 + b"\x7f",
        "p": b"\xed" + b"\xff" * 30 + b"\x7f",
    }
    for slug, comment, shake in (
        ("flag-1", "a flag", replace(good, flags=b"\x00\x00\x01")),
        ("flag-24", "another flag", replace(good, flags=b"\x80\x00\x00")),
        ("unknown-aeads", "no known AEAD", replace(good, offers=(0x0301, 0xFF01))),
        ("aead-0", "no known AEAD: 0 is none", replace(good, offers=(0x0001,))),
        ("kem-coefficient", "a coefficient of the KEM key is q", replace(good,
         i_kem_key=coefficient_q)),
        ("kem-ones", "all coefficients are 4095",
         replace(good, i_kem_key=lambda key: b"\xff" * (len(key) - 32) + key[-32:])),
        *((f"x25519-{name}", "an X25519 key of small order: the secret is zero",
           replace(good, i_dh_key=lambda _, point=point: point)) for name, point in points.items()),
    ):  # fmt: skip
        yield _responder(f"m1/{slug}", FAILED, "5.2", comment, [shake.m1])


def _choices() -> Iterator[Vector]:
    """M1s that are good, and the M2 that R answers."""
    for slug, comment, shake, wish in (
        ("offers-aes-first", "AES first, and R has no wish", plain(1), False),
        ("offers-chacha-first", "ChaCha20 first", plain(1, aead=CHACHA, first=CHACHA), False),
        ("responder-wants-chacha", "AES first, but R prefers ChaCha20",
         plain(1, aead=CHACHA, first=AES), True),
        ("offers-aes-only", "AES only, though R prefers ChaCha20", plain(1, offers=(0x0101,)),
         True),
        ("offers-chacha-only", "ChaCha20 only", plain(1, aead=CHACHA, offers=(0x0201,)), False),
        ("offers-unknown-aead", "an unknown AEAD stands first and is ignored",
         plain(1, offers=(0x0301, 0x0101)), False),
        ("offers-eight", "eight offers, ChaCha20 the last",
         plain(1, offers=tuple(n << 8 | 1 for n in (3, 4, 5, 6, 7, 8, 1, 2))), False),
        ("cookie-unasked", "a cookie that nobody asked for is not looked at",
         plain(1, cookie=True), False),
    ):  # fmt: skip
        more = {"prefers_chacha": wish, "sent": [shake.m2]}
        yield _responder(f"m1/good-{slug}", "ok", "5.2", comment, [shake.m1], **more)


def _retry() -> Iterator[Vector]:
    good = plain(1)
    bare, cookie = good.m1, make_cookie(good.core)
    answer = b"\x00\x00\x00\x28" + cookie
    gate = {"under_load": {"secret": "5c" * 32, "address": b"192.0.2.1".hex(), "now": 1000}}
    other = replace(good, flags=bytes(3), i_dh_key=lambda key: b"\x09" + bytes(31))
    expired = (999).to_bytes(8) + cookie[8:]
    for slug, comment, second in (
        ("no-cookie-again", "the second M1 has no cookie either", bare),
        ("cookie-changed", "one bit of the cookie is wrong", good.with_cookie(flip(cookie, -1))),
        ("cookie-expired", "an expiry that is over", good.with_cookie(expired)),
        (
            "cookie-of-another-core",
            "the cookie was issued for another M1",
            other.with_cookie(cookie),
        ),
    ):
        more = {**gate, "sent": [answer]}
        yield _responder(f"retry/{slug}", FAILED, "5.3", comment, [bare, second], **more)
    short = b"\x00\x00\x00\x27" + cookie[:-1]
    with_cookie = good.with_cookie(cookie)
    again = b"\x00\x00\x00\x28" + b"\x77" * 40
    for slug, comment, received, sent in (
        ("twice", "a second RETRY", [answer, again], [bare, with_cookie]),
        ("cookie-of-39", "a cookie of 39 bytes", [short], [bare]),
        ("cookie-of-0", "an empty cookie", [bytes(4)], [bare]),
        ("cookie-of-65535", "a cookie of 65,535 bytes is announced", [b"\x00\x00\xff\xff"], [bare]),
    ):
        yield _initiator(f"retry/{slug}", FAILED, "5.3", comment, received, sent)


def _m2_on_the_way() -> Iterator[Vector]:
    """M2s that were changed between an honest responder and the initiator."""
    good = plain(1)
    m2, ct = good.m2, good.suite.ciphertext
    for slug, comment, data in (
        ("not-offered", "an AEAD that was not offered", b"\x03\x01"),
        ("other-suite", "a suite that was not offered", b"\x01\x02"),
        ("other-aead", "the other AEAD, exchanged on the way", b"\x02" + m2[1:]),
        ("random", "the random was changed", flip(m2, 2)),
        ("ciphertext", "the KEM ciphertext was changed", flip(m2, 34)),
        ("x25519", "the X25519 key was changed", flip(m2, 34 + ct)),
        ("x25519-high-bit", "the bit of the X25519 key that X25519 ignores was changed",
         m2[: 65 + ct] + bytes([m2[65 + ct] ^ 0x80]) + m2[66 + ct :]),
        ("payload", "the sealed payload was changed", flip(m2, 66 + ct)),
        ("tag", "the tag was changed", flip(m2, -1)),
    ):  # fmt: skip
        yield _initiator(f"m2/{slug}", FAILED, "5.5", comment, [data], [good.m1])


def _resealed(shake: Handshake, aad: bytes) -> bytes:
    chain = shake.chain(shake.secret, "handshake responder", shake.th1)
    return shake.header + chain.seal(0, shake.payload_responder, aad)


def _m2_of_an_insider() -> Iterator[Vector]:
    """M2s of somebody who took part in the key exchange and broke one rule."""
    good = plain(1)
    key_end = 1 + good.suite.public_key
    elsewhere = transcript(good.suite, bytes(32), good.m1, good.header)
    for slug, comment, shake in (
        ("signer-suite", "the signer's suite is 2",
         plain(1, r_payload=lambda payload: b"\x02" + payload[1:])),
        ("extensions", "extensions that are not the empty map",
         plain(1, r_payload=lambda payload: payload[:-1] + b"\x90")),
        ("signature", "one bit of the signature is wrong",
         plain(1, r_payload=lambda payload: flip(payload, -2))),
        ("context", "signed in the initiator's context", plain(1, r_context=b"qrfld-1 initiator")),
        ("no-context", "signed without a context", plain(1, r_context=b"")),
        ("without-node-id", "the node ID is not signed", plain(1, r_signs=lambda one: one.th1)),
        ("other-transcript", "the transcript of another federation is signed",
         plain(1, r_signs=lambda one: elsewhere + one.r.node_id)),
        ("stolen-name", "the key is R's, the signature another node's",
         plain(1, r_payload=lambda payload: payload[:key_end]
               + OTHER.sign(good.th1 + good.r.node_id, b"qrfld-1 responder") + b"\x80")),
        ("other-node", "another node answers, in its own name",
         plain(1, r=OTHER, i_peer=good.r.node_id)),
        ("reflection", "the initiator's own identity answers",
         plain(1, r=good.i, i_peer=good.r.node_id)),
        ("initiators-key", "sealed with the initiator's handshake key",
         plain(1, r_label="handshake initiator")),
    ):  # fmt: skip
        yield _initiator(f"m2/{slug}", FAILED, "5.5", comment, [shake.m2], [good.m1])
    comment = "the transcript is not authenticated"
    yield _initiator("m2/no-aad", FAILED, "5.5", comment, [_resealed(good, b"")], [good.m1])
    zero = plain(1, r_dh_key=lambda _: bytes(32))
    zero.__dict__["ss_x25519"] = bytes(32)
    comment = "an X25519 key of zeros: the secret is zero, as its author knows"
    yield _initiator("m2/x25519-zero", FAILED, "5.5", comment, [zero.m2], [good.m1])


def _m3() -> Iterator[Vector]:
    good = plain(1)
    key_end = 1 + good.suite.public_key
    header_size = 66 + good.suite.ciphertext
    wrong = [
        ("payload", "the sealed payload was changed", flip(good.m3, 0)),
        ("tag", "the tag was changed", flip(good.m3, -1)),
        ("echo", "R's own sealed payload comes back", good.m2[header_size:]),
    ]
    wrong += [(slug, comment, shake.m3) for slug, comment, shake in (
        ("signer-suite", "the signer's suite is 2",
         plain(1, i_payload=lambda payload: b"\x02" + payload[1:])),
        ("extensions", "extensions that are not the empty map",
         plain(1, i_payload=lambda payload: payload[:-1] + b"\xc0")),
        ("signature", "one bit of the signature is wrong",
         plain(1, i_payload=lambda payload: flip(payload, -2))),
        ("context", "signed in the responder's context", plain(1, i_context=b"qrfld-1 responder")),
        ("th1", "th1 is signed, which does not cover R's key",
         plain(1, i_signs=lambda one: one.th1 + one.i.node_id)),
        ("without-node-id", "the node ID is not signed", plain(1, i_signs=lambda one: one.th2)),
        ("stolen-name", "the key is I's, the signature another node's",
         plain(1, i_payload=lambda payload: payload[:key_end]
               + OTHER.sign(good.th2 + good.i.node_id, b"qrfld-1 initiator") + b"\x80")),
        ("reflection", "the responder's own identity", plain(1, i=good.r)),
        ("responders-key", "sealed with the responder's handshake key",
         plain(1, i_label="handshake responder")),
    )]  # fmt: skip
    for slug, comment, m3 in wrong:
        more = {"sent": [good.m2], **good.m2_values()}
        yield _responder(f"m3/{slug}", FAILED, "5.5", comment, [good.m1, m3], **more)


def _ends() -> Iterator[Vector]:
    good = plain(1)
    comment = "TCP ends before the last byte of M1"
    yield _responder("m1/end", "truncated", "10.1", comment, [good.m1[:-1]], end=True)
    comment = "TCP ends before the last byte of M2"
    vector = _initiator("m2/end", "truncated", "10.1", comment, [good.m2[:-1]], [good.m1])
    yield replace(vector, values=vector.values | {"end": True})
    comment = "TCP ends before the last byte of M3"
    more = {"sent": [good.m2], **good.m2_values(), "end": True}
    received = [good.m1, good.m3[:-1]]
    yield _responder("m3/end", "truncated", "10.1", comment, received, **more)


# The bulk connection.

SESSION_ID, SECRET = bytes(range(16)), bytes(range(1, 49))
I_RANDOM, R_RANDOM = b"\x3c" * 32, b"\x4d" * 32


def _chain(label: str, context: bytes = b"") -> Chain:
    shake = plain(1)
    return shake.chain(SECRET, label, context)


def _maced(label: str, body: bytes, *, before: bytes = b"") -> bytes:
    return body + hmac.digest(_chain(label).secret, before + body, "sha256")


def _make_b1(start: bytes = b"QRFB\x01", session: bytes = SESSION_ID) -> bytes:
    return _maced("bulk mac initiator", start + session + I_RANDOM)


def _make_b2(b1: bytes) -> bytes:
    return _maced("bulk mac responder", R_RANDOM, before=b1)


def _session(**changed: Any) -> dict[str, Any]:
    return {"session": {"id": SESSION_ID.hex(), "wire_suite": 0x0101, "bulk": SECRET.hex(),
                        "initiator": False, "joined": False, **changed}}  # fmt: skip


def _bulk_responder(
    slug: str, expect: str, comment: str, received: list[bytes], sent: list[bytes], **session: Any
) -> Vector:
    known = {"role": "responder", **_session(**session), "random": R_RANDOM.hex()}
    return _step(f"bulk/{slug}", expect, "7", comment, known, received, sent)


def _b1() -> Iterator[Vector]:
    good = _make_b1()
    for slug, comment, data in (
        ("version-2", "a later version", b"QRFB\x02"),
        ("other-session", "no session has this ID", _make_b1(session=bytes(16))),
        ("mac", "the last bit of the mac", flip(good, -1)),
        ("random-changed", "the random was changed", flip(good, 21)),
        ("responders-mac", "the mac is made with the responder's label",
         _maced("bulk mac responder", good[:53])),
    ):  # fmt: skip
        yield _bulk_responder(f"b1-{slug}", SILENT, comment, [data], [])
    comment = "our side initiated that session"
    yield _bulk_responder("b1-own-session", SILENT, comment, [good], [], initiator=True)
    comment = "the session has had its bulk connection"
    yield _bulk_responder("b1-joined", SILENT, comment, [good], [], joined=True)


def _b2_and_b3() -> Iterator[Vector]:
    b1 = _make_b1()
    b2 = _make_b2(b1)
    bth = transcript(SUITES[1], b1, b2)
    chain = _chain("bulk initiator", bth)
    good = chain.record(0, b"\x07")
    yield _bulk_responder("join", "ok", "B1, B2, B3", [b1, good], [b2])
    longer = (18).to_bytes(4) + chain.seal(0, b"\x07\x00", (18).to_bytes(4))
    for slug, comment, data in (
        ("length", "a record of 18 bytes", longer[:21]),
        ("tag", "the last bit of the tag", flip(good, -1)),
        ("counter", "sealed as the second record", chain.record(1, b"\x07")),
        ("other-frame", "a KEY_UPDATE in its place", chain.record(0, b"\x05")),
        ("responders-key", "sealed with the responder's key",
         _chain("bulk responder", bth).record(0, b"\x07")),
    ):  # fmt: skip
        yield _bulk_responder(f"b3-{slug}", FAILED, comment, [b1, data], [b2])
    known = {"role": "initiator", **_session(initiator=True), "random": I_RANDOM.hex()}
    comment = "B2 is answered by B3"
    yield _step("bulk/join-initiator", "ok", "7", comment, known, [b2], [b1, good])
    for slug, comment, data in (
        ("mac", "the last bit of the mac", flip(b2, -1)),
        ("random-changed", "the random was changed", flip(b2, 0)),
        ("initiators-mac", "the mac is made with the initiator's label",
         _maced("bulk mac initiator", R_RANDOM, before=b1)),
        ("without-b1", "the mac leaves B1 out", _maced("bulk mac responder", R_RANDOM)),
    ):  # fmt: skip
        yield _step(f"bulk/b2-{slug}", FAILED, "7", comment, known, [data], [b1])
