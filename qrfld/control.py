"""The server of the control socket: whoever may open it commands the node.

The socket is a file of mode 0660: its owner and group are the administrators. It speaks framed
msgpack without a handshake (`qrfld.protocol.control_frames`). Every request is answered, with a
result or with the fields of an error; one that breaks the framing ends its connection. Requests of
one connection are served one after the other, so a client that does not read its answers holds up
nobody but itself.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from qrfld.errors import QrfldError, UsageError
from qrfld.protocol.control_frames import (
    Answer,
    ControlDecoder,
    Failure,
    Request,
    Result,
    encode_answer,
)
from qrfld.protocol.errors import ControlFrameError
from qrfld.store.errors import AlreadyRunningError

log = logging.getLogger("qrfld.control")

MAX_CLIENTS = 32
# A daemon that is alive has the kernel answer a connection at once.
PROBE_SECONDS = 1.0
READ_BYTES = 64 * 1024
IDLE_SECONDS = 300.0
MODE = 0o660

Method = Callable[[Any], Awaitable[dict[str, Any]]]
Methods = Mapping[str, tuple[type[msgspec.Struct], Method]]


class ControlSocketError(QrfldError):
    """The control socket cannot be opened."""


class TooManyClientsError(QrfldError):
    """As many clients as are allowed are connected."""


class UnknownMethodError(UsageError):
    """The daemon has no such method."""


class ParamsError(UsageError):
    """A method's parameters are wrong."""


class ControlServer:
    """Serves ``methods`` (name → parameter struct and coroutine function) at ``path``."""

    def __init__(self, path: Path, methods: Methods) -> None:
        self._path = path
        self._methods = methods
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the socket, replacing a stale one.

        Raises AlreadyRunningError when somebody listens there, ControlSocketError when the path
        cannot be used; a file that is no socket is left alone.
        """
        try:
            _remove_stale(self._path)
            # No moment with wider rights: the file is made under this mask.
            mask = os.umask(0o777 & ~MODE)
            try:
                self._server = await asyncio.start_unix_server(
                    self._accept, self._path, limit=READ_BYTES
                )
            finally:
                os.umask(mask)
        except OSError as error:
            raise ControlSocketError(
                f"cannot open the control socket {self._path}: {error.strerror}",
                hint="choose another directory with --home",
            ) from error

    async def stop(self) -> None:
        """Close the socket and end all clients."""
        if self._server is None:
            return
        self._server.close()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A plain function: asyncio (3.11) reports a cancelled client coroutine as a failure.
        if len(self._clients) >= MAX_CLIENTS:
            log.warning("turned a control client away: %d are connected", MAX_CLIENTS)
            writer.write(encode_answer(_failure(0, _TOO_MANY)))
            writer.close()
            return
        task = asyncio.create_task(self._attend(reader, writer))
        self._clients.add(task)

        def leave(task: asyncio.Task[None]) -> None:
            # Not in the task: one cancelled before its first step runs no finally.
            self._clients.discard(task)
            writer.close()

        task.add_done_callback(leave)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError) as error:
            log.debug("a control client went away: %s", error)
            # Do not keep what it will never read.
            writer.transport.abort()
        except ControlFrameError as error:
            log.warning("a control client was cut off: %s", error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not wait_for(): in Python 3.11 it swallows a cancellation that comes as the call ends.
        decoder = ControlDecoder.requests()
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                data = await reader.read(READ_BYTES)
            if not data:
                return
            decoder.receive_data(data)
            while (request := decoder.next_frame()) is not None:
                writer.write(_encoded(request, await self._answer(request)))
                async with asyncio.timeout(IDLE_SECONDS):
                    await writer.drain()

    async def _answer(self, request: Request) -> Answer:
        try:
            params, method = self._find(request.method)
            return Result(request.id, await method(_convert(request, params)))
        except QrfldError as error:
            return _failure(request.id, error)
        except Exception:
            # A defect of ours: the daemon lives, its operator finds the traceback in the log.
            log.exception("the control method %s failed", request.method)
            return Failure(
                request.id,
                "internal",
                f"{request.method} failed inside the daemon",
                "the daemon's log has the details",
                1,
            )

    def _find(self, name: str) -> tuple[type[msgspec.Struct], Method]:
        if name in self._methods:
            return self._methods[name]
        near = difflib.get_close_matches(name, self._methods, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "is the daemon as new as the client?"
        raise UnknownMethodError(f"the daemon has no method {name!r}", hint=hint)


def _convert(request: Request, params: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.convert(request.params, params)
    except msgspec.ValidationError as error:
        raise ParamsError(f"{request.method}: {error}") from None


def _failure(identifier: int, error: QrfldError) -> Failure:
    return Failure(identifier, error.name, error.message, error.hint, error.exit_code)


_TOO_MANY = TooManyClientsError(
    f"{MAX_CLIENTS} clients are connected to the daemon", hint="end some of them and try again"
)


def _encoded(request: Request, answer: Answer) -> bytes:
    try:
        return encode_answer(answer)
    except ControlFrameError as error:
        return encode_answer(_failure(request.id, error))


def _remove_stale(path: Path) -> None:
    """Make room for our socket. Raises AlreadyRunningError, ControlSocketError, OSError."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlSocketError(
            f"{path} is in the way and is no socket", hint="move it away, or choose another --home"
        )
    if _answers(path):
        raise AlreadyRunningError(f"a daemon already answers on {path}", hint="qrfl down stops it")
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PROBE_SECONDS)
        try:
            sock.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (TimeoutError, BlockingIOError):
            log.debug("%s is listened on by somebody too busy to accept", path)
        return True
