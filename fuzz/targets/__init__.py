"""The targets. A module here is a target; `load` gives it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parents[1] / "corpus"


@dataclass(frozen=True)
class Target:
    """``check`` raises when the invariant does not hold for an input.

    ``max_len`` bounds inputs in bytes; ``share`` says how much of a campaign's time it gets,
    compared with the others.
    """

    name: str
    invariant: str
    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    max_len: int
    share: int

    @property
    def corpus(self) -> Path:
        """Where its committed inputs are."""
        return CORPUS / self.name


def names() -> list[str]:
    """All targets, in order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Target:
    """The target of this name; ImportError if there is none."""
    module = importlib.import_module(f"{__name__}.{name}")
    return Target(
        name=name,
        invariant=" ".join((module.__doc__ or "").split("\n\n")[0].split()),
        check=module.check,
        seeds=module.seeds,
        max_len=getattr(module, "MAX_LEN", 4096),
        share=getattr(module, "SHARE", 1),
    )
