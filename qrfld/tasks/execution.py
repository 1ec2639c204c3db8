"""Doing a job: run the task's method, check what it returns, write the file.

Only what fits the interface leaves: a model with the names, shapes and type it had, finite numbers,
scores within their ranges. Everything else ends in a TaskResultError that says what was returned,
and every exception of the task in a TaskFailedError that says where it was raised.
"""

from __future__ import annotations

import math
import operator
import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation import attack
from qrfld.errors import QrfldError
from qrfld.protocol.errors import TensorError
from qrfld.protocol.tensors import Manifest, flat_float32, layout, parse_manifest, unflatten
from qrfld.tasks.base import Model, Scores, Task, Training
from qrfld.tasks.errors import TaskFailedError, TaskResultError
from qrfld.tasks.jobs import Evaluate, Evaluated, Init, Initialised, Job, Result, Train, Trained
from qrfld.tasks.loader import load

R = TypeVar("R")


class Execution:
    """The task of one worker, loaded by the first job and kept for the next ones."""

    def __init__(self, spec: str) -> None:
        self._spec = spec
        self._loaded: Task | None = None

    def perform(self, job: Job) -> Result:
        """Do ``job`` and return its result. Raises QrfldError, MemoryError, OSError."""
        match job:
            case Init():
                return self._init(job)
            case Train():
                return self._train(job)
            case Evaluate():
                return self._evaluate(job)

    @property
    def _task(self) -> Task:
        if self._loaded is None:
            self._loaded = load(self._spec)
        return self._loaded

    def _init(self, job: Init) -> Result:
        model = _call(self._task.init_model, job.context)
        manifest = _fresh_layout(model)
        _write(job.output, manifest, _flat(model, manifest))
        return Initialised()

    def _train(self, job: Train) -> Result:
        base, manifest = _read(job.model)
        result = _call(self._task.train, unflatten(base.copy(), manifest), job.context)
        _expect(result, Training, "train")
        _check_model(result.model, manifest)
        with np.errstate(over="ignore"):
            update = _flat(result.model, manifest) - base
        if not np.isfinite(update).all():
            raise TaskResultError("the update (trained - model) is beyond the range of float32")
        if job.attack:
            update = attack(job.attack, update, np.random.default_rng(), job.attack_scale)
        trained = Trained(_samples(result.samples, "train"), _loss(result.loss, "train"))
        _write(job.output, manifest, update)
        return trained

    def _evaluate(self, job: Evaluate) -> Result:
        vector, manifest = _read(job.model)
        scores = _call(self._task.evaluate, unflatten(vector.copy(), manifest), job.context)
        _expect(scores, Scores, "evaluate")
        accuracy = _number(scores.accuracy, "evaluate", "accuracy")
        if not 0 <= accuracy <= 1:
            raise TaskResultError(f"evaluate returned accuracy {accuracy}, not between 0 and 1")
        samples = _samples(scores.samples, "evaluate")
        return Evaluated(accuracy, _loss(scores.loss, "evaluate"), samples)


def _call(method: Callable[..., R], *arguments: object) -> R:
    try:
        return method(*arguments)
    except (QrfldError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise TaskFailedError(
            f"the task raised {type(error).__name__}: {error} at {frame.filename}:{frame.lineno}",
            hint="the worker's log has the whole traceback",
        ) from error


def _fresh_layout(model: Any) -> Manifest:
    _expect(model, dict, "init_model")
    for name, array in model.items():
        _check_array(name, array, None)
    try:
        return layout(model)
    except TensorError as error:
        raise TaskResultError(f"init_model returned no model: {error.message}") from error


def _check_model(model: Any, manifest: Manifest) -> None:
    _expect(model, dict, "train")
    expected = {tensor.name: tensor.shape for tensor in manifest.tensors}
    if model.keys() != expected.keys():
        raise TaskResultError(
            f"train returned a model with arrays {sorted(map(str, model))!s:.500}",
            hint=f"it was given {sorted(expected)!s:.500}",
        )
    for name, shape in expected.items():
        _check_array(name, model[name], shape)


def _check_array(name: str, array: Any, shape: tuple[int, ...] | None) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != np.float32:
        got = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise TaskResultError(f"array {name!r} is {got}", hint="use .astype(numpy.float32)")
    if shape is not None and array.shape != shape:
        raise TaskResultError(f"array {name!r} has shape {array.shape}, the model's is {shape}")
    if not np.isfinite(array).all():
        raise TaskResultError(
            f"array {name!r} holds NaN or infinity", hint="lower the learning rate"
        )


def _expect(value: object, kind: type, method: str) -> None:
    if not isinstance(value, kind):
        raise TaskResultError(f"{method} returned {type(value).__name__}, not {kind.__name__}")


def _number(value: Any, method: str, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise TaskResultError(f"{method} returned {what} {value!r:.80}, not a finite number")
    return number


def _loss(value: Any, method: str) -> float:
    loss = _number(value, method, "loss")
    if loss < 0:
        raise TaskResultError(f"{method} returned loss {loss}, below 0")
    return loss


def _samples(value: Any, method: str) -> int:
    try:
        samples = operator.index(value)
    except TypeError:
        samples = 0
    if not 1 <= samples < 2**32:
        raise TaskResultError(f"{method} returned samples {value!r:.80}, not 1 to 2^32 - 1")
    return samples


def _read(path: str) -> tuple[NDArray[np.float32], Manifest]:
    blob = Path(path).read_bytes()
    manifest = parse_manifest(blob, len(blob))
    return flat_float32(blob, manifest), manifest


def _flat(model: Model, manifest: Manifest) -> NDArray[np.float32]:
    return np.concatenate([model[tensor.name].reshape(-1) for tensor in manifest.tensors])


def _write(output: str, manifest: Manifest, vector: NDArray[np.float32]) -> None:
    """Write the blob to a temporary neighbour, then rename it: there is a whole file or none."""
    target = Path(output)
    part = target.with_name(target.name + ".part")
    pieces: Sequence[Any] = (manifest.head, vector.astype("<f4", copy=False).data)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
