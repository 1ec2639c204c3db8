"""The training process: ``python -m qrfld.tasks.worker --fd N --spec TASK …``.

It inherits one end of a socket pair as descriptor N, answers jobs (`jobs`) one after the other and
lives until the other end closes. Before the first job it confines itself: an address-space limit,
no core dumps, a lower priority, and the kernel's promise to kill it when its daemon dies. Models
come and go as files; it opens no network connection.

Exit codes: 0 the daemon closed the socket; 3 something else than a job came; 4 a job did not fit
into memory (the daemon starts a fresh process for the next one).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import signal
import socket
import sys

from qrfld.errors import QrfldError
from qrfld.store.blobs import FULL
from qrfld.store.errors import DiskFullError
from qrfld.tasks.errors import TaskError, WorkerMemoryError, WorkerProtocolError
from qrfld.tasks.execution import Execution
from qrfld.tasks.jobs import LENGTH_BYTES, Failed, Job, Result, body_length, frame, parse

_EXIT_PROTOCOL = 3
_EXIT_MEMORY = 4
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str] | None = None) -> int:
    """Serve jobs until the socket closes; returns the exit code."""
    options = _parser().parse_args(arguments)
    _confine(options.memory_mb << 20, options.nice)
    if not _tie_to(options.parent):
        return 0
    with socket.socket(fileno=options.fd) as channel:
        try:
            return _serve(channel, Execution(options.spec), options.memory_mb)
        except WorkerProtocolError as error:
            print(f"{error.name}: {error}", file=sys.stderr)  # noqa: T201 - the daemon reads it
            return _EXIT_PROTOCOL


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qrfld.tasks.worker")
    parser.add_argument("--fd", type=int, required=True, help="descriptor of the socket pair")
    parser.add_argument("--spec", required=True, help="the task: a name or file.py:Class")
    parser.add_argument("--parent", type=int, required=True, help="process id of the daemon")
    parser.add_argument("--memory-mb", type=int, required=True, help="address space in MiB")
    parser.add_argument("--nice", type=int, required=True, help="added to the nice level")
    return parser


def _confine(memory: int, nice: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(nice)


def _tie_to(parent: int) -> bool:
    """Be killed when ``parent`` ends (Linux); False when it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def _serve(channel: socket.socket, execution: Execution, memory_mb: int) -> int:
    while header := _receive(channel, LENGTH_BYTES, at_start=True):
        job: Job = parse(_receive(channel, body_length(header)), Job)
        try:
            result = perform(execution, job)
        except MemoryError:
            del execution  # what it holds may be what leaves no memory for the answer
            channel.sendall(frame(_out_of_memory(memory_mb)))
            return _EXIT_MEMORY
        channel.sendall(frame(result))
    return 0


def perform(execution: Execution, job: Job) -> Result:
    """Do a job; what goes wrong becomes its result. Raises MemoryError."""
    try:
        return execution.perform(job)
    except QrfldError as error:
        return Failed.of(error.name, error.message, error.hint)
    except OSError as error:
        if error.errno in FULL:
            message = f"no room for what the worker writes: {error}"
            return Failed.of(DiskFullError.name, message, "free some space on that disk")
        return Failed.of(TaskError.name, f"the worker cannot use a file: {error}", "")


def _out_of_memory(memory_mb: int) -> Failed:
    message = f"the task does not fit into the worker's {memory_mb} MiB of memory"
    return Failed.of(
        WorkerMemoryError.name, message, "raise worker.memory_mb or use smaller batches"
    )


def _receive(channel: socket.socket, size: int, *, at_start: bool = False) -> bytes:
    """Return exactly ``size`` bytes, or b"" when the socket closes ``at_start`` of a frame."""
    received = bytearray()
    while len(received) < size:
        piece = channel.recv(size - len(received))
        if not piece:
            if at_start and not received:
                return b""
            raise WorkerProtocolError(f"the socket closed after {len(received)} of {size} bytes")
        received += piece
    return bytes(received)


if __name__ == "__main__":
    sys.exit(main())
