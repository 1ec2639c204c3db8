"""The daemon's side, with real processes that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from task_files import task_file

from qrfld.aggregation.errors import RuleError
from qrfld.errors import QrfldError
from qrfld.protocol.tensors import decode
from qrfld.tasks.base import Context, Scores
from qrfld.tasks.errors import (
    TaskClassError,
    TaskDataError,
    TaskFailedError,
    TaskFileError,
    TaskNotFoundError,
    TaskResultError,
    WorkerDiedError,
    WorkerMemoryError,
    WorkerProtocolError,
    WorkerTimeoutError,
)
from qrfld.tasks.pool import Worker

CONTEXT = Context(0, 2, 0, 1)

Make = Callable[..., Worker]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Workers over a task file with the given body; afterwards no process and no file is left."""
    spool = tmp_path / "spool"
    spool.mkdir()
    workers: list[Worker] = []

    def create(body: str = "pass", spec: str = "", **options: object) -> Worker:
        worker = Worker(spec or task_file(tmp_path, body), spool, **options)  # type: ignore[arg-type]
        workers.append(worker)
        return worker

    yield create
    for worker in workers:
        await worker.close()
        assert worker.pid is None


def on_evaluate(action: str) -> str:
    return (
        "def evaluate(self, model, context):\n"
        f"    if context.round == 0: {action}\n"
        "    return Scores(0.75, 0.5, 20)"
    )


async def still_works(worker: Worker, model: Path) -> None:
    assert await worker.evaluate(model, Context(0, 2, 1, 1)) == Scores(0.75, 0.5, 20)


async def wait_for(path: Path) -> None:
    """Return when the task has made ``path``: a named pipe, so that the opening is the event."""
    with await asyncio.to_thread(path.open):
        pass


def gone(pid: int) -> Callable[[], bool]:
    """Return a test, to be made while ``pid`` lives, that waits for its end."""
    descriptor = os.pidfd_open(pid)

    def wait() -> bool:
        try:
            return bool(select.select([descriptor], [], [], 20)[0])
        finally:
            os.close(descriptor)

    return wait


async def test_worker_does_a_round(make: Make) -> None:
    worker = make()
    model = await worker.init(CONTEXT)
    trained = await worker.train(model, CONTEXT)
    update = decode(trained.path.read_bytes())
    assert (trained.samples, trained.loss) == (10, 1.5)
    assert np.allclose(update["w"], 0.5)
    assert await worker.evaluate(model, CONTEXT) == Scores(0.75, 0.5, 20)


async def test_process_stays_the_same_across_rounds(make: Make) -> None:
    worker = make()
    await worker.start()
    first = worker.pid
    model = await worker.init(CONTEXT)
    for _ in range(3):
        await worker.train(model, CONTEXT)
    assert worker.pid == first


async def test_jobs_wait_their_turn(make: Make) -> None:
    worker = make()
    model = await worker.init(CONTEXT)
    results = await asyncio.gather(*(worker.train(model, CONTEXT) for _ in range(4)))
    assert len({result.path for result in results}) == 4


async def test_attacking_worker_flips_its_update(make: Make) -> None:
    worker = make(attack="sign-flip", attack_scale=2.0)
    trained = await worker.train(await worker.init(CONTEXT), CONTEXT)
    assert np.allclose(decode(trained.path.read_bytes())["w"], -1.0)


async def test_unknown_attack_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="sign-flip"):
        Worker("digits", tmp_path, attack="nonsense")


async def test_digits_train_in_the_worker(make: Make) -> None:
    pytest.importorskip("sklearn")
    worker = make(spec="digits")
    context = Context(0, 3, 0, 7, {"epochs": 1})
    model = await worker.init(context)
    trained = await worker.train(model, context)
    assert trained.samples > 30
    assert (await worker.evaluate(model, context)).samples > 7


async def test_killed_worker_is_named_and_replaced(make: Make, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    worker = make(on_evaluate(f"open({str(started)!r}, 'w').close(); time.sleep(600)"))
    model = await worker.init(CONTEXT)
    job = asyncio.create_task(worker.evaluate(model, CONTEXT))
    await wait_for(started)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match="killed by SIGKILL"):
        await job
    await still_works(worker, model)


async def test_worker_killed_while_idle_is_replaced(make: Make) -> None:
    worker = make()
    model = await worker.init(CONTEXT)
    assert worker.pid is not None
    old, wait = worker.pid, gone(worker.pid)
    os.kill(old, signal.SIGKILL)
    assert await asyncio.to_thread(wait)
    with contextlib.suppress(WorkerDiedError):  # the event loop may not have heard of it yet
        await worker.evaluate(model, CONTEXT)
    await still_works(worker, model)
    assert worker.pid != old


