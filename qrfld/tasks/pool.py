"""The daemon's side of a training process: start it, give it jobs, survive whatever it does.

`Worker` starts its process with the first job and keeps it for the next ones. A job that takes too
long, a process that dies or babbles: each time the whole process group is killed and awaited, what
it half wrote is removed, and the next job finds a fresh process. One job runs at a time; others
wait their turn.

A caller that is cancelled while its job runs leaves the job to end by itself; its file is removed.
Killing the process would make the next job pay for a new one, which takes seconds on a small board:
a member whose rounds are shorter than that would never be in time again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from qrfld.aggregation import attacks
from qrfld.aggregation.errors import RuleError
from qrfld.tasks.base import Context, Scores
from qrfld.tasks.errors import (
    WorkerDiedError,
    WorkerMemoryError,
    WorkerProtocolError,
    WorkerTimeoutError,
    by_name,
)
from qrfld.tasks.jobs import (
    Evaluate,
    Evaluated,
    Failed,
    Init,
    Initialised,
    Job,
    Result,
    Train,
    Trained,
)
from qrfld.tasks.process import WorkerProcess, start

log = logging.getLogger(__name__)

R = TypeVar("R", Initialised, Trained, Evaluated)


@dataclass(frozen=True)
class TrainResult:
    """An update: the blob of trained - base in ``path``, and what the task said of it."""

    path: Path
    samples: int
    loss: float


class Worker:
    """One task's training process.

    ``spec`` names the task, ``spool`` is the folder for the files it writes, which the caller takes
    from there. ``memory_mb`` limits the process's address space (MiB), ``job_seconds`` each job
    including the start of the process. ``attack`` (lab only) is done to every update, "" for none.
    Raises RuleError for an unknown attack.
    """

    def __init__(
        self,
        spec: str,
        spool: Path,
        *,
        memory_mb: int = 4096,
        nice: int = 10,
        job_seconds: float = 600.0,
        attack: str = "",
        attack_scale: float | None = None,
    ) -> None:
        if attack and attack not in attacks():
            raise RuleError(f"unknown attack {attack!r}", hint=f"there are: {', '.join(attacks())}")
        self._spec = spec
        self._spool = spool
        self._limits = ("--memory-mb", str(memory_mb), "--nice", str(nice))
        self._job_seconds = job_seconds
        self._attack = attack
        self._attack_scale = attack_scale
        self._turn = asyncio.Lock()
        self._running: WorkerProcess | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id, None while no process runs."""
        return self._running.process.pid if self._running else None

    async def start(self) -> None:
        """Start the process now instead of with the first job. Raises WorkerDiedError."""
        async with self._turn:
            await self._ensure()

    async def init(self, context: Context) -> Path:
        """Return a new file with the blob of a fresh model. Raises TaskError, WorkerError."""
        output = self._output("model")
        await self._run(Init(context, str(output)), Initialised, output)
        return output

    async def train(self, base: Path, context: Context) -> TrainResult:
        """Train the model in ``base``; the update is a new file. Raises TaskError, WorkerError."""
        output = self._output("update")
        job = Train(context, str(base), str(output), self._attack, self._attack_scale)
        trained = await self._run(job, Trained, output)
        return TrainResult(output, trained.samples, trained.loss)

    async def evaluate(self, model: Path, context: Context) -> Scores:
        """Score the model in ``model``. Raises TaskError, WorkerError."""
        scores = await self._run(Evaluate(context, str(model)), Evaluated, None)
        return Scores(scores.accuracy, scores.loss, scores.samples)

    async def close(self) -> None:
        """Kill the process, also in the middle of a job, and wait for its end; no job runs after.

        A job that is interrupted raises WorkerDiedError, as does every later one.
        """
        self._closed = True
        if self._running is not None:
            self._running.kill()
        async with self._turn:
            await self._discard()

    def _output(self, kind: str) -> Path:
        return self._spool / f"{kind}-{secrets.token_hex(8)}"

    async def _run(self, job: Job, kind: type[R], output: Path | None) -> R:
        await self._turn.acquire()
        exchange = asyncio.create_task(self._exchange(job, kind))
        exchange.add_done_callback(self._ended)
        try:
            return await asyncio.shield(exchange)
        except BaseException:
            if output is not None and exchange.done():
                _remove(output)
            elif output is not None:
                exchange.add_done_callback(lambda _: _remove(output))
            raise

    def _ended(self, exchange: asyncio.Task[R]) -> None:
        """Let the next job begin; how a job ended whose caller has left is nobody's business."""
        self._turn.release()
        if not exchange.cancelled():
            exchange.exception()

    async def _exchange(self, job: Job, kind: type[R]) -> R:
        result = await self._ask(job)
        if isinstance(result, kind):
            return result
        if not isinstance(result, Failed):
            await self._discard()
            raise WorkerProtocolError(f"the worker answered with {type(result).__name__}")
        if result.error == WorkerMemoryError.name:
            await self._discard()  # it ends by itself; wait for that
        raise by_name(result.error)(result.message, hint=result.hint)

    async def _ask(self, job: Job) -> Result:
        try:
            async with asyncio.timeout(self._job_seconds):
                process = await self._ensure()
                return await process.ask(job)
        except BaseException as error:
            await self._discard()
            if isinstance(error, TimeoutError):
                raise WorkerTimeoutError(
                    f"task {self._spec!r} took longer than {self._job_seconds:g} s and was killed",
                    hint="raise worker.job_seconds or give the task less to do",
                ) from None
            raise

    async def _ensure(self) -> WorkerProcess:
        if self._running is not None and self._running.process.returncode is not None:
            log.warning("the training process of %s ended while idle", self._spec)
            await self._discard()
        if self._running is None and not self._closed:
            self._running = await start(self._spec, self._limits)
        if self._running is None or self._closed:
            raise WorkerDiedError(f"the worker of task {self._spec!r} is closed")
        return self._running

    async def _discard(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.kill()
            await running.end()


def _remove(output: Path) -> None:
    output.unlink(missing_ok=True)
    output.with_name(output.name + ".part").unlink(missing_ok=True)
