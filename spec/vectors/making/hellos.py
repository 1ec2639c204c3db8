"""hello/: whom a HELLO admits, by what the handshake proved (section 12, message 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Structure, Vector, fields, hexed
from making.bodies import FEDERATION
from making.keys import Identity
from making.statements import FOUNDER, MEMBER, OTHER, address_body, admission_body, sealed


def _certificate(who: Identity, signer: Identity = FOUNDER) -> bytes:
    body = admission_body().changed("public_key", who.public_key)
    return sealed(2, body.changed("issuer", signer.node_id).pack(), signer)


def _hello(certificate: bytes | None, addresses: bytes | None = None) -> Structure:
    said = {
        (0, "software"): "qrfld 0.1",
        (2, "certificate"): certificate,
        (3, "addresses"): addresses,
    }
    return Structure({key: value for key, value in said.items() if value is not None})


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    good = _certificate(MEMBER)
    record = sealed(3, address_body().pack(), MEMBER)
    theirs = sealed(3, address_body().changed("node", OTHER.node_id).pack(), OTHER)
    elsewhere = sealed(2, admission_body().changed("federation", bytes(32)).pack(), FOUNDER)
    own = {"resumed": True, "admitted": True}
    for slug, expect, comment, hello, session in (
        ("member", "ok", "a member's certificate", _hello(good), {}),
        ("with-addresses", "ok", "and its address record", _hello(good, record), {}),
        ("resumed", "ok", "no certificate, but the peer is admitted", _hello(None), own),
        ("resumed-with-certificate", "ok", "a certificate all the same", _hello(good), own),
        ("no-certificate", "not-admitted", "no certificate after a full handshake", _hello(None),
         {"admitted": True}),
        ("resumed-not-admitted", "not-admitted", "no certificate, and the peer is not admitted now",
         _hello(None), {"resumed": True}),
        ("of-another-node", "not-admitted", "the certificate of another member",
         _hello(_certificate(OTHER)), {}),
        ("self-issued", "not-admitted", "a certificate by its own subject",
         _hello(_certificate(MEMBER, MEMBER)), {}),
        ("of-another-federation", "not-admitted", "a certificate of another federation",
         _hello(elsewhere), {}),
        ("addresses-of-another-node", "not-admitted", "another member's address record",
         _hello(good, theirs), {}),
        ("not-a-certificate", "not-admitted", "an address record in place of the certificate",
         _hello(record), {}),
    ):  # fmt: skip
        yield Vector(f"hello/{slug}", expect, "12", comment, _values(hello, session))


def _values(hello: Structure, session: dict[str, bool]) -> dict[str, Any]:
    return {
        "federation": FEDERATION.hex(),
        "founder": FOUNDER.json(),
        "suites": [1],
        "peer": MEMBER.json(),
        "resumed": session.get("resumed", False),
        "admitted": session.get("admitted", False),
        "body": hexed(b"\x00\x01" + hello.pack()),
        "fields": fields(hello),
    }
