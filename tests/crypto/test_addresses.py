from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrfld.crypto import addresses, signed
from qrfld.crypto.addresses import AddressRecord, split_address
from qrfld.crypto.errors import CertificateError, EncodingError
from qrfld.crypto.identity import Identity
from qrfld.crypto.labels import Kind

FEDERATION = b"f" * 32


def test_record_reads_back(alice: Identity) -> None:
    listed = ("10.0.0.1:7483", "[2001:db8::1]:7483", "node-1.example.org:1")
    data = addresses.issue(alice, FEDERATION, 9, listed)
    record = addresses.check(data, alice.public, FEDERATION)
    assert (record.node, record.sequence, record.addresses) == (alice.node_id, 9, listed)


def test_record_may_be_empty(alice: Identity) -> None:
    data = addresses.issue(alice, FEDERATION, 0, [])
    assert addresses.check(data, alice.public, FEDERATION).addresses == ()


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("host_a.b-c:07483", ("host_a.b-c", 7483)),
    ],
)
def test_address_splits(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host",
        "host:",
        ":1",
        "host:0",
        "host:65536",
        "host:-1",
        "host:1\n",
        "::1:7483",
        "[::1]",
        "[::1]7483",
        "[1.2.3.4]:1",
        "[zz]:1",
        "[fe80::1%eth0]:1",
        "a b:1",
        "h\u00f6st:1",
        "host:\u0661",
        "host/x:1",
        "\x1b[2J:1",
        "x" * 254 + ":1",
    ],
)
def test_address_of_another_form_is_refused(alice: Identity, address: str) -> None:
    with pytest.raises(CertificateError, match="is not an address") as caught:
        addresses.issue(alice, FEDERATION, 1, [address])
    assert str(caught.value).isprintable()


@given(st.text(max_size=300))
def test_address_of_any_text_splits_or_is_refused(text: str) -> None:
    try:
        host, port = split_address(text)
    except CertificateError:
        return
    assert host.isascii()
    assert 1 <= port <= 65535


def test_record_of_nine_addresses_is_refused(alice: Identity) -> None:
    with pytest.raises(EncodingError):
        addresses.issue(alice, FEDERATION, 1, ["host:1"] * 9)


def test_record_of_another_federation_signer_or_kind_is_refused(
    alice: Identity, mallory: Identity
) -> None:
    data = addresses.issue(alice, FEDERATION, 1, ["host:1"])
    with pytest.raises(CertificateError, match="another federation"):
        addresses.check(data, alice.public, bytes(32))
    with pytest.raises(CertificateError, match="not signed by"):
        addresses.check(data, mallory.public, FEDERATION)
    body = AddressRecord(
        federation=FEDERATION, node=bytes(alice.node_id), sequence=2, addresses=("evil:1",)
    )
    with pytest.raises(CertificateError, match="not signed by"):
        addresses.check(signed.seal(mallory, Kind.ADDRESS_RECORD, body), alice.public, FEDERATION)
    with pytest.raises(CertificateError, match="names another node"):
        addresses.check(signed.seal(mallory, Kind.ADDRESS_RECORD, body), mallory.public, FEDERATION)
    with pytest.raises(CertificateError, match="instead of: address record"):
        addresses.check(signed.seal(alice, Kind.UPDATE, body), alice.public, FEDERATION)


def test_signed_record_with_a_bad_address_is_refused(alice: Identity) -> None:
    body = AddressRecord(
        federation=FEDERATION, node=bytes(alice.node_id), sequence=2, addresses=("no port",)
    )
    with pytest.raises(CertificateError, match="not an address"):
        addresses.check(signed.seal(alice, Kind.ADDRESS_RECORD, body), alice.public, FEDERATION)
