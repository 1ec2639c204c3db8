from __future__ import annotations

import socket

import pytest

from qrfld.cli.demo import ports
from qrfld.cli.demo.ports import HOST, free_ports
from qrfld.cli.errors import DemoError


def test_ports_are_different_free_and_below_the_kernels_own() -> None:
    found = free_ports(24)
    assert len(set(found)) == 24
    assert all(ports._LOWEST <= port < ports._first_ephemeral() for port in found)
    for port in found:
        socket.create_server((HOST, port)).close()


def test_port_in_use_is_not_free() -> None:
    with socket.create_server((HOST, 0)) as server:
        assert not ports._is_free(server.getsockname()[1])


def test_no_free_port_is_said_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda port: False)
    with pytest.raises(DemoError, match="found 0 free ports of 2"):
        free_ports(2)
