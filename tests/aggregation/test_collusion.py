from __future__ import annotations

import numpy as np
import pytest

from qrfld.aggregation import RuleError, aggregate, attacks, suspects
from qrfld.aggregation.collusion import WAKES, Scene, collude, collusions


def scene(round_: int = 0, honest: int = 10, hostile: int = 3, seed: int = 5) -> Scene:
    rng = np.random.default_rng(seed)
    rows = 0.3 + rng.standard_normal((honest + hostile, 200), dtype=np.float32)
    return Scene(rows[:honest], rows[honest:], round_, seed, np.random.default_rng(1))


@pytest.mark.parametrize("name", [*attacks(), *collusions()])
def test_attack_makes_new_rows_and_leaves_the_scene(name: str) -> None:
    given = scene(WAKES)
    honest, own = given.honest.copy(), given.own.copy()
    sent = collude(name, given)
    assert sent.shape == own.shape
    assert sent.dtype == np.float32
    assert np.array_equal(given.honest, honest)
    assert np.array_equal(given.own, own)
    assert not np.shares_memory(sent, given.own)


def test_little_is_enough_stays_within_the_spread_and_unnamed() -> None:
    given = scene()
    sent = collude("alie", given)
    away = np.abs(sent - given.mean) / given.honest.std(axis=0)
    assert away.max() < 1
    assert suspects(np.concatenate([given.honest, sent])) == []


def test_inner_product_manipulation_turns_the_mean_when_strong_enough() -> None:
    given = scene()
    rows = np.concatenate([given.honest, collude("ipm", given, scale=5.0)])
    assert aggregate("mean", rows, f=0) @ given.mean < 0


def test_mimic_copies_one_honest_member() -> None:
    given = scene()
    sent = collude("mimic", given)
    assert any(np.array_equal(sent[0], row) for row in given.honest)
    assert np.array_equal(sent[0], sent[2])


def test_sybils_send_nearly_the_same() -> None:
    sent = collude("sybil", scene())
    near = np.linalg.norm(sent[0] - sent[1]) / np.linalg.norm(sent[0])
    assert 0 < near < 0.03


def test_drift_keeps_its_direction_over_the_rounds() -> None:
    moves = [collude("drift", given)[0] - given.mean for given in (scene(0), scene(7))]
    cosine = moves[0] @ moves[1] / np.linalg.norm(moves[0]) / np.linalg.norm(moves[1])
    assert cosine > 0.99


def test_sleeper_is_honest_until_it_wakes() -> None:
    assert np.array_equal(collude("sleeper", scene(WAKES - 1)), scene().own)
    assert (collude("sleeper", scene(WAKES)) * scene().own <= 0).all()


def test_unknown_attack_is_refused() -> None:
    with pytest.raises(RuleError, match="there are: sign-flip"):
        collude("nothing", scene())
