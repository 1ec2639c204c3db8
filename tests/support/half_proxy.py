"""A TCP proxy that can lose one direction: what a network does at the worst moment."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class HalfProxy:
    """Forwards connections to ``port``; of each answer at most ``limit`` bytes (None: all)."""

    def __init__(self, port: int, limit: int | None = None) -> None:
        self.limit = limit
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._links: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._server.close()
        self.drop()

    def drop(self) -> None:
        """Close every connection; new ones may come."""
        while self._links:
            link = self._links.pop()
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._links += [near, far]
                for ends in ((near, far, None), (far, near, self.limit)):
                    threading.Thread(target=_forward, args=ends, daemon=True).start()


def _forward(source: socket.socket, target: socket.socket, limit: int | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if limit is not None:
                data, limit = data[:limit], max(0, limit - len(data))
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
