"""Small classifiers for the `digits` task: softmax regression, Fourier features, an MLP, in numpy.

A learner names its arrays, computes logits and the gradients of the mean cross-entropy, and `fit`
trains it by plain minibatch gradient descent.

**Calibration.** With unequal labels per node (Dirichlet parts), local training first unlearns the
labels that a node does not have, and the updates of different nodes pull apart; a robust rule then
cuts off exactly the nodes that know a rare label. So training adds 0.7 · log(local frequency of the
label) to the logits (logit adjustment, Menon et al. 2021; in federated learning FedLC, Zhang et al.
2022): a model is no longer paid for knowing which labels are frequent here. Measured for this task
in `benchmarks/digits_under_attack.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qrfld.tasks.base import Model

Array = NDArray[np.float32]
Labels = NDArray[np.integer]

CLASSES = 10
_CALIBRATION = 0.7
_RAREST = 1e-3  # frequency assumed of a label that the node does not have


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: passes over the data, step size, samples a step."""

    epochs: int
    rate: float
    batch: int


class Learner(Protocol):
    """A classifier whose parameters are a Model."""

    rate: float  # the step size that suits it

    def init(self, rng: np.random.Generator) -> Model:
        """Return fresh parameters."""

    def fit(
        self,
        model: Model,
        inputs: Array,
        labels: Labels,
        schedule: Schedule,
        rng: np.random.Generator,
    ) -> None:
        """Train ``model`` in place on ``inputs`` (n, 64) and ``labels`` (n,)."""

    def logits(self, model: Model, inputs: Array) -> Array:
        """Return the scores of each class, shape (n, 10)."""


class _Descent(ABC):
    """Minibatch gradient descent, for learners that give their gradients."""

    def features(self, inputs: Array) -> Array:
        return inputs

    @abstractmethod
    def forward(self, model: Model, features: Array) -> Sequence[Array]:
        """Return the activations of each layer, the logits last."""

    @abstractmethod
    def gradients(self, model: Model, layers: Sequence[Array], slopes: Array) -> Model:
        """Return the gradient of each array; ``layers`` are the features and the activations."""

    def logits(self, model: Model, inputs: Array) -> Array:
        return self.forward(model, self.features(inputs))[-1]

    def fit(
        self,
        model: Model,
        inputs: Array,
        labels: Labels,
        schedule: Schedule,
        rng: np.random.Generator,
    ) -> None:
        features, adjustment = self.features(inputs), calibration(labels)
        for _ in range(schedule.epochs):
            order = rng.permutation(len(labels))
            for start in range(0, len(order), schedule.batch):
                chosen = order[start : start + schedule.batch]
                layers = [features[chosen]]
                layers += self.forward(model, layers[0])
                slopes = probabilities(layers[-1] + adjustment)
                slopes[np.arange(len(chosen)), labels[chosen]] -= 1
                slopes *= schedule.rate / len(chosen)
                for name, step in self.gradients(model, layers, slopes).items():
                    model[name] -= step


class Softmax(_Descent):
    """Softmax regression on the pixels: 650 parameters."""

    rate = 0.3
    width = 64

    def init(self, rng: np.random.Generator) -> Model:
        """Return zeros: the loss is convex."""
        return {
            "weights": np.zeros((self.width, CLASSES), np.float32),
            "biases": np.zeros(CLASSES, np.float32),
        }

    def forward(self, model: Model, features: Array) -> Sequence[Array]:
        """Return the logits."""
        return [features @ model["weights"] + model["biases"]]

    def gradients(self, model: Model, layers: Sequence[Array], slopes: Array) -> Model:
        """Return the gradients of weights and biases."""
        return {"weights": layers[0].T @ slopes, "biases": slopes.sum(axis=0)}


class Fourier(Softmax):
    """Softmax regression on 1,024 fixed random cosines of the pixels: 10,250 parameters.

    Random Fourier features (Rahimi and Recht 2007) approximate a Gaussian kernel, so the classifier
    is as good as a small network while the loss stays convex: local updates disagree less, and a
    robust rule loses less between them. The cosines belong to the code, not to the model: made from
    raw PCG64 words and exact sums (near-normal: four uniforms each), they are the same everywhere.
    """

    rate = 1.0
    width = 1024
    _SPREAD = 0.7  # frequencies' standard deviation; pixels are 0..1

    def __init__(self) -> None:
        words = np.random.PCG64(0).random_raw((4, 65 * self.width))
        uniform = (words >> 11) * 2.0**-53
        normal = (uniform.sum(axis=0) - 2) * 3**0.5
        self._frequencies = (normal[self.width :] * self._SPREAD).reshape(64, -1)
        self._phases = uniform[0, : self.width] * (2 * np.pi)

    def features(self, inputs: Array) -> Array:
        """Return the cosines, shape (n, 1024)."""
        angles = inputs @ self._frequencies + self._phases
        return np.asarray(np.cos(angles) * (32 / self.width) ** 0.5, dtype=np.float32)


class Mlp(_Descent):
    """One hidden layer of 64 rectified units: 4,810 parameters."""

    rate = 0.3
    width = 64

    def init(self, rng: np.random.Generator) -> Model:
        """Return He-scaled normal weights and zero biases."""
        hidden = rng.standard_normal((64, self.width)) * (2 / 64) ** 0.5
        output = rng.standard_normal((self.width, CLASSES)) * (1 / self.width) ** 0.5
        return {
            "hidden.weights": hidden.astype(np.float32),
            "hidden.biases": np.zeros(self.width, np.float32),
            "output.weights": output.astype(np.float32),
            "output.biases": np.zeros(CLASSES, np.float32),
        }

    def forward(self, model: Model, features: Array) -> Sequence[Array]:
        """Return the hidden activations and the logits."""
        hidden = np.maximum(features @ model["hidden.weights"] + model["hidden.biases"], 0)
        return [hidden, hidden @ model["output.weights"] + model["output.biases"]]

    def gradients(self, model: Model, layers: Sequence[Array], slopes: Array) -> Model:
        """Return the gradients of both layers."""
        features, hidden = layers[0], layers[1]
        below = (slopes @ model["output.weights"].T) * (hidden > 0)
        return {
            "hidden.weights": features.T @ below,
            "hidden.biases": below.sum(axis=0),
            "output.weights": hidden.T @ slopes,
            "output.biases": slopes.sum(axis=0),
        }


def calibration(labels: Labels) -> Array:
    """Return what training adds to the logits of each class, shape (10,)."""
    frequency = np.bincount(labels, minlength=CLASSES) / len(labels)
    return (_CALIBRATION * np.log(frequency + _RAREST)).astype(np.float32)


def probabilities(logits: Array) -> Array:
    """Softmax along the last axis, without overflow."""
    with np.errstate(under="ignore"):  # a class out of the question has probability zero
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)


def scores(logits: Array, labels: Labels) -> tuple[float, float]:
    """Accuracy and mean cross-entropy of ``logits`` (n, 10) for ``labels`` (n,)."""
    correct = float(np.mean(logits.argmax(axis=1) == labels))
    chances = probabilities(logits)[np.arange(len(labels)), labels].astype(np.float64)
    return correct, float(-np.log(np.maximum(chances, 1e-30)).mean())
