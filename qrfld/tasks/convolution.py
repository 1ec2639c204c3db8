"""A small convolutional network for the `digits` task, with torch (the extra ``qrfld[torch]``).

Two convolutions of 16 and 32 channels and one linear layer: 25,290 parameters. Torch is imported
when the learner is made, in the worker process only; the daemon never sees it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrfld.tasks.base import Model
from qrfld.tasks.errors import TaskDataError
from qrfld.tasks.learners import CLASSES, Array, Labels, Schedule, calibration


class Cnn:
    """The learner; see `qrfld.tasks.learners.Learner`. Raises TaskDataError without torch."""

    rate = 0.1

    def __init__(self) -> None:
        try:
            import torch
        except ImportError as error:
            raise TaskDataError(
                f"model 'cnn' needs torch, which cannot be imported: {error}",
                hint="pip install 'qrfld[torch]', or choose fourier, softmax or mlp",
            ) from None
        torch.set_num_threads(1)
        self._torch: Any = torch
        nn = torch.nn
        self._network: Any = nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 64, CLASSES),
        )

    def init(self, rng: np.random.Generator) -> Model:
        """Return He-scaled normal weights and zero biases."""
        model: Model = {}
        for name, tensor in self._network.state_dict().items():
            shape = tuple(tensor.shape)
            scale = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.0
            model[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
        return model

    def fit(
        self,
        model: Model,
        inputs: Array,
        labels: Labels,
        schedule: Schedule,
        rng: np.random.Generator,
    ) -> None:
        """Train ``model`` in place by minibatch gradient descent."""
        torch = self._torch
        self._load(model)
        images, targets = torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64))
        adjustment = torch.from_numpy(calibration(labels))
        optimiser = torch.optim.SGD(self._network.parameters(), lr=schedule.rate)
        for _ in range(schedule.epochs):
            for chosen in torch.from_numpy(rng.permutation(len(labels))).split(schedule.batch):
                optimiser.zero_grad()
                logits = self._network(images[chosen]) + adjustment
                torch.nn.functional.cross_entropy(logits, targets[chosen]).backward()
                optimiser.step()
        for name, tensor in self._network.state_dict().items():
            model[name][...] = tensor.numpy()

    def logits(self, model: Model, inputs: Array) -> Array:
        """Return the scores of each class, shape (n, 10)."""
        self._load(model)
        with self._torch.no_grad():
            logits: Array = self._network(self._torch.from_numpy(inputs)).numpy()
        return logits

    def _load(self, model: Model) -> None:
        copies = {name: self._torch.tensor(array) for name, array in model.items()}
        self._network.load_state_dict(copies)