async def test_crash_shows_the_last_printed_line(make: Make) -> None:
    worker = make(on_evaluate("print('first'); print('\\x1b[31mlast words'); os._exit(9)"))
    model = await worker.init(CONTEXT)
    with pytest.raises(WorkerDiedError, match=r"ended with code 9: \?\[31mlast words"):
        await worker.evaluate(model, CONTEXT)
    await still_works(worker, model)


async def test_job_over_its_time_is_killed(make: Make) -> None:
    worker = make(on_evaluate("time.sleep(600)"), job_seconds=3.0)
    model = await worker.init(CONTEXT)
    assert worker.pid is not None
    wait = gone(worker.pid)
    with pytest.raises(WorkerTimeoutError, match="longer than 3 s"):
        await worker.evaluate(model, CONTEXT)
    assert await asyncio.to_thread(wait)
    await still_works(worker, model)


async def test_killing_takes_the_processes_that_the_task_started(
    make: Make, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    action = (
        "import subprocess; child = subprocess.Popen(['sleep', '600']); "
        f"open({str(started)!r}, 'w').write(str(child.pid)); time.sleep(600)"
    )
    worker = make(on_evaluate(action))
    model = await worker.init(CONTEXT)
    job = asyncio.create_task(worker.evaluate(model, CONTEXT))
    wait = gone(int(await asyncio.to_thread(started.read_text)))
    await worker.close()
    assert await asyncio.to_thread(wait)
    with pytest.raises(WorkerDiedError):
        await job


async def test_job_whose_caller_left_ends_in_the_same_process_and_leaves_no_file(
    make: Make, tmp_path: Path
) -> None:
    started, go_on = tmp_path / "started", tmp_path / "go_on"
    os.mkfifo(started)
    os.mkfifo(go_on)
    worker = make(
        "def train(self, model, context):\n"
        f"    open({str(started)!r}, 'w').close(); open({str(go_on)!r}).close()\n"
        "    return Training(model, 1, 1.0)"
    )
    model = await worker.init(CONTEXT)
    pid = worker.pid
    job = asyncio.create_task(worker.train(model, CONTEXT))
    await wait_for(started)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    given_up = asyncio.create_task(worker.train(model, CONTEXT))
    await asyncio.sleep(0)
    given_up.cancel()  # before its turn: it never begins
    next_one = asyncio.create_task(worker.evaluate(model, CONTEXT))
    await asyncio.to_thread(go_on.write_bytes, b"")
    assert await next_one == Scores(0.75, 0.5, 20)
    assert worker.pid == pid
    assert list((tmp_path / "spool").iterdir()) == [model]


async def test_closing_ends_a_job_whose_caller_left(make: Make, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    worker = make(on_evaluate(f"open({str(started)!r}, 'w').close(); time.sleep(600)"))
    model = await worker.init(CONTEXT)
    job = asyncio.create_task(worker.evaluate(model, CONTEXT))
    await wait_for(started)
    assert worker.pid is not None
    wait = gone(worker.pid)
    job.cancel()
    await worker.close()
    assert await asyncio.to_thread(wait)
    with pytest.raises(asyncio.CancelledError):
        await job


async def test_closed_worker_takes_no_job(make: Make) -> None:
    worker = make()
    model = await worker.init(CONTEXT)
    await worker.close()
    with pytest.raises(WorkerDiedError, match="closed"):
        await worker.evaluate(model, CONTEXT)
    await worker.close()


async def test_job_over_the_memory_limit_is_named_and_survived(make: Make) -> None:
    worker = make(on_evaluate("np.ones(2**29)"), memory_mb=900)
    model = await worker.init(CONTEXT)
    with pytest.raises(WorkerMemoryError, match="900 MiB"):
        await worker.evaluate(model, CONTEXT)
    await still_works(worker, model)


async def test_memory_too_small_to_start_is_an_error_not_a_hang(make: Make) -> None:
    with pytest.raises((WorkerMemoryError, WorkerDiedError)):
        await make(memory_mb=1).init(CONTEXT)


BABBLE = """
for name in os.listdir('/proc/self/fd'):
    try: channel = socket.socket(fileno=os.dup(int(name)))
    except OSError: continue
    channel.sendall({data!r})
    channel.detach()
"""


@pytest.mark.parametrize(
    "data", [b"\xff" * 100, b"\0\0\0\x04junk", b"\0\0\0\x02\x81\xa4", bytes(4)]
)
async def test_worker_that_babbles_is_killed(make: Make, data: bytes) -> None:
    worker = make(on_evaluate(f"exec({BABBLE.format(data=data)!r})"))
    model = await worker.init(CONTEXT)
    assert worker.pid is not None
    wait = gone(worker.pid)
    with pytest.raises((WorkerProtocolError, WorkerDiedError)):
        await worker.evaluate(model, CONTEXT)
    assert await asyncio.to_thread(wait)
    await still_works(worker, model)


async def test_worker_that_closes_its_socket_and_lives_on_is_killed(make: Make) -> None:
    worker = make(on_evaluate("os.closerange(3, 64); time.sleep(600)"))
    model = await worker.init(CONTEXT)
    with pytest.raises(WorkerDiedError, match="killed by SIGKILL"):
        await worker.evaluate(model, CONTEXT)
    await still_works(worker, model)


async def test_worker_that_cannot_be_started_is_named(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/absent/python")
        with pytest.raises(WorkerDiedError, match="/absent/python"):
            await worker.init(CONTEXT)
    assert (await worker.init(CONTEXT)).exists()


async def test_answer_to_another_question_is_refused(make: Make) -> None:
    from qrfld.tasks.jobs import Initialised, frame

    worker = make(on_evaluate(f"exec({BABBLE.format(data=frame(Initialised()))!r})"))
    model = await worker.init(CONTEXT)
    with pytest.raises(WorkerProtocolError, match="answered with Initialised"):
        await worker.evaluate(model, CONTEXT)
    await still_works(worker, model)


async def fails(job: Awaitable[object], error: type[QrfldError], message: str) -> None:
    with pytest.raises(error, match=message):
        await job


async def test_task_that_fails_leaves_the_process_and_no_file(make: Make, tmp_path: Path) -> None:
    raising = make("def train(self, model, context):\n    raise ValueError('bad')")
    model = await raising.init(CONTEXT)
    pid = raising.pid
    await fails(raising.train(model, CONTEXT), TaskFailedError, "ValueError: bad")
    assert raising.pid == pid
    assert list((tmp_path / "spool").iterdir()) == [model]


async def test_task_that_returns_nan_is_refused(make: Make) -> None:
    worker = make(
        "def train(self, model, context):\n"
        "    model['w'][:] = np.nan\n"
        "    return Training(model, 1, 1.0)"
    )
    await fails(worker.train(await worker.init(CONTEXT), CONTEXT), TaskResultError, "'w' holds NaN")


async def test_task_that_cannot_be_loaded_is_named(make: Make, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("class Mine(:\n")
    needy = tmp_path / "needy.py"
    needy.write_text("import no_such_package\n")
    cases: list[tuple[str, type[QrfldError], str]] = [
        (f"{broken}:Mine", TaskFileError, r"broken\.py:1: "),
        (f"{needy}:Mine", TaskDataError, "pip install no_such_package"),
        (f"{task_file(tmp_path)}Absent", TaskClassError, "no class 'OddAbsent'"),
        ("no-such-task", TaskNotFoundError, "no task 'no-such-task'"),
    ]
    for spec, error, message in cases:
        await fails(make(spec=spec).init(CONTEXT), error, message)


async def test_model_file_that_is_none_is_named(make: Make, tmp_path: Path) -> None:
    worker = make()
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk" * 40)
    await fails(worker.train(tmp_path / "absent", CONTEXT), QrfldError, "absent")
    await fails(worker.train(junk, CONTEXT), QrfldError, "no model begins with")
    await still_works(worker, await worker.init(CONTEXT))


async def test_worker_sees_no_secret_of_the_daemon(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QRFLD_PASSPHRASE", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"):
        monkeypatch.setenv(name, "sesame")
    worker = make(
        "def init_model(self, context):\n    raise ValueError(' '.join(os.environ.values()))"
    )
    with pytest.raises(TaskFailedError) as caught:
        await worker.init(CONTEXT)
    assert "sesame" not in str(caught.value)


DAEMON = """
import asyncio, sys
from pathlib import Path
from qrfld.tasks.pool import Worker

async def main():
    worker = Worker(sys.argv[1], Path(sys.argv[2]))
    await worker.start()
    print(worker.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_worker_of_a_killed_daemon_dies_with_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON, task_file(tmp_path), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as daemon:
        assert daemon.stdout is not None
        wait = gone(int(await asyncio.to_thread(daemon.stdout.readline)))
        daemon.kill()
        assert await asyncio.to_thread(wait)
