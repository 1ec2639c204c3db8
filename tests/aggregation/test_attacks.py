from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation import RuleError, aggregate, attack, attacks


def update(d: int = 1000) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(d, dtype=np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("name", attacks())
def test_attack_returns_a_new_float32_row(name: str) -> None:
    honest = update()
    before = honest.copy()
    sent = attack(name, honest, rng())
    assert sent.shape == honest.shape
    assert sent.dtype == np.float32
    assert np.array_equal(honest, before)
    assert not np.shares_memory(sent, honest)


def test_sign_flip_of_one_in_five_turns_the_mean_around() -> None:
    honest = update()
    rows = [honest, honest, honest, honest, attack("sign-flip", honest, rng())]
    assert aggregate("mean", rows, f=0) == pytest.approx(-1.2 * honest, rel=1e-5)
    assert aggregate("trimmed-mean", rows, f=1) == pytest.approx(honest)


def test_scaling_and_gaussian_have_the_stated_size() -> None:
    honest = update()
    assert np.array_equal(attack("scaling", honest, rng(), 4.0), honest * 4)
    noise = attack("gaussian", honest, rng(), 3.0)
    assert np.linalg.norm(noise) / np.linalg.norm(honest) == pytest.approx(3.0, rel=0.1)
    assert np.array_equal(noise, attack("gaussian", honest, rng(), 3.0))


def test_nan_attack_is_nan_everywhere() -> None:
    assert np.isnan(attack("nan", update(), rng())).all()


@pytest.mark.parametrize("name", ["sign-flip", "scaling", "gaussian"])
def test_huge_scale_stays_within_float32(name: str) -> None:
    assert np.isfinite(attack(name, update(), rng(), 1e300)).all()


def test_unknown_attack_names_the_nearest() -> None:
    with pytest.raises(RuleError, match="did you mean 'sign-flip'"):
        attack("signflip", update(), rng())


def test_non_finite_scale_is_refused() -> None:
    with pytest.raises(RuleError, match="nan"):
        attack("scaling", update(), rng(), float("nan"))
