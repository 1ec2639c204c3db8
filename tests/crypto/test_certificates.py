from __future__ import annotations

from dataclasses import dataclass

import pytest

from qrfld.crypto import certificates, genesis, signed
from qrfld.crypto.certificates import Admission
from qrfld.crypto.errors import CertificateError
from qrfld.crypto.genesis import Genesis
from qrfld.crypto.identity import Identity
from qrfld.crypto.labels import Kind


@dataclass(frozen=True)
class Federation:
    founder: Identity
    id: bytes
    genesis: Genesis


def found(founder: Identity, name: str = "lab") -> Federation:
    data = genesis.create(founder, name, now=1)
    return Federation(founder, genesis.federation_id(data), genesis.parse(data))


@pytest.fixture(scope="module")
def federation(founder: Identity) -> Federation:
    return found(founder)


def admission(lab: Federation, subject: Identity, **change: object) -> Admission:
    fields: dict[str, object] = {
        "federation": lab.id,
        "suite_id": subject.suite_id,
        "public_key": subject.public_key,
        "name": "alice",
        "issued_at": 5,
        "issuer": bytes(lab.founder.node_id),
        "serial": bytes(16),
    }
    return Admission(**(fields | change))  # type: ignore[arg-type]


def refused(federation: Federation, data: bytes, why: str) -> None:
    with pytest.raises(CertificateError, match=why):
        certificates.check(data, federation.genesis, federation.id)


def test_certificate_admits_its_subject(federation: Federation, alice: Identity) -> None:
    data = certificates.issue(federation.founder, federation.id, alice.public, "alice", now=5)
    member = certificates.check(memoryview(data), federation.genesis, federation.id)
    assert (member.node_id, member.name, member.issued_at) == (alice.node_id, "alice", 5)
    assert member.identity == alice.public


def test_founder_admits_itself(federation: Federation) -> None:
    founder = federation.founder
    data = certificates.issue(founder, federation.id, founder.public, "founder", now=5)
    member = certificates.check(data, federation.genesis, federation.id)
    assert member.node_id == founder.node_id


def test_certificate_of_another_federation_is_refused(
    federation: Federation, founder: Identity, alice: Identity, mallory: Identity
) -> None:
    for other, why in (
        (found(founder, "other"), "another federation"),
        (found(mallory, "lab"), "not signed by"),
    ):
        data = certificates.issue(other.founder, other.id, alice.public, "alice", now=5)
        certificates.check(data, other.genesis, other.id)
        refused(federation, data, why)


def test_certificate_by_a_mere_member_is_refused(
    federation: Federation, alice: Identity, mallory: Identity
) -> None:
    data = certificates.issue(alice, federation.id, mallory.public, "mallory", now=5)
    refused(federation, data, "not signed by")
    # Naming the founder as issuer, or signing one's own, does not help.
    named = signed.seal(alice, Kind.ADMISSION, admission(federation, mallory))
    refused(federation, named, "not signed by")
    own = certificates.issue(mallory, federation.id, mallory.public, "mallory", now=5)
    refused(federation, own, "not signed by")


def test_certificate_with_a_swapped_key_is_refused(
    federation: Federation, alice: Identity, mallory: Identity
) -> None:
    data = certificates.issue(federation.founder, federation.id, alice.public, "alice", now=5)
    swapped = data.replace(alice.public_key, mallory.public_key)
    assert swapped != data
    refused(federation, swapped, "does not verify")


def test_certificate_signed_for_another_use_is_refused(
    federation: Federation, alice: Identity
) -> None:
    founder = federation.founder
    update = signed.seal(founder, Kind.UPDATE, admission(federation, alice))
    refused(federation, update, "a signed update instead of: admission")
    # The same bytes signed under another use's context, in an envelope of the right kind.
    envelope = signed.Signed.parse(
        signed.seal(founder, Kind.ADMISSION, admission(federation, alice))
    )
    forged = signed.Signed(
        kind=envelope.kind,
        body=envelope.body,
        signer=envelope.signer,
        signature=founder.sign(envelope.statement, Kind.UPDATE.context),
    )
    refused(federation, forged.to_bytes(), "does not verify")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"federation": bytes(32)}, "another federation, 0000000000000000"),
        ({"issuer": bytes(32)}, "another issuer"),
        ({"suite_id": 2}, "instead of 2592"),
        ({"suite_id": 9}, "unknown cryptographic suite 9"),
        ({"public_key": bytes(1951)}, "instead of 1952"),
        ({"name": "a\x1b[2J"}, "printable"),
        ({"name": " a"}, "space"),
    ],
)
def test_certificate_that_makes_no_sense_is_refused(
    federation: Federation, alice: Identity, change: dict[str, object], why: str
) -> None:
    body = admission(federation, alice, **change)
    refused(federation, signed.seal(federation.founder, Kind.ADMISSION, body), why)


def test_certificate_of_a_suite_below_the_floor_is_refused(
    federation: Federation, founder: Identity
) -> None:
    # A federation of suite 1 alone; the subject's key is a good one of suite 2.
    subject = Identity.from_seed(2, founder.seed)
    data = certificates.issue(founder, federation.id, subject.public, "two", now=5)
    refused(federation, data, "suite 2 is not allowed")


def test_revoked_member_is_refused(federation: Federation, alice: Identity) -> None:
    data = certificates.issue(federation.founder, federation.id, alice.public, "alice", now=5)
    with pytest.raises(CertificateError, match=f"{alice.node_id.short} was revoked"):
        certificates.check(data, federation.genesis, federation.id, revoked={alice.node_id})


@pytest.mark.parametrize("name", ["", "x" * 65, "a\tb", "\u202eb"])
def test_certificate_with_a_bad_name_is_not_issued(
    federation: Federation, alice: Identity, name: str
) -> None:
    with pytest.raises(CertificateError, match="not a member's name"):
        certificates.issue(federation.founder, federation.id, alice.public, name, now=5)


def test_truncated_or_corrupted_certificate_is_refused(
    federation: Federation, alice: Identity
) -> None:
    data = certificates.issue(federation.founder, federation.id, alice.public, "alice", now=5)
    for size in range(0, len(data), 131):
        refused(federation, data[:size], "refused")
        flipped = data[:size] + bytes([data[size] ^ 1]) + data[size + 1 :]
        refused(federation, flipped, "refused")
