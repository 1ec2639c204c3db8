"""Attacks by members that know what the honest ones send, and act together.

The strongest position an attacker can have: all honest updates of the round are seen before the own
ones are made. Each attack turns the honest updates (h, d) and the attackers' own honest updates
(m, d) into the m rows that are sent. ``scale`` is the attack's strength.

    alie      mean - z · standard deviation of each column: within the spread, so that distances do
              not show it; z from the numbers of members unless given (Baruch et al. 2019)
    ipm       -scale · mean (0.5): turns the mean's inner product around (Xie et al. 2020)
    mimic     all send what one honest member sends, the one farthest along the direction in which
              the honest ones differ most: it counts m + 1 times (Karimireddy et al. 2022)
    sybil     all send the first attacker's flipped update times scale (2), with 1 % of noise
    drift     the mean of the honest plus scale (0.5) times their spread in one direction that stays
              the same in all rounds
    sleeper   honest until round ``WAKES``, then sign flips times scale (10)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation.attacks import attack, attacks
from qrfld.aggregation.errors import RuleError

Rows = NDArray[np.float32]
Wide = NDArray[np.float64]
WAKES = 5  # the first round, counted from 0, in which a sleeper attacks


@dataclass(frozen=True)
class Scene:
    """What colluding attackers know in a round (from 0) of a run with this ``seed``."""

    honest: Rows
    own: Rows
    round: int
    seed: int
    rng: np.random.Generator

    @property
    def mean(self) -> Wide:
        """Mean of the honest updates, shape (d,)."""
        mean: Wide = self.honest.mean(axis=0, dtype=np.float64)
        return mean


def collusions() -> tuple[str, ...]:
    """Names of the attacks that take a `Scene`; those of `attacks` can be staged as well."""
    return tuple(_COLLUSIONS)


def collude(name: str, scene: Scene, scale: float | None = None) -> Rows:
    """What the attackers send in ``scene``: shape (m, d), float32, a new array.

    ``name`` is one of `collusions` or of `attacks`; the latter each attacker does alone. Raises
    RuleError for an unknown name.
    """
    if name in attacks():
        return np.array([attack(name, own, scene.rng, scale) for own in scene.own], np.float32)
    if name not in _COLLUSIONS:
        raise RuleError(
            f"unknown attack {name!r}", hint=f"there are: {', '.join((*attacks(), *_COLLUSIONS))}"
        )
    act, default = _COLLUSIONS[name]
    sent = act(scene, default if scale is None else scale)
    return np.ascontiguousarray(np.broadcast_to(sent, scene.own.shape), np.float32)


def _alie(scene: Scene, scale: float) -> Wide:
    honest, hostile = len(scene.honest), len(scene.own)
    n = honest + hostile
    supporters = n // 2 + 1 - hostile
    z = scale or NormalDist().inv_cdf(min(max((honest - supporters) / honest, 0.01), 0.99))
    sent: Wide = scene.mean - z * scene.honest.std(axis=0, dtype=np.float64)
    return sent


def _ipm(scene: Scene, scale: float) -> Wide:
    return -scale * scene.mean


def _mimic(scene: Scene, scale: float) -> Wide:
    centred = scene.honest - scene.mean
    _, vectors = np.linalg.eigh(centred @ centred.T)
    sent: Wide = scene.honest[int(np.argmax(np.abs(vectors[:, -1])))].astype(np.float64)
    return sent


def _sybil(scene: Scene, scale: float) -> Wide:
    flipped = -scale * scene.own[0].astype(np.float64)
    spread = 0.01 * np.linalg.norm(flipped) / np.sqrt(flipped.size)
    sent: Wide = flipped + spread * scene.rng.standard_normal(scene.own.shape)
    return sent


def _drift(scene: Scene, scale: float) -> Wide:
    direction = np.random.default_rng(scene.seed).standard_normal(scene.honest.shape[1])
    typical = np.median(np.linalg.norm(scene.honest - scene.mean, axis=1))
    sent: Wide = scene.mean + scale * typical / np.linalg.norm(direction) * direction
    return sent


def _sleeper(scene: Scene, scale: float) -> Wide:
    return (1.0 if scene.round < WAKES else -scale) * scene.own.astype(np.float64)


_COLLUSIONS: dict[str, tuple[Callable[[Scene, float], Wide], float]] = {
    "alie": (_alie, 0.0),
    "ipm": (_ipm, 0.5),
    "mimic": (_mimic, 1.0),
    "sybil": (_sybil, 2.0),
    "drift": (_drift, 0.5),
    "sleeper": (_sleeper, 10.0),
}
