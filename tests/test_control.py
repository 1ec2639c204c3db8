from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import msgpack
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qrfld import control
from qrfld.client import ControlClient, RemoteError
from qrfld.control import ControlServer, ControlSocketError, Methods
from qrfld.errors import ConfigError
from qrfld.protocol.control_frames import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES
from qrfld.store.errors import AlreadyRunningError


class Echo(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, msgspec.Meta(max_length=100)] = ""
    times: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 1


async def echo(params: Echo) -> dict[str, Any]:
    return {"text": params.text * params.times}


async def refuse(_: Echo) -> dict[str, Any]:
    raise ConfigError("no such thing: 7", hint="use 8")


async def crash(_: Echo) -> dict[str, Any]:
    raise ZeroDivisionError("the secret is 12345")


async def unsendable(_: Echo) -> dict[str, Any]:
    return {"huge": b"x" * (MAX_ANSWER_BYTES + 1)}


METHODS: Methods = {
    "echo": (Echo, echo),
    "refuse": (Echo, refuse),
    "crash": (Echo, crash),
    "unsendable": (Echo, unsendable),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ctl.sock"


@pytest.fixture
async def server(path: Path) -> AsyncIterator[ControlServer]:
    server = ControlServer(path, METHODS)
    await server.start()
    yield server
    await server.stop()


async def call(path: Path, method: str, **params: Any) -> dict[str, Any]:
    return await asyncio.to_thread(ControlClient(path, timeout=10).call, method, **params)


async def refused(path: Path, method: str, **params: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await call(path, method, **params)
    return caught.value


async def send(path: Path, data: bytes, *, eof: bool = True) -> bytes:
    """Send raw bytes and return all that comes until the server closes."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(data)
        if eof:
            writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def frame(body: object) -> bytes:
    payload: bytes = msgpack.packb(body)
    return struct.pack(">I", len(payload)) + payload


def answers(data: bytes) -> list[dict[str, Any]]:
    found = []
    while data:
        (length,) = struct.unpack_from(">I", data)
        found.append(msgpack.unpackb(data[4 : 4 + length]))
        data = data[4 + length :]
    return found


# Calls


async def test_call_is_answered(server: ControlServer, path: Path) -> None:
    assert await call(path, "echo", text="ab", times=2) == {"text": "abab"}


async def test_calls_sent_together_are_answered_in_order(server: ControlServer, path: Path) -> None:
    requests = [{"id": n, "method": "echo", "params": {"text": str(n)}} for n in range(50)]
    found = answers(await send(path, b"".join(map(frame, requests))))
    assert found == [{"id": n, "result": {"text": str(n)}} for n in range(50)]


async def test_call_in_single_bytes_is_answered(server: ControlServer, path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    for byte in frame({"id": 1, "method": "echo", "params": {"text": "x"}}):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    writer.write_eof()
    assert answers(await reader.read()) == [{"id": 1, "result": {"text": "x"}}]
    writer.close()


async def test_method_that_refuses_gives_its_error(server: ControlServer, path: Path) -> None:
    error = await refused(path, "refuse")
    assert (error.name, error.exit_code) == ("config", 4)
    assert (error.message, error.hint) == ("no such thing: 7", "use 8")


async def test_method_unknown_is_named_with_the_nearest(server: ControlServer, path: Path) -> None:
    error = await refused(path, "ehco")
    assert (error.name, error.exit_code) == ("unknown-method", 2)
    assert "'ehco'" in error.message
    assert "'echo'" in error.hint


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"text": 5}, "text"),
        ({"text": "x" * 101}, "text"),
        ({"times": -1}, "times"),
        ({"times": 1.5}, "times"),
        ({"times": True}, "times"),
        ({"times": 1 << 40}, "times"),
        ({"tmies": 1}, "tmies"),
    ],
)
async def test_params_of_the_wrong_kind_are_refused_by_name(
    server: ControlServer, path: Path, params: dict[str, Any], name: str
) -> None:
    error = await refused(path, "echo", **params)
    assert (error.name, error.exit_code) == ("params", 2)
    assert name in error.message


async def test_method_that_crashes_is_internal_and_the_server_lives(
    server: ControlServer, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    error = await refused(path, "crash")
    assert (error.name, error.exit_code) == ("internal", 1)
    assert "12345" not in str(error)
    assert "the control method crash failed" in caplog.text
    assert await call(path, "echo", text="x") == {"text": "x"}


async def test_result_too_large_to_send_is_an_error(server: ControlServer, path: Path) -> None:
    assert (await refused(path, "unsendable")).name == "control-frame"


# Hostile clients


HOSTILE = {
    "oversized length": struct.pack(">I", MAX_REQUEST_BYTES + 1) + b"x" * 100,
    "largest length": b"\xff" * 4,
    "truncated length": b"\x00\x00",
    "truncated frame": frame({"id": 1, "method": "echo", "params": {}})[:-1],
    "empty frame": struct.pack(">I", 0),
    "no map": frame([1, 2, 3]),
    "no method": frame({"id": 1, "params": {}}),
    "method of bytes": frame({"id": 1, "method": b"echo", "params": {}}),
    "long method": frame({"id": 1, "method": "x" * 65, "params": {}}),
    "id of text": frame({"id": "1", "method": "echo", "params": {}}),
    "negative id": frame({"id": -1, "method": "echo", "params": {}}),
    "params of list": frame({"id": 1, "method": "echo", "params": []}),
    "trailing bytes": struct.pack(">I", 3) + msgpack.packb({}) + b"xx",
    "array of 4 G": struct.pack(">I", 5) + b"\xdd\xff\xff\xff\xff",
    "deep nesting": struct.pack(">I", 60_000) + b"\x91" * 60_000,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_bytes_end_the_connection_without_an_answer(
    server: ControlServer, path: Path, data: bytes
) -> None:
    good = frame({"id": 9, "method": "echo", "params": {"text": "x"}})
    assert await send(path, data) == b""
    assert answers(await send(path, good + data))[0]["id"] == 9
    assert await call(path, "echo", text="x") == {"text": "x"}


@given(data=st.binary(min_size=1, max_size=300))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_bytes_never_stop_the_server(tmp_path: Path, data: bytes) -> None:
    async def attempt() -> None:
        server = ControlServer(tmp_path / "ctl.sock", METHODS)
        await server.start()
        await send(tmp_path / "ctl.sock", data)
        assert await call(tmp_path / "ctl.sock", "echo", text="x") == {"text": "x"}
        await server.stop()

    asyncio.run(attempt())


async def test_client_too_many_is_told_and_others_are_untouched(
    server: ControlServer, path: Path
) -> None:
    clients = [await asyncio.open_unix_connection(path) for _ in range(control.MAX_CLIENTS)]
    request = frame({"id": 1, "method": "echo", "params": {"text": "x"}})
    for reader, writer in clients:
        writer.write(request)
        assert await reader.readexactly(4)
    error = await refused(path, "echo")
    assert (error.name, error.exit_code) == ("too-many-clients", 1)
    reader, writer = clients[0]
    writer.write(request)
    await reader.readexactly(8)
    for _, writer in clients:
        writer.close()
        await writer.wait_closed()
    while True:  # the server sees the ends one by one
        try:
            assert await call(path, "echo", text="x") == {"text": "x"}
        except RemoteError:
            continue
        break


async def test_client_that_never_reads_is_dropped_and_others_are_served(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "IDLE_SECONDS", 0.2)
    server = ControlServer(path, METHODS)
    await server.start()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.setblocking(False)
        deaf.connect(str(path))
        request = {"id": 1, "method": "echo", "params": {"text": "x" * 50, "times": 10_000}}
        deaf.send(frame(request) * 10)
        assert await call(path, "echo", text="x") == {"text": "x"}
        await asyncio.wait(server._clients)
    await server.stop()


async def test_client_that_goes_away_while_served_leaves_the_server_alive(
    server: ControlServer, path: Path
) -> None:
    for _ in range(20):
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(frame({"id": 1, "method": "echo", "params": {"text": "x", "times": 100_000}}))
        writer.transport.abort()
    assert await call(path, "echo", text="x") == {"text": "x"}


async def test_client_accepted_while_the_server_stops_is_closed(path: Path) -> None:
    server = ControlServer(path, METHODS)
    await server.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        client.connect(str(path))
        while not server._clients:
            await asyncio.sleep(0)
        await server.stop()
        client.settimeout(5)
        assert await asyncio.to_thread(client.recv, 1) == b""


# The socket file


async def test_socket_is_for_owner_and_group(server: ControlServer, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o660


async def test_socket_stale_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.is_socket()
    server = ControlServer(path, METHODS)
    await server.start()
    assert await call(path, "echo", text="x") == {"text": "x"}
    await server.stop()
    assert not path.exists()


async def test_socket_live_is_refused_and_stays(server: ControlServer, path: Path) -> None:
    with pytest.raises(AlreadyRunningError):
        await ControlServer(path, METHODS).start()
    assert await call(path, "echo", text="x") == {"text": "x"}


async def test_socket_of_a_daemon_that_does_not_accept_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PROBE_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as stopped, socket.socket(socket.AF_UNIX) as waiting:
        stopped.bind(str(path))
        stopped.listen(0)
        waiting.connect(str(path))
        with pytest.raises(AlreadyRunningError):
            await ControlServer(path, METHODS).start()


async def test_file_in_the_sockets_place_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ControlSocketError, match="is no socket"):
        await ControlServer(path, METHODS).start()
    assert path.read_text() == "precious"


async def test_socket_in_a_missing_directory_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(ControlSocketError, match="No such file"):
        await ControlServer(tmp_path / "no" / "ctl.sock", METHODS).start()


async def test_stop_ends_clients_and_may_come_before_start(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    server = ControlServer(path, METHODS)
    await server.stop()
    await server.start()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(frame({"id": 1, "method": "echo", "params": {}}))
    await reader.readexactly(4)
    await server.stop()
    await reader.read()
    assert not path.exists()
    writer.close()
    assert caplog.records == []
