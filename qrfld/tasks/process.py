"""A running training process, as the daemon sees it: its socket, its printing, its end.

The process inherits the daemon's environment without anything that is meant for the daemon alone
(``QRFLD_*``, systemd's sockets and credentials), and with one thread for each numerical library:
there are several workers on a small board, and training them side by side is what uses its cores.
It leads a process group of its own, so that what it starts can be killed with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from typing import Final, cast

from qrfld.tasks.errors import WorkerDiedError
from qrfld.tasks.jobs import LENGTH_BYTES, Job, Result, body_length, frame, parse

log = logging.getLogger(__name__)

_TAIL_BYTES: Final = 4096  # of what the process printed last
_GRACE_SECONDS: Final = 1.0  # for a process that closed its socket to end, and its pipe to drain
_DAEMONS_OWN: Final = ("QRFLD_", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "CREDENTIALS_DIRECTORY")
_ONE_THREAD: Final = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


class WorkerProcess:
    """A live process, the daemon's end of its socket, and the last of what it printed."""

    def __init__(
        self,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        printed: _Tail,
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer
        self._printed = printed

    async def ask(self, job: Job) -> Result:
        """Send ``job`` and return its result. Raises WorkerDiedError, WorkerProtocolError."""
        try:
            self._writer.write(frame(job))
            await self._writer.drain()
            header = await self._reader.readexactly(LENGTH_BYTES)
            result: Result = parse(await self._reader.readexactly(body_length(header)), Result)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.end()
            raise WorkerDiedError(
                f"the training process {_ending(self.process.returncode)}{self._printed.last_line}",
                hint="the next job starts a new one",
            ) from None
        return result

    def kill(self) -> None:
        """Kill the process and those that it started, if it still runs."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Wait for the end of a process that has closed its socket, or kill it; free all."""
        self._writer.close()
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            await self.process.wait()
        await self._printed.end()


class _Tail(asyncio.Protocol):
    """What the process prints, on both its outputs: logged, and the last 4 KiB remembered.

    The pipe is ours and not asyncio's, which would take the process as running for as long as any
    of its children holds the pipe.
    """

    def __init__(self) -> None:
        self._last = b""
        self._transport: asyncio.ReadTransport | None = None
        self._ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the pipe."""
        self._transport = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Log ``data`` and keep its end."""
        log.debug("worker: %s", data.decode(errors="replace").rstrip())
        self._last = (self._last + data)[-_TAIL_BYTES:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self._ended.set()

    async def end(self) -> None:
        """Take what is still in the pipe, then close it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await self._ended.wait()
        if self._transport is not None:
            self._transport.close()

    @property
    def last_line(self) -> str:
        """The last printed line after a colon, "" when nothing was printed."""
        lines = self._last.decode(errors="replace").strip().splitlines()
        printable = "".join(c if c.isprintable() else "?" for c in lines[-1]) if lines else ""
        return f": {printable}" if printable else ""


async def start(spec: str, limits: tuple[str, ...]) -> WorkerProcess:
    """Start a process for the task ``spec``; ``limits`` are options of `worker`.

    Raises WorkerDiedError when the system refuses.
    """
    ours, theirs = socket.socketpair()
    output, their_output = os.pipe()
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    _, printed = await loop.connect_read_pipe(_Tail, os.fdopen(output, "rb", 0))
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-u", "-m", "qrfld.tasks.worker"),
            *("--fd", str(theirs.fileno()), "--spec", spec, "--parent", str(os.getpid())),
            *limits,
            stdin=DEVNULL,
            stdout=their_output,
            stderr=STDOUT,
            env=_environment(),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    except BaseException as error:
        # Without our end of the socket a process that did start ends by itself.
        writer.close()
        if isinstance(error, OSError):
            raise WorkerDiedError(f"cannot start the training process: {error}") from error
        raise
    finally:
        theirs.close()
        os.close(their_output)
    return WorkerProcess(process, reader, writer, printed)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DAEMONS_OWN)}
    return kept | _ONE_THREAD


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
