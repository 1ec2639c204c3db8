"""Where this machine can be reached, as far as it can tell by itself."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Sequence

SIOCGIFADDR = 0x8915
MOST = 8


def advertised(configured: Sequence[str], listening: Sequence[str]) -> list[str]:
    """The addresses that peers are told: the configured ones, else what we listen on.

    A wildcard address stands for every IPv4 address of this machine's interfaces; loopback is
    named only when there is nothing else, since it leads other machines to themselves.
    """
    if configured:
        return list(configured)[:MOST]
    found: list[str] = []
    for address in listening:
        host, _, port = address.rpartition(":")
        if ipaddress.ip_address(host.strip("[]")).is_unspecified:
            found += [f"{each}:{port}" for each in interface_addresses()]
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
    others = [a for a in found if not ipaddress.ip_address(a).is_loopback]
    return others or found
