"""The built-in task: recognise handwritten digits.

The data is scikit-learn's copy of the UCI optical digits: 1,797 real images of 8 by 8 pixels. The
nodes divide it (`partition`), and each keeps every fifth sample of its part for evaluation and
trains on the rest.

Parameters of a run (``qrfl run start digits --param epochs=3``):

    model      fourier    fourier, softmax, mlp (numpy) or cnn (torch)
    partition  dirichlet  dirichlet or iid
    alpha      0.5        Dirichlet's; smaller means more unequal parts
    epochs     5          passes over the node's own data in each round
    lr         -          step size; each model has its own default
    batch      16         samples a step
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from qrfld.tasks.base import Context, Model, Scores, Training
from qrfld.tasks.convolution import Cnn
from qrfld.tasks.errors import TaskDataError
from qrfld.tasks.learners import Array, Fourier, Labels, Learner, Mlp, Schedule, Softmax, scores
from qrfld.tasks.partition import dirichlet, iid
from qrfld.tasks.settings import settings

_SMALLEST_PART = 40
_HELD_OUT_EVERY = 5

_LEARNERS: dict[str, type[Learner]] = {
    "fourier": Fourier,
    "softmax": Softmax,
    "mlp": Mlp,
    "cnn": Cnn,
}


class Settings(msgspec.Struct, frozen=True):
    """The parameters above."""

    model: Literal["fourier", "softmax", "mlp", "cnn"] = "fourier"
    partition: Literal["dirichlet", "iid"] = "dirichlet"
    alpha: Annotated[float, Meta(ge=1e-3, le=1e6)] = 0.5
    epochs: Annotated[int, Meta(ge=1, le=1000)] = 5
    lr: Annotated[float, Meta(gt=0, le=100)] | None = None
    batch: Annotated[int, Meta(ge=1, le=1797)] = 16


class Part(NamedTuple):
    """One node's samples: images (n, 64) of 0..1 and labels (n,), to train on and held out."""

    inputs: Array
    labels: Labels
    held_inputs: Array
    held_labels: Labels


class Digits:
    """Handwritten digits; see the module."""

    def init_model(self, context: Context) -> Model:
        """Return fresh parameters, from the run's seed."""
        learner = learner_of(settings(Settings, context.params).model)
        return learner.init(np.random.default_rng(context.seed))

    def train(self, model: Model, context: Context) -> Training:
        """Train on this node's part for the run's number of epochs."""
        chosen = settings(Settings, context.params)
        learner, part = learner_of(chosen.model), part_of(context, chosen)
        rate = learner.rate if chosen.lr is None else chosen.lr
        schedule = Schedule(chosen.epochs, rate, chosen.batch)
        rng = np.random.default_rng([context.seed, context.round, context.index])
        learner.fit(model, part.inputs, part.labels, schedule, rng)
        _, loss = scores(learner.logits(model, part.inputs), part.labels)
        return Training(model, len(part.labels), loss)

    def evaluate(self, model: Model, context: Context) -> Scores:
        """Score on this node's held-out samples."""
        chosen = settings(Settings, context.params)
        part = part_of(context, chosen)
        logits = learner_of(chosen.model).logits(model, part.held_inputs)
        return Scores(*scores(logits, part.held_labels), len(part.held_labels))


@cache
def learner_of(name: str) -> Learner:
    """The learner that a run calls ``name``; each is made once."""
    return _LEARNERS[name]()


@cache
def _images() -> tuple[Array, Labels]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise TaskDataError(
            f"task 'digits' needs scikit-learn's data, which cannot be imported: {error}",
            hint="pip install 'qrfld[data]'",
        ) from None
    pixels, labels = load_digits(return_X_y=True)
    return (pixels / 16).astype(np.float32), labels


def part_of(context: Context, chosen: Settings) -> Part:
    """The samples of the node that ``context`` names. Raises PartitionError, TaskDataError."""
    return _divide(context.index, context.nodes, context.seed, chosen.partition, chosen.alpha)


@cache
def _divide(index: int, nodes: int, seed: int, partition: str, alpha: float) -> Part:
    inputs, labels = _images()
    least = max(_HELD_OUT_EVERY, min(_SMALLEST_PART, len(labels) // (2 * nodes)))
    if partition == "iid":
        own = iid(len(labels), nodes, seed, minimum=least)[index]
    else:
        own = dirichlet(labels, nodes, alpha, seed, minimum=least)[index]
    held = np.arange(len(own)) % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1
    return Part(inputs[own[~held]], labels[own[~held]], inputs[own[held]], labels[own[held]])
