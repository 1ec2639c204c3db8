"""statements/: signed statements of every kind, and what a verifier refuses (section 13)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from making.basics import Structure, Vector, fields, hexed, pack
from making.bodies import ADDRESS_RECORD, ADMISSION, FEDERATION, GENESIS, KINDS, sample
from making.keys import Identity, identity, sha256

FOUNDER, MEMBER, OTHER = identity(1, 0), identity(1, 32), identity(1, 100)


def context(kind: int) -> bytes:
    return f"qrfld-1 statement {KINDS[kind][0]}".encode()


def statement_id(kind: int, signer: bytes, body: bytes) -> bytes:
    return sha256(b"qrfld-1 statement", bytes([kind]), signer, body)


def envelope(kind: int, body: bytes, signer: bytes, signature: bytes) -> dict[int, Any]:
    return {1: kind, 2: body, 3: signer, 4: signature}


def sealed(kind: int, body: bytes, signer: Identity, *, under: bytes | None = None) -> bytes:
    """A statement as its signer makes it, or under another context."""
    named = bytes([kind]) + signer.node_id + body
    signature = signer.sign(named, context(kind) if under is None else under)
    return pack(envelope(kind, body, signer.node_id, signature))


def genesis_body() -> Structure:
    body = sample(GENESIS).changed("founder_key", FOUNDER.public_key)
    return body.changed("validators", [FOUNDER.node_id])


def admission_body() -> Structure:
    body = sample(ADMISSION).changed("public_key", MEMBER.public_key)
    return body.changed("issuer", FOUNDER.node_id)


def address_body() -> Structure:
    return sample(ADDRESS_RECORD).changed("node", MEMBER.node_id)


def body_of(kind: int) -> Structure:
    """An everyday body that FOUNDER (of genesis and admission) or MEMBER may sign."""
    if kind in (1, 2, 3):
        return {1: genesis_body, 2: admission_body, 3: address_body}[kind]()
    body = sample(KINDS[kind][1])
    return body.changed("coordinator", MEMBER.node_id) if kind == 16 else body


def signer_of(kind: int) -> Identity:
    return FOUNDER if kind in (1, 2) else MEMBER


def vectors() -> Iterator[Vector]:
    """All vectors of the area."""
    for kind in KINDS:
        yield from _of_kind(kind)
    yield _good(17, "suite-2", "a signer of suite 2", body_of(17), identity(2, 0))
    yield from _envelopes()
    yield from _genesis()
    yield from _admission()
    yield from _address_record()
    yield from _run_config()


def _expected(kind: int, signer: Identity) -> dict[str, Any]:
    """What the verifier knows beforehand."""
    known: dict[str, Any] = {"kind": kind}
    if kind != 1:
        known["signer"] = signer.json()
    if kind in (2, 3, 16):
        known["federation"] = FEDERATION.hex()
    if kind == 2:
        known["suites"] = [1]
    return known


def _good(
    kind: int,
    slug: str,
    comment: str,
    body: Structure,
    signer: Identity,
    *,
    known: Structure | None = None,
) -> Vector:
    data = body.pack()
    name = statement_id(kind, signer.node_id, data)
    values = _expected(kind, signer) | {
        "statement": hexed(sealed(kind, data, signer)),
        "fields": fields(known or body),
        "id": name.hex(),
    }
    if kind == 16:
        values["run"] = name[:16].hex()
    if kind == 2:
        values["subject"] = MEMBER.node_id.hex()
    return Vector(f"statements/{KINDS[kind][0]}/{slug}", "ok", "13", comment, values)


def _refused(kind: int, slug: str, comment: str, statement: bytes) -> Vector:
    values = _expected(kind, signer_of(kind)) | {"statement": hexed(statement)}
    return Vector(f"statements/{KINDS[kind][0]}/{slug}", "statement", "13", comment, values)


def _broken(kind: int, slug: str, comment: str, body: Structure) -> Vector:
    """A body with one flaw, signed as it should be."""
    return _refused(kind, slug, comment, sealed(kind, body.pack(), signer_of(kind)))


def _of_kind(kind: int) -> Iterator[Vector]:
    body, signer = body_of(kind), signer_of(kind)
    data = body.pack()
    yield _good(kind, "ordinary", "a statement as it should be", body, signer)
    other = 17 if kind == 18 else 18
    comment = f"signed under the context of {KINDS[other][0]}"
    wrong = sealed(kind, data, signer, under=context(other))
    yield _refused(kind, "wrong-context", comment, wrong)
    good = sealed(kind, data, signer)
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    yield _refused(kind, "flipped-signature", "the signature's last bit is wrong", flipped)
    signed = bytes([kind]) + signer.node_id + data
    forged = envelope(kind, data, signer.node_id, OTHER.sign(signed, context(kind)))
    yield _refused(kind, "forged", "another node signed in the signer's name", pack(forged))


def _envelopes() -> Iterator[Vector]:
    """What every kind shares, shown on an update."""
    kind, data, signer = 17, body_of(17).pack(), MEMBER
    named = bytes([kind]) + signer.node_id + data
    signature = signer.sign(named, context(kind))
    good = envelope(kind, data, signer.node_id, signature)
    more = body_of(17).with_key(255, 1)
    comment = "an unknown odd field of the body: signed and named with the rest, then ignored"
    yield _good(kind, "body-odd-key", comment, more, signer, known=body_of(17))
    for slug, comment, value in (
        ("envelope-odd-key", "an unsigned field, even an odd one", good | {5: 1}),
        ("envelope-key-0", "an unknown even key", good | {0: 1}),
        ("kind-256", "a kind beyond u8", good | {1: 256}),
        ("kind-99", "a kind that nobody knows", good | {1: 99}),
        ("signer-31", "a signer of 31 bytes", good | {3: signer.node_id[:31]}),
        ("body-text", "a body that is text", good | {2: "x" * len(data)}),
        ("body-map", "a body that is a map, not its bytes", good | {2: {0: 1}}),
        ("signature-short", "a signature without its last byte", good | {4: signature[:-1]}),
        ("signature-long", "a byte after the signature", good | {4: signature + b"\x00"}),
        ("signature-empty", "no signature", good | {4: b""}),
        ("signature-of-suite-2", "a signature as long as suite 2's", good | {4: bytes(4627)}),
        ("changed-body", "samples changed after signing",
         good | {2: body_of(17).changed("samples", 288).pack()}),
        ("changed-kind", "the update's signature in the envelope of a run-config",
         good | {1: 16}),
        ("trailing-in-body", "an unsigned byte after the body", good | {2: data + b"\x00"}),
        *((f"missing-{name}", f"{name} is missing", {k: v for k, v in good.items() if k != key})
          for key, name in ((1, "kind"), (2, "body"), (3, "signer"), (4, "signature"))),
    ):  # fmt: skip
        yield _refused(kind, slug, comment, pack(value))
    plain = pack(good)
    yield _refused(kind, "trailing", "a byte after the envelope", plain + b"\x00")
    yield _refused(
        kind, "long-key", "key 1 in uint 8", plain.replace(b"\x84\x01", b"\x84\xcc\x01", 1)
    )
    yield _refused(
        kind, "long-kind", "the kind in uint 8", plain.replace(b"\x01\x11", b"\x01\xcc\x11", 1)
    )
    yield _refused(kind, "empty", "no bytes", b"")
    yield from _wrongly_signed(kind, data, signer)


def _wrongly_signed(kind: int, data: bytes, signer: Identity) -> Iterator[Vector]:
    named = bytes([kind]) + signer.node_id + data
    for slug, comment, signature in (
        ("signature-over-body", "only the body is signed", signer.sign(data, context(kind))),
        ("no-context", "signed without a context", signer.sign(named, b"")),
        ("handshake-context", "signed as in a handshake", signer.sign(named, b"qrfld-1 initiator")),
    ):
        yield _refused(kind, slug, comment, pack(envelope(kind, data, signer.node_id, signature)))
    other = sealed(kind, data, OTHER)
    yield _refused(kind, "other-signer", "another node's statement, well signed", other)
    record = sealed(18, body_of(18).pack(), signer)
    yield _refused(kind, "other-kind", "a round record where an update is expected", record)
    long = data[:-9] + b"\xca\x3f\x00\x00\x00"
    yield _refused(kind, "body-float-32", "the loss as float 32", sealed(kind, long, signer))
    spelled = b"\x87\xcc" + data[1:]
    yield _refused(kind, "body-long-key", "key 0 in uint 8", sealed(kind, spelled, signer))
    unknown = body_of(17).with_key(254, 1)
    yield _broken(kind, "body-even-key", "an even key that nobody knows", unknown)


#: Names that are none; whoever shows one to people shows something else than was signed.
BAD_NAMES = (
    ("space-before", "a space at the beginning", " bob"),
    ("space-after", "a space at the end", "bob "),
    ("line-feed", "a line feed (category Cc)", "bob\nroot"),
    ("escape", "an escape character (Cc)", "bob\x1b[2J"),
    ("right-to-left-override", "U+202E (Cf)", "bob\u202eexe"),
    ("zero-width-space", "U+200B (Cf)", "bo\u200bb"),
    ("no-break-space", "U+00A0, a space that is not U+0020 (Zs)", "bob\u00a0b"),
    ("line-separator", "U+2028 (Zl)", "bob\u2028b"),
    ("private-use", "U+E000 (Co)", "bob\ue000"),
)


def _genesis() -> Iterator[Vector]:
    good = genesis_body()
    for slug, comment, body in (
        ("format-2", "a format of a later version", good.changed("format", 2)),
        ("suite-twice", "one suite twice", good.changed("suites", [1, 1])),
        ("founder-suite-absent", "the founder's suite is not among the suites",
         good.changed("suites", [2])),
        ("founder-key-short", "a founder's key of 1951 bytes",
         good.changed("founder_key", FOUNDER.public_key[:-1])),
        ("founder-key-of-suite-2", "the founder's key is of another suite",
         good.changed("founder_key", identity(2, 0).public_key)),
        ("other-validator", "the validator is not the founder",
         good.changed("validators", [OTHER.node_id])),
        ("two-validators", "a second validator",
         good.changed("validators", [FOUNDER.node_id, OTHER.node_id])),
        ("name-line-feed", "a name with a line feed", good.changed("name", "a\nb")),
        ("name-space", "a name that begins with a space", good.changed("name", " a")),
    ):  # fmt: skip
        yield _broken(1, slug, comment, body)
    usurped = sealed(1, good.pack(), OTHER)
    yield _refused(1, "other-signer", "signed by somebody else than the founder", usurped)


def _admission() -> Iterator[Vector]:
    good = admission_body()
    yield _good(2, "name-with-space", "a space inside a name, letters beyond ASCII",
                good.changed("name", "B\u00f6b \u4e16\u754c 2"), FOUNDER)  # fmt: skip
    second = good.changed("suite_id", 2).changed("public_key", identity(2, 0).public_key)
    for slug, comment, body in (
        ("other-federation", "of another federation", good.changed("federation", bytes(32))),
        ("other-issuer", "the issuer is not the signer", good.changed("issuer", OTHER.node_id)),
        ("suite-not-allowed", "a suite that the federation does not allow", second),
        ("suite-unknown", "a suite that nobody knows", good.changed("suite_id", 63)),
        ("key-short", "a public key of 1951 bytes",
         good.changed("public_key", MEMBER.public_key[:-1])),
        *((f"name-{slug}", f"a name with {comment}", good.changed("name", name))
          for slug, comment, name in BAD_NAMES),
    ):  # fmt: skip
        yield _broken(2, slug, comment, body)
    own = sealed(2, good.changed("issuer", MEMBER.node_id).pack(), MEMBER)
    yield _refused(2, "self-issued", "issued by a member that is no validator", own)


def _address_record() -> Iterator[Vector]:
    good = address_body()
    most = ["10.0.0.1:1", "a_b-c.Example:65535", "[::]:00080", "[2001:DB8::192.0.2.1]:4500"]
    yield _good(3, "every-form", "addresses of every form", good.changed("addresses", most), MEMBER)
    for slug, comment, body in (
        ("other-federation", "of another federation", good.changed("federation", bytes(32))),
        ("other-node", "the node is not the signer", good.changed("node", OTHER.node_id)),
        *((f"address-{slug}", f"an address with {comment}", good.changed("addresses", [text]))
          for slug, comment, text in (
            ("no-port", "no port", "host.example"),
            ("empty-port", "an empty port", "host.example:"),
            ("port-0", "port 0", "host.example:0"),
            ("port-65536", "port 65536", "host.example:65536"),
            ("port-six-digits", "a port of six digits", "host.example:004500"),
            ("port-sign", "a sign before the port", "host.example:+4500"),
            ("no-host", "no host", ":4500"),
            ("space", "a space in the host", "host example:4500"),
            ("line-feed", "a line feed at the end", "host.example:4500\n"),
            ("letter-beyond-ascii", "a letter beyond ASCII", "h\u00f6st.example:4500"),
            ("digit-beyond-ascii", "a digit beyond ASCII", "host.example:450\u0660"),
            ("ipv6-bare", "an IPv6 address without brackets", "2001:db8::1:4500"),
            ("ipv6-zone", "a zone", "[fe80::1%eth0]:4500"),
            ("ipv6-nonsense", "brackets around something else", "[1:2:3]:4500"),
            ("user", "a user before the host", "bob@host.example:4500"),
        )),
    ):  # fmt: skip
        yield _broken(3, slug, comment, body)


def _run_config() -> Iterator[Vector]:
    good = body_of(16)
    for slug, comment, body in (
        ("other-federation", "of another federation", good.changed("federation", bytes(32))),
        ("other-coordinator", "the coordinator is not the signer",
         good.changed("coordinator", OTHER.node_id)),
    ):  # fmt: skip
        yield _broken(16, slug, comment, body)
