from __future__ import annotations

import numpy as np
import pytest

from qrfld.tasks.learners import Fourier, Mlp, Softmax, calibration, probabilities, scores

KINDS = [Softmax, Fourier, Mlp]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree_with_differences(kind: type[Softmax] | type[Mlp]) -> None:
    rng = np.random.default_rng(1)
    learner = kind()
    inputs = rng.random((20, 64), dtype=np.float32)
    labels = rng.integers(0, 10, 20)
    model = {
        name: (array + 0.1 * rng.standard_normal(array.shape)).astype(np.float64)
        for name, array in learner.init(rng).items()
    }
    features = learner.features(inputs).astype(np.float64)

    def loss() -> float:
        logits = learner.forward(model, features)[-1]
        shifted = logits - logits.max(axis=1, keepdims=True)
        chances = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        return float(-np.log(chances[np.arange(20), labels]).mean())

    layers = [features, *learner.forward(model, features)]
    slopes = probabilities(layers[-1]).astype(np.float64)
    slopes[np.arange(20), labels] -= 1
    gradients = learner.gradients(model, layers, slopes / 20)
    for name, gradient in gradients.items():
        flat = model[name].reshape(-1)
        at = int(rng.integers(flat.size))
        kept, step = flat[at], 1e-5
        flat[at] = kept + step
        above = loss()
        flat[at] = kept - step
        below = loss()
        flat[at] = kept
        assert gradient.reshape(-1)[at] == pytest.approx((above - below) / (2 * step), abs=1e-5)


def test_probabilities_of_huge_logits_do_not_overflow() -> None:
    assert probabilities(np.array([[1e30, -1e30, 0]], np.float32)).tolist() == [[1, 0, 0]]


def test_scores_are_accuracy_and_cross_entropy() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.9, 0.1]], np.float32))
    accuracy, loss = scores(logits, np.array([0, 1]))
    assert accuracy == 0.5
    assert loss == pytest.approx(-(np.log(0.5) + np.log(0.1)) / 2)


def test_score_of_a_hopeless_model_is_finite() -> None:
    assert np.isfinite(scores(np.array([[1e30, -1e30]], np.float32), np.array([1]))[1])


def test_calibration_lowers_what_is_rare() -> None:
    added = calibration(np.array([0, 0, 0, 1]))
    assert added[0] > added[1] > added[2] == added[9]
    assert np.isfinite(added).all()
