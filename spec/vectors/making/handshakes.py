"""handshake/: whole handshakes and bulk joins, every value listed (sections 5 to 7)."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any

from making.basics import Vector
from making.frames import get, ping
from making.keys import AES, CHACHA, expand_label, transcript
from making.records import STEP
from making.sessions import Handshake, make_cookie, plain

#: RUN_SYNC as in section 12, in its frame.
MESSAGE = bytes.fromhex("0100138200c410000102030405060708090a0b0c0d0e0f02cd012c")


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    for suite in (1, 2):
        for aead, name in ((AES, "aes"), (CHACHA, "chacha")):
            shake = plain(suite, aead=aead, first=aead)
            comment = f"suite {suite}; the initiator's first offer is chosen, {name}"
            yield _vector(f"suite-{suite}-{name}", comment, shake)
    comment = "the responder asks for a cookie before it computes"
    yield _vector("cookie", comment, plain(1, cookie=True))


def _vector(slug: str, comment: str, shake: Handshake) -> Vector:
    values = shake.inputs()
    if shake.cookie:
        values |= _retry(shake)
    values |= {"m1": shake.m1.hex(), "m2": shake.m2.hex(), "m3": shake.m3.hex()}
    values |= {"ss_mlkem": shake.ss_mlkem.hex(), "ss_x25519": shake.ss_x25519.hex()}
    values |= shake.m2_values()
    values["payload_responder"] = shake.payload_responder.hex()
    values["payload_initiator"] = shake.payload_initiator.hex()
    values |= _session(shake) | {"bulk_join": _bulk_join(shake)}
    return Vector(f"handshake/{slug}", "ok", "5", comment, values)


def _retry(shake: Handshake) -> dict[str, Any]:
    cookie = make_cookie(shake.core)
    return {
        "retry": {
            "first_m1": shake.with_cookie(b"").hex(),
            "retry": (b"\x00\x00\x00\x28" + cookie).hex(),
            "secret": (b"\x5c" * 32).hex(),
            "address": b"192.0.2.1".hex(),
            "now": 1000,
        }
    }


def _session(shake: Handshake) -> dict[str, Any]:
    exporter = expand_label(shake.suite, shake.master, "exporter", b"", shake.suite.hlen)
    exported = expand_label(shake.suite, exporter, "exporter", b"test", 32)
    ours = shake.chain(shake.master, "traffic initiator")
    theirs = shake.chain(shake.master, "traffic responder")
    return {
        "th3": shake.th3.hex(),
        "master": shake.master.hex(),
        "traffic_initiator": ours.json(),
        "traffic_responder": theirs.json(),
        "session_id": shake.session_id.hex(),
        "exporter": exporter.hex(),
        "export": {"label": b"test".hex(), "value": exported.hex()},
        "bulk": shake.bulk.hex(),
        **_tickets(shake),
        "records": {
            "initiator_message": ours.record(0, MESSAGE).hex(),
            "responder_ping": theirs.record(0, ping(b"pingping")).hex(),
            "initiator_key_update": ours.record(1, STEP).hex(),
            "initiator_ping_after_key_update": ours.next().record(0, ping(b"gnipgnip")).hex(),
        },
    }


def _tickets(shake: Handshake) -> dict[str, str]:
    found = {}
    for role in ("initiator", "responder"):
        name = expand_label(shake.suite, shake.master, f"ticket {role}", b"", 16)
        found[f"ticket_{role}"] = name.hex()
        proof = shake.chain(shake.master, f"ticket secret {role}").secret
        found[f"ticket_secret_{role}"] = proof.hex()
    return found


def _bulk_join(shake: Handshake) -> dict[str, Any]:
    i_random, r_random = b"\x3c" * 32, b"\x4d" * 32
    b1 = b"QRFB\x01" + shake.session_id + i_random
    b1 += hmac.digest(shake.chain(shake.bulk, "bulk mac initiator").secret, b1, "sha256")
    b2 = r_random
    b2 += hmac.digest(shake.chain(shake.bulk, "bulk mac responder").secret, b1 + b2, "sha256")
    bth = transcript(shake.suite, b1, b2)
    ours = shake.chain(shake.bulk, "bulk initiator", bth)
    theirs = shake.chain(shake.bulk, "bulk responder", bth)
    return {
        "b1": b1.hex(),
        "b2": b2.hex(),
        "bth": bth.hex(),
        "initiator": {"random": i_random.hex(), **ours.json()},
        "responder": {"random": r_random.hex(), **theirs.json()},
        "b3": ours.record(0, b"\x07").hex(),
        "get": ours.record(1, get(1)).hex(),
    }
