"""A task of your own in one file: tell malignant from benign tumours.

Every node needs this same file, ``pip install 'qrfld[data]'``, and a name for it in its qrfld.toml:

    [tasks]
    breast-cancer = "/path/to/breast_cancer.py:BreastCancer"

A daemon reads that when it starts. Then, on any of them:

    qrfl run start breast-cancer --rounds 10 --rule trimmed-mean

The data is scikit-learn's copy of the Wisconsin diagnostic set: 569 real patients, 30 measurements
each. The nodes of this example divide it among themselves; in earnest each would read a file of its
own in ``_patients``, and nothing else would change.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from qrfld.tasks.base import Context, Model, Scores, Training
from qrfld.tasks.partition import dirichlet
from qrfld.tasks.settings import settings

# Typical logarithms of the measurements. They come with the task, because all nodes must transform
# alike: means over a node's own patients would differ, pooled ones would have to be shared first.
SMALLEST = 1e-3
CENTRES = np.ravel(
    [
        [2.6, 2.9, 4.5, 6.4, -2.3, -2.4, -2.9, -3.4, -1.7, -2.8],
        [-1.1, 0.1, 0.9, 3.4, -4.9, -3.8, -3.7, -4.5, -3.9, -5.4],
        [2.7, 3.2, 4.6, 6.6, -2.0, -1.5, -1.7, -2.4, -1.3, -2.5],
    ]
)


class Parameters(msgspec.Struct, frozen=True):
    """What ``--param`` may set."""

    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    lr: Annotated[float, msgspec.Meta(gt=0, le=10)] = 0.2
    alpha: Annotated[float, msgspec.Meta(ge=0.01, le=1e6)] = 1.0


class BreastCancer:
    """Logistic regression over 30 measurements."""

    def init_model(self, context: Context) -> Model:
        """Return zeros: the loss is convex."""
        return {"weights": np.zeros(30, np.float32), "bias": np.zeros(1, np.float32)}

    def train(self, model: Model, context: Context) -> Training:
        """Take gradient steps on this node's training patients."""
        chosen = settings(Parameters, context.params)
        features, labels = self._patients(context, held_out=False)
        for _ in range(chosen.epochs):
            errors = probability(model, features) - labels
            model["weights"] -= np.float32(chosen.lr) * (features.T @ errors) / len(labels)
            model["bias"] -= np.float32(chosen.lr) * errors.mean()
        return Training(model, len(labels), loss(model, features, labels))

    def evaluate(self, model: Model, context: Context) -> Scores:
        """Score on this node's held-out patients."""
        features, labels = self._patients(context, held_out=True)
        correct = (probability(model, features) > 0.5) == labels.astype(bool)
        return Scores(float(correct.mean()), loss(model, features, labels), len(labels))

    def _patients(
        self, context: Context, *, held_out: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        from sklearn.datasets import load_breast_cancer

        measurements, labels = load_breast_cancer(return_X_y=True)
        alpha = settings(Parameters, context.params).alpha
        own = dirichlet(labels, context.nodes, alpha, context.seed, minimum=10)[context.index]
        own = own[(np.arange(len(own)) % 5 == 4) == held_out]  # every fifth patient is held out
        features = np.log(measurements[own] + SMALLEST) - CENTRES
        return features.astype(np.float32), labels[own].astype(np.float32)


def probability(model: Model, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of "benign" for each patient."""
    logits = np.clip(features @ model["weights"] + model["bias"], -30, 30)
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def loss(model: Model, features: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """Return the mean cross-entropy."""
    chances = np.clip(probability(model, features), 1e-6, 1 - 1e-6)
    return float(-np.mean(labels * np.log(chances) + (1 - labels) * np.log(1 - chances)))
