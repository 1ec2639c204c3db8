"""Finding a task: by its entry point's name, or as ``path/to/task.py:Name``.

`load` imports or executes the task's module, so it belongs into the worker process. `digest` only
reads the source, so the daemon may call it: the digest stands in a run's configuration, and a node
whose own copy differs does not take part. It covers the one source file in which the class is
written, not what that file imports.

A file is executed as a module of its own; its folder is not put on the import path.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final, cast

from qrfld.tasks.base import Task
from qrfld.tasks.errors import TaskClassError, TaskDataError, TaskFileError, TaskNotFoundError

GROUP: Final = "qrfld.tasks"
MAX_SOURCE_BYTES: Final = 1 << 20
_METHODS = ("init_model", "train", "evaluate")


def load(spec: str) -> Task:
    """Return a new task object for ``spec``.

    Raises TaskNotFoundError, TaskFileError, TaskClassError or TaskDataError, each naming the file,
    the line where there is one, and what to do.
    """
    if _is_path(spec):
        path, name = _split(spec)
        module = _execute(path, _read(path))
    else:
        entry = _entry_point(spec)
        module, name = _import(entry), entry.attr
    return _construct(module, name, spec)


def digest(spec: str) -> bytes:
    """Return the SHA-256 of the task's source file, without executing it.

    Raises TaskNotFoundError, TaskFileError.
    """
    path = _split(spec)[0] if _is_path(spec) else _source(_entry_point(spec))
    return hashlib.sha256(_read(path)).digest()


def _is_path(spec: str) -> bool:
    return "/" in spec or ".py" in spec


def _split(spec: str) -> tuple[Path, str]:
    text, colon, name = spec.rpartition(":")
    if not colon or not text.endswith(".py") or not name.isidentifier():
        raise TaskNotFoundError(
            f"{spec!r} is not a task file and a class", hint="write path/to/task.py:ClassName"
        )
    return Path(text), name


def _entry_point(name: str) -> EntryPoint:
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"installed: {', '.join(sorted(known))}."
    raise TaskNotFoundError(
        f"there is no task {name!r}",
        hint=f"{hint} A file's task stands under [tasks], which the daemon reads when it starts",
    )


def _source(entry: EntryPoint) -> Path:
    try:
        found = importlib.util.find_spec(entry.module)
    except ImportError as error:
        raise TaskFileError(f"task {entry.name!r}: {error}") from error
    if found is None or found.origin is None:
        raise TaskNotFoundError(f"task {entry.name!r} has no source file: {entry.value}")
    return Path(found.origin)


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise TaskNotFoundError(f"there is no task file {str(path)!r}", hint="check the path")
        with path.open("rb") as file:
            source = file.read(MAX_SOURCE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise TaskFileError(f"cannot read task file {str(path)!r}: {error}") from error
    if len(source) > MAX_SOURCE_BYTES:
        raise TaskFileError(f"task file {str(path)!r} has more than {MAX_SOURCE_BYTES} bytes")
    return source


def _execute(path: Path, source: bytes) -> ModuleType:
    code = _compile(path, source)
    name = "qrfld_task_" + hashlib.sha256(source).hexdigest()[:16]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and typing look their module up
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the user's own task is what we are for
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _failure(path, error) from error
    return module


def _compile(path: Path, source: bytes) -> CodeType:
    try:
        return compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise TaskFileError(
            f"{path}:{error.lineno}: {error.msg}", hint="correct the file"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise TaskFileError(f"{path} is no Python source: {error}") from error


def _import(entry: EntryPoint) -> ModuleType:
    try:
        return importlib.import_module(entry.module)
    except (Exception, SystemExit) as error:
        raise _failure(_source(entry), error) from error


def _failure(path: Path, error: BaseException) -> TaskFileError | TaskDataError:
    where = f"{path}:{failing_line(error, path)}"
    if isinstance(error, ModuleNotFoundError):
        return TaskDataError(
            f"{where}: the task needs the package {error.name!r}", hint=f"pip install {error.name}"
        )
    return TaskFileError(
        f"{where}: {type(error).__name__}: {error}", hint="the file must import without an error"
    )


def failing_line(error: BaseException, path: Path) -> int:
    """Return the last line of ``path`` in the error's traceback, 0 when it is not there."""
    lines = [
        frame.lineno or 0
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return lines[-1] if lines else 0


def _construct(module: ModuleType, name: str, spec: str) -> Task:
    kind = getattr(module, name, None)
    if not inspect.isclass(kind):
        own = [
            key
            for key, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == module.__name__
        ]
        raise TaskClassError(
            f"{spec!r} has no class {name!r}", hint=f"its classes are: {', '.join(own) or 'none'}"
        )
    missing = [method for method in _METHODS if not callable(getattr(kind, method, None))]
    if missing:
        raise TaskClassError(
            f"class {name!r} of {spec!r} is not a task: it has no {', '.join(missing)}",
            hint=f"a task has the methods {', '.join(_METHODS)}",
        )
    try:
        task = kind()
    except Exception as error:
        raise TaskClassError(
            f"{name}() of {spec!r} raised {type(error).__name__}: {error}",
            hint="a task is constructed without arguments",
        ) from error
    return cast(Task, task)
