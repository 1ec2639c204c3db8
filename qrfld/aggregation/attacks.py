"""The attack laboratory's catalogue: what a malicious trainer sends instead of its update.

Each attack turns the honest update (trained - base, flattened to shape (d,)) into the one sent.
``scale`` is the attack's strength; each has a default of its own:

    sign-flip   10   -scale · update. Among five nodes one flipped update outweighs four honest ones
                     as soon as scale > 4; at 10 the plain mean walks backwards at 1.2 times the
                     honest pace, and the model is ruined within a few rounds.
    gaussian    10   Gaussian noise of scale times the update's root mean square in each column
    scaling     10   scale · update: the node's own data, boosted beyond its share
    nan          -   NaN everywhere; refused at the door
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

import numpy as np

from qrfld.aggregation.blocks import Vector
from qrfld.aggregation.errors import RuleError

_Attack = Callable[[Vector, np.random.Generator, float], Vector]


def attacks() -> tuple[str, ...]:
    """Names of all attacks."""
    return tuple(_ATTACKS)


def attack(
    name: str, honest_update: Vector, rng: np.random.Generator, scale: float | None = None
) -> Vector:
    """Return what the attack ``name`` sends in place of ``honest_update``, shape (d,), float32.

    ``scale``: strength, None for the attack's default. The honest update is not modified; values
    beyond float32 are cut to its range. Raises RuleError for an unknown name or a scale that is
    not a finite number.
    """
    if name not in _ATTACKS:
        near = difflib.get_close_matches(name, _ATTACKS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(_ATTACKS)}"
        raise RuleError(f"unknown attack {name!r}", hint=hint)
    act, default = _ATTACKS[name]
    strength = default if scale is None else scale
    if not np.isfinite(strength):
        raise RuleError(f"attack scale {strength} is not a finite number")
    return act(honest_update, rng, strength)


def _sign_flip(update: Vector, rng: np.random.Generator, scale: float) -> Vector:
    return _within_float32(update * np.float64(-scale))


def _gaussian(update: Vector, rng: np.random.Generator, scale: float) -> Vector:
    spread = scale * np.sqrt(np.mean(np.square(update, dtype=np.float64)))
    return _within_float32(rng.standard_normal(update.size) * spread)


def _scaling(update: Vector, rng: np.random.Generator, scale: float) -> Vector:
    return _within_float32(update * np.float64(scale))


def _nan(update: Vector, rng: np.random.Generator, scale: float) -> Vector:
    return np.full(update.shape, np.nan, np.float32)


def _within_float32(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Vector:
    largest = np.finfo(np.float32).max
    return np.clip(values, -largest, largest).astype(np.float32)


_ATTACKS: dict[str, tuple[_Attack, float]] = {
    "sign-flip": (_sign_flip, 10.0),
    "gaussian": (_gaussian, 10.0),
    "scaling": (_scaling, 10.0),
    "nan": (_nan, 1.0),
}
