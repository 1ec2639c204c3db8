"""The client of the control socket: blocking, and light enough for every start of ``qrfl``."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

from qrfld.errors import DaemonNotRunningError, QrfldError
from qrfld.protocol.control_frames import (
    ControlDecoder,
    Failure,
    Request,
    Result,
    encode_request,
)

ANSWER_SECONDS = 60.0
READ_BYTES = 256 * 1024


class RemoteError(QrfldError):
    """The daemon refused a call: its error's name, message, hint and exit code."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, hint=failure.hint)
        # This instance speaks for an error of the daemon's, whatever its class was.
        self.name = failure.name  # type: ignore[misc]
        self.exit_code = failure.exit_code  # type: ignore[misc]


class ControlAccessError(QrfldError):
    """This user may not command the daemon."""


class ControlClient:
    """Calls the daemon whose control socket lies at ``path``; one connection a call."""

    def __init__(self, path: Path, *, timeout: float = ANSWER_SECONDS) -> None:
        self._path = path
        self._timeout = timeout

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method and return its result.

        Raises RemoteError with the daemon's own error, DaemonNotRunningError when nobody answers,
        ControlAccessError when this user may not ask, ControlFrameError when what answers is no
        daemon.
        """
        frame = encode_request(Request(1, method, params))
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(self._timeout)
                sock.connect(str(self._path))
                # A daemon with too many clients answers before it is asked, and closes.
                with contextlib.suppress(BrokenPipeError):
                    sock.sendall(frame)
                answer = _read_answer(sock)
        except PermissionError as error:
            raise ControlAccessError(
                f"no right to use the daemon's control socket {self._path}",
                hint="run as its owner, or join the socket's group",
            ) from error
        except OSError as error:
            raise DaemonNotRunningError(
                f"no daemon answers on {self._path}: {error.strerror or 'timed out'}",
                hint="start it with: qrfl up",
            ) from error
        if isinstance(answer, Failure):
            raise RemoteError(answer)
        return answer.result


def _read_answer(sock: socket.socket) -> Result | Failure:
    decoder = ControlDecoder.answers()
    while (answer := decoder.next_frame()) is None:
        data = sock.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError(104, "the daemon closed the connection")
        decoder.receive_data(data)
    return answer
