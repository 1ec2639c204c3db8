"""Our rules beside those of ByzFL 0.0.11, where both define the same thing.

ByzFL is no dependency: install it and torch to run these. Its package imports torchvision, which is
not needed for its aggregators, so they are imported past its ``__init__``. It counts one Krum
neighbour more than Blanchard et al.: its f + 1 is our f. Its CAF estimates the direction of
greatest variance by one random step; ours finds it, so the two are not compared.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from qrfld.aggregation import aggregate

pytest.importorskip("torch", reason="torch not installed")
if importlib.util.find_spec("byzfl") is None:
    pytest.skip("byzfl not installed", allow_module_level=True)

Array = np.ndarray


@pytest.fixture(scope="module")
def byzfl() -> Iterator[Any]:
    """ByzFL's aggregators and pre-aggregators, without the rest of it."""
    spec = importlib.util.find_spec("byzfl")
    assert spec is not None
    package = types.ModuleType("byzfl")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["byzfl"] = package
    theirs = types.SimpleNamespace()
    for name in ("aggregators", "preaggregators"):
        vars(theirs).update(vars(importlib.import_module(f"byzfl.aggregators.{name}")))
    yield theirs
    for name in [name for name in sys.modules if name.split(".")[0] == "byzfl"]:
        del sys.modules[name]


PAIRS: dict[str, Callable[[Any, Array, int], Array]] = {
    "mean": lambda b, x, f: b.Average()(x),
    "median": lambda b, x, f: b.Median()(x),
    "trimmed-mean": lambda b, x, f: b.TrMean(f=f)(x),
    "meamed": lambda b, x, f: b.Meamed(f=f)(x),
    "krum": lambda b, x, f: b.Krum(f=f + 1)(x),
    "mda": lambda b, x, f: b.MDA(f=f)(x),
    "monna": lambda b, x, f: b.MoNNA(f=f, idx=0)(x),
    "geometric-median": lambda b, x, f: b.GeometricMedian(nu=1e-9, T=3000)(x),
    "nnm+trimmed-mean": lambda b, x, f: b.TrMean(f=f)(b.NNM(f=f)(x)),
    "nnm+median": lambda b, x, f: b.Median()(b.NNM(f=f)(x)),
    "arc+mda": lambda b, x, f: b.MDA(f=f)(b.ARC(f=f)(x.copy())),
    "arc+nnm+meamed": lambda b, x, f: b.Meamed(f=f)(b.NNM(f=f)(b.ARC(f=f)(x.copy()))),
}


def adversarial(kind: str, n: int, d: int, f: int) -> Array:
    rows = np.random.default_rng(n * d + f).standard_normal((n, d), dtype=np.float32)
    honest = rows[f:]
    match kind:
        case "sign flip":
            rows[:f] = -3 * honest.mean(axis=0)
        case "little is enough":
            rows[:f] = honest.mean(axis=0) - 1.2 * honest.std(axis=0)
        case "far":
            rows[:f] *= np.float32(1e6)
    return rows


@pytest.mark.parametrize("kind", ["honest", "sign flip", "little is enough", "far"])
@pytest.mark.parametrize(("n", "d", "f"), [(9, 50, 2), (11, 1000, 3), (12, 333, 3)])
@pytest.mark.parametrize("name", PAIRS)
def test_rule_agrees_with_byzfls(byzfl: Any, name: str, n: int, d: int, f: int, kind: str) -> None:
    rows = adversarial(kind, n, d, f)
    f = 0 if name == "mean" else f
    expected = PAIRS[name](byzfl, rows.astype(np.float64), f)
    slack = 1e-4 if name == "geometric-median" else 1e-5
    ours = aggregate(name, rows, f=f)
    np.testing.assert_allclose(ours, expected, slack, slack * max(1, np.abs(expected).max()))


def test_clipping_agrees_with_byzfls(byzfl: Any) -> None:
    rows = adversarial("far", 9, 100, 2)
    theirs = byzfl.CenteredClipping(L=3, tau=4.0)(rows.astype(np.float64))
    ours = aggregate("centered-clipping", rows, f=2, steps=3, tau=4.0)
    np.testing.assert_allclose(ours, theirs, 1e-5, 1e-5)
    theirs = byzfl.Clipping(c=4.0)(rows.astype(np.float64)).mean(axis=0)
    np.testing.assert_allclose(aggregate("clip+mean", rows, f=0, clip_norm=4.0), theirs, 1e-5, 1e-5)
