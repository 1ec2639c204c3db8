"""Which addresses a node tells its peers."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from qrfld.crypto.addresses import split_address
from qrfld.net.local_addresses import (
    MOST,
    advertised,
    interface_addresses,
    interface_addresses_v6,
)

TABLE = """\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000007 02 40 00 80     eth0
fe80000000000000021122fffe334455 02 40 20 80     eth0
"""


def test_configured_addresses_are_taken_as_they_are() -> None:
    assert advertised(["node.example:7483"], ["0.0.0.0:7483"]) == ["node.example:7483"]
    assert len(advertised([f"h{n}.example:1" for n in range(20)], [])) == MOST


def test_listening_addresses_are_told_once() -> None:
    listening = ["127.0.0.1:7483", "127.0.0.1:7483", "[::1]:7483"]
    assert advertised([], listening) == ["127.0.0.1:7483", "[::1]:7483"]


def test_wildcard_stands_for_the_addresses_of_its_kind() -> None:
    told = advertised([], ["0.0.0.0:7483"])
    assert told
    for address in told:
        host, port = split_address(address)
        assert ipaddress.ip_address(host).version == 4
        assert not ipaddress.ip_address(host).is_unspecified
        assert port == 7483
    for address in advertised([], ["[::]:7483"]):
        assert ipaddress.ip_address(split_address(address)[0]).version == 6


def test_interfaces_show_loopback_only_when_there_is_nothing_else(tmp_path: Path) -> None:
    found = [ipaddress.ip_address(a) for a in interface_addresses()]
    assert not any(a.is_loopback for a in found) or all(a.is_loopback for a in found)
    table = tmp_path / "if_inet6"
    table.write_text(TABLE)
    assert interface_addresses_v6(table) == ["2001:db8::7"]
    table.write_text(TABLE.splitlines()[0])
    assert interface_addresses_v6(table) == ["::1"]
    assert interface_addresses_v6(tmp_path / "none") == []
