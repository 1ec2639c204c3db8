"""Errors of the tasks room.

    TaskError
    ├── TaskNotFoundError     no such entry point or file
    ├── TaskFileError         the file cannot be read or run: syntax, imports, what it raises
    ├── TaskClassError        the file has no such class, or it is not a task
    ├── TaskDataError         the data or an optional package that it needs is missing
    ├── TaskParameterError    a run parameter that the task does not take
    ├── PartitionError        the data cannot be divided as asked
    └── WorkerError           the training process
        ├── WorkerDiedError       it ended by itself: killed, crashed, could not start
        ├── WorkerTimeoutError    its job took longer than allowed and was killed
        ├── WorkerMemoryError     its job did not fit into the memory limit
        ├── WorkerProtocolError   something else than a job or a result on its socket
        ├── TaskFailedError       the task raised an exception
        └── TaskResultError       the task returned something else than its interface says

The worker sends its errors by name; `by_name` turns them into these classes again. A disk on which
there is no room for what it writes is the store's DiskFullError.
"""

from __future__ import annotations

from qrfld.errors import QrfldError
from qrfld.store.errors import DiskFullError


class TaskError(QrfldError):
    """Base of everything that goes wrong with a task."""


class TaskNotFoundError(TaskError):
    """There is no task of this name, or no file at this path."""


class TaskFileError(TaskError):
    """The task's file cannot be read, compiled or executed."""


class TaskClassError(TaskError):
    """The file has no such class, or the class lacks the methods of a task."""


class TaskDataError(TaskError):
    """Data or an optional package that the task needs is missing."""


class TaskParameterError(TaskError):
    """A parameter of the run is unknown to the task or out of its range."""


class PartitionError(TaskError):
    """Data cannot be divided as asked."""


class WorkerError(TaskError):
    """Base of everything that goes wrong in or with the training process."""


class WorkerDiedError(WorkerError):
    """The training process ended by itself."""


class WorkerTimeoutError(WorkerError):
    """A job took longer than allowed; the process was killed."""


class WorkerMemoryError(WorkerError):
    """A job did not fit into the worker's memory limit."""


class WorkerProtocolError(WorkerError):
    """Something else than a job or a result came over the worker's socket."""


class TaskFailedError(WorkerError):
    """The task's own code raised an exception."""


class TaskResultError(WorkerError):
    """The task returned something else than its interface says."""


def by_name(name: str) -> type[QrfldError]:
    """Return the class whose stable name is ``name``; TaskError when the worker has no such one."""
    return _CLASSES.get(name, TaskError)


def _below(parent: type[QrfldError]) -> dict[str, type[QrfldError]]:
    found: dict[str, type[QrfldError]] = {parent.name: parent}
    for child in parent.__subclasses__():
        found |= _below(child)
    return found


_CLASSES = _below(TaskError) | {DiskFullError.name: DiskFullError}
