"""The examples, as a user runs them: loaded from their files, federated without daemons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qrfld.aggregation import aggregate, attack, trimmed_accuracy
from qrfld.tasks.base import Context
from qrfld.tasks.errors import TaskParameterError
from qrfld.tasks.loader import load

pytest.importorskip("sklearn")

EXAMPLES = Path(__file__).parents[2] / "examples"
NODES = 4


def test_breast_cancer_is_learned_beside_an_attacker() -> None:
    task = load(f"{EXAMPLES / 'breast_cancer.py'}:BreastCancer")
    model = task.init_model(Context(0, NODES, 0, 3))
    rng = np.random.default_rng(0)
    for number in range(10):
        results = []
        for index in range(NODES):
            given = {name: array.copy() for name, array in model.items()}
            results.append(task.train(given, Context(index, NODES, number, 3)))
        for name, array in model.items():
            updates = [(result.model[name] - array).ravel() for result in results]
            updates[1] = attack("sign-flip", updates[1], rng)
            array += aggregate("trimmed-mean", updates, f=1).reshape(array.shape)
    scores = [task.evaluate(model, Context(index, NODES, 10, 3)) for index in range(NODES)]
    assert sum(score.samples for score in scores) + sum(r.samples for r in results) == 569
    assert trimmed_accuracy([(score.accuracy, score.samples) for score in scores], 1) > 0.9


def test_breast_cancer_refuses_an_unknown_parameter() -> None:
    task = load(f"{EXAMPLES / 'breast_cancer.py'}:BreastCancer")
    with pytest.raises(TaskParameterError, match="epoch"):
        task.train(task.init_model(Context(0, 2, 0, 1)), Context(0, 2, 0, 1, {"epoch": 1}))
