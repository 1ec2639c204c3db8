"""A control socket with a daemon's answers behind it, served for real from a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from qrfld.control import ControlServer

RUN = "1f2e3d4c5b6a79880011223344556677"
SUITE = "X25519+ML-KEM-768 / ML-DSA-65 / AES-256-GCM"

Answers = dict[str, Any]


class Empty(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Expiry(msgspec.Struct, forbid_unknown_fields=True):
    expires_seconds: int = 3600


class RunStart(msgspec.Struct, forbid_unknown_fields=True):
    task: str
    rounds: int
    rule: str
    f: int | None
    quorum: int | None
    deadline_seconds: float
    seed: int
    params: dict[str, str | int | float | bool]


class RunName(msgspec.Struct, forbid_unknown_fields=True):
    run: str = "latest"


class Part(msgspec.Struct, forbid_unknown_fields=True):
    hash: str
    offset: int = 0


PARAMS: Mapping[str, type[msgspec.Struct]] = {
    "token.create": Expiry,
    "run.start": RunStart,
    "run.stop": RunName,
    "run.show": RunName,
    "model.read": Part,
}
METHODS = (
    "status",
    "peers",
    "token.create",
    "token.list",
    "run.start",
    "run.stop",
    "run.list",
    "run.show",
    "model.list",
    "model.read",
    "config.show",
    "shutdown",
)


def peer(name: str, state: str = "connected", **more: Any) -> dict[str, Any]:
    return {
        "id": "GR6L44J-NYKTIYM-LCIG2TS-ZCSVA7M-DYRI46S-QAMEDL6-K7KBO43-S4XFOAP",
        "short": "GR6L44J",
        "name": name,
        "state": state,
        "address": "192.0.2.7:7483",
        "since_seconds": 12.5,
        "suite": SUITE,
        "resumed": False,
        "rtt_ms": 1.25,
        "bytes_sent": 123456,
        "bytes_received": 2345678,
        "last_error": "",
        **more,
    }


def run_summary(**more: Any) -> dict[str, Any]:
    return {
        "run": RUN,
        "task": "digits",
        "rule": "trimmed-mean",
        "f": 1,
        "state": "running",
        "phase": "training",
        "round": 2,
        "rounds": 10,
        "coordinator": "GR6L44J",
        "coordinator_name": "alice",
        "accuracy": 0.915,
        "reason": "",
        "role": "coordinator",
        "members": 3,
        "started_at": 1_700_000_000,
        **more,
    }


def round_summary(number: int, accuracy: float | None = 0.9, **more: Any) -> dict[str, Any]:
    return {
        "round": number,
        "accuracy": accuracy,
        "loss": None if accuracy is None else 0.25,
        "seconds": 1.5,
        "bytes_sent": 40_000,
        "bytes_received": 60_000,
        "model": "ab" * 32,
        "record": "cd" * 32,
        "updates": [],
        "suspects": ["mallory"],
        "stragglers": [],
        **more,
    }


def shown_run(rounds: int = 2, total: int = 10, **more: Any) -> dict[str, Any]:
    config = {
        "task": "digits",
        "params": {"alpha": 0.5},
        "rounds": total,
        "rule": "trimmed-mean",
        "f": 1,
        "quorum": 2,
        "deadline_seconds": 60.0,
        "seed": 7,
        "members": [{"node": "GR6L44J", "name": "alice"}],
    }
    return {
        **run_summary(round=rounds),
        "config": config,
        "rounds": [round_summary(number) for number in range(1, rounds + 1)],
        **more,
    }


def status(**more: Any) -> dict[str, Any]:
    return {
        "node": {"id": peer("alice")["id"], "short": "GR6L44J", "name": "alice"},
        "federation": {"id": "ef" * 32, "name": "clinic"},
        "version": "0.1.0",
        "suite": SUITE,
        "provider": "openssl",
        "uptime_seconds": 3723.0,
        "pid": os.getpid(),
        "listen": ["0.0.0.0:7483"],
        "attack": "",
        "members": 3,
        "sessions": 2,
        "warnings": [],
        "run": run_summary(),
        "peers": [peer("alice", "self"), peer("bob"), peer("carol")],
        **more,
    }


class FixtureDaemon:
    """Answers each method with what stands in ``answers``: a map, an error, or a function."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.answers: Answers = {"status": status(), "run.show": shown_run()}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: ControlServer | None = None

    def start(self) -> None:
        if not self._thread.is_alive():
            self._thread.start()
        methods = {name: (PARAMS.get(name, Empty), self._method(name)) for name in METHODS}
        self._server = ControlServer(self.socket, methods)
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)

    def stop(self) -> None:
        if self._server is not None:
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(10)
            self._server = None

    def close(self) -> None:
        self.stop()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop.close()

    def _method(self, name: str) -> Callable[[Any], Any]:
        async def answer(params: msgspec.Struct) -> dict[str, Any]:
            asked = msgspec.to_builtins(params)
            self.asked.append((name, asked))
            found = self.answers[name]
            if callable(found):
                found = found(**asked)
            if isinstance(found, Exception):
                raise found
            result: dict[str, Any] = found
            return result

        return answer
