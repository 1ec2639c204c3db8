"""What a task is: three methods over plain numpy arrays.

A model is a dict of named float32 arrays, so any framework fits: turn its parameters into arrays on
the way out and back on the way in. A task is a class without constructor arguments:

    class Mine:
        def init_model(self, context: Context) -> Model: ...
        def train(self, model: Model, context: Context) -> Training: ...
        def evaluate(self, model: Model, context: Context) -> Scores: ...

It runs in a worker process of its own (see `worker`), is constructed once and kept between rounds,
so data may be loaded in the first call and remembered. The model it is given may be changed in
place. It returns the trained model, with the same names, shapes and float32; the difference to the
model it was given is what leaves the machine, the data never does. Whoever runs a task from a file
runs that file's code with the daemon's rights: run your own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Model = dict[str, NDArray[np.float32]]
Parameter = int | float | str | bool


@dataclass(frozen=True)
class Context:
    """Where in the run a call stands.

    ``index`` of ``nodes`` is the node's place among the run's members, for tasks that divide common
    data; ``round`` counts from 0; ``seed`` and ``params`` are the run's and equal on all nodes.
    """

    index: int
    nodes: int
    round: int
    seed: int
    params: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """The model after local training, the number of samples behind it, their mean loss."""

    model: Model
    samples: int
    loss: float


@dataclass(frozen=True)
class Scores:
    """Accuracy in 0..1 and mean loss ≥ 0 over ``samples`` held-out samples."""

    accuracy: float
    loss: float
    samples: int


class Task(Protocol):
    """The interface of a task."""

    def init_model(self, context: Context) -> Model:
        """Return the first model, the same on every machine for the same seed and parameters."""

    def train(self, model: Model, context: Context) -> Training:
        """Train ``model`` on this node's data for one round."""

    def evaluate(self, model: Model, context: Context) -> Scores:
        """Score ``model`` on this node's held-out data."""
