"""The other process of a measurement: a server in an event loop of its own, asked over a pipe.

The child is a fresh interpreter (spawn), as a peer would be: nothing is shared but the arguments.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any, Final

import uvloop

from qrfld.errors import QrfldError
from qrfld.net.allocator import keep_freed_memory

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0


class OtherProcessError(QrfldError):
    """The second process of a measurement ended, or did not answer."""


@dataclass(frozen=True)
class State:
    """How far the other process is: seconds of CPU time it has used, and its own count of work."""

    cpu: float
    done: int


@dataclass(eq=False)
class Served:
    """What runs in the other process: where it listens, and how much it has done."""

    address: tuple[str, int]
    done: int = 0
    #: What must stay alive as long as the process.
    keep: list[object] = field(default_factory=list)


Serve = Callable[..., Awaitable[Served]]


class Other:
    """This process's end of the pipe."""

    def __init__(self, pipe: Pipe, address: tuple[str, int]) -> None:
        self._pipe = pipe
        self.address = address

    def state(self) -> State:
        """How far it is now. Raises OtherProcessError."""
        try:
            self._pipe.send("state")
        except OSError as error:
            raise OtherProcessError("the other process of the measurement has ended") from error
        found: State = _receive(self._pipe)
        return found


@contextmanager
def other(serve: Serve, *arguments: object) -> Iterator[Other]:
    """Run ``serve(*arguments)`` in a process of its own as long as the context lasts.

    ``serve`` and its arguments must be picklable. Raises OtherProcessError.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, serve, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Other(ours, _receive(ours))
    finally:
        ours.close()  # at which it ends
        process.join(STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _receive(pipe: Pipe) -> Any:
    try:
        if pipe.poll(START_SECONDS):
            return pipe.recv()
    except (EOFError, OSError):
        pass
    raise OtherProcessError("the other process of the measurement has ended")


def _main(pipe: Pipe, serve: Serve, arguments: tuple[object, ...]) -> None:
    keep_freed_memory()  # as a daemon does
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(pipe, serve, arguments))


async def _run(pipe: Pipe, serve: Serve, arguments: tuple[object, ...]) -> None:
    served = await serve(*arguments)
    pipe.send(served.address)
    over = asyncio.Event()

    def answer() -> None:
        try:
            pipe.recv()
            pipe.send(State(time.process_time(), served.done))
        except (EOFError, OSError):
            over.set()

    asyncio.get_running_loop().add_reader(pipe.fileno(), answer)
    await over.wait()
