"""Where this machine can be reached, as far as it can tell by itself."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

IF_INET6 = Path("/proc/net/if_inet6")
SIOCGIFADDR = 0x8915
MOST = 8


def advertised(configured: Sequence[str], listening: Sequence[str]) -> list[str]:
    """The addresses that peers are told: the configured ones, else what we listen on.

    A wildcard address stands for every address of its kind on this machine's interfaces; loopback
    is named only when there is nothing else, since it leads other machines to themselves.
    """
    if configured:
        return list(configured)[:MOST]
    found: list[str] = []
    for address in listening:
        host, _, port = address.rpartition(":")
        known = ipaddress.ip_address(host.strip("[]"))
        if known.is_unspecified and known.version == 4:
            found += [f"{each}:{port}" for each in interface_addresses()]
        elif known.is_unspecified:
            found += [f"[{each}]:{port}" for each in interface_addresses_v6()]
        else:
            found.append(address)
    return list(dict.fromkeys(found))[:MOST]


def interface_addresses() -> list[str]:
    """The IPv4 addresses of all interfaces that are up, loopback last (Linux, netdevice(7))."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(sock.fileno(), SIOCGIFADDR, request)
            except OSError:
                continue  # an interface without an IPv4 address
            found.append(socket.inet_ntoa(answer[20:24]))
    return _without_loopback(found)


def interface_addresses_v6(table: Path = IF_INET6) -> list[str]:
    """The IPv6 addresses of all interfaces that work on any of them (Linux, proc(5))."""
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return []  # a machine without IPv6
    found = [ipaddress.IPv6Address(bytes.fromhex(line.split()[0])) for line in lines]
    return _without_loopback([str(each) for each in found if not each.is_link_local])


def _without_loopback(found: list[str]) -> list[str]:
    return [a for a in found if not ipaddress.ip_address(a).is_loopback] or found
