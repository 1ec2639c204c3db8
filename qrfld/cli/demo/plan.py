"""What a demonstration will do, checked before it starts."""

from __future__ import annotations

import math
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qrfld.aggregation.attacks import attacks
from qrfld.aggregation.rules import rule
from qrfld.errors import UsageError

MIN_NODES: Final = 2
MAX_NODES: Final = 24  # each is a daemon and a training process
MAX_ROUNDS: Final = 1000
MAX_ALPHA: Final = 1e6
MEAN: Final = "mean"


@dataclass(frozen=True)
class Plan:
    """A demonstration. Raises UsageError, or a RuleError of the rule, for what cannot be."""

    nodes: int
    rounds: int
    attackers: int
    attack: str
    rule: str
    alpha: float
    seed: int
    directory: Path

    def __post_init__(self) -> None:
        _within("--nodes", self.nodes, MIN_NODES, MAX_NODES)
        _within("--rounds", self.rounds, 1, MAX_ROUNDS)
        if self.attackers < 0 or 2 * self.attackers >= self.nodes:
            raise UsageError(
                f"--attackers is {self.attackers} of {self.nodes} nodes",
                hint="attackers must be fewer than half of the nodes: no rule survives a majority",
            )
        _one_of("--attack", self.attack, attacks())
        rule(self.rule).check(self.nodes, self.f)
        if not (math.isfinite(self.alpha) and 0 < self.alpha <= MAX_ALPHA):
            raise UsageError(
                f"--alpha is {self.alpha}",
                hint=f"choose a number above 0, up to {MAX_ALPHA:g}; small means uneven data",
            )

    @property
    def f(self) -> int:
        """How many malicious members the rule is told to withstand."""
        return 0 if rule(self.rule).per_fault is None else self.attackers

    @property
    def names(self) -> list[str]:
        """The nodes' names; the first founds the federation, the last attack it."""
        return [f"node-{number}" for number in range(1, self.nodes + 1)]

    @property
    def attacking(self) -> list[str]:
        """The names of the attackers."""
        return self.names[self.nodes - self.attackers :]


def temporary_directory() -> Path:
    """The name of a new directory for a demonstration; nothing is made yet."""
    return Path(tempfile.gettempdir()) / f"qrfld-demo-{secrets.token_hex(4)}"


def _within(option: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UsageError(f"{option} is {value}", hint=f"choose {least} to {most}")


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{option} is {value!r}", hint=f"there are: {', '.join(known)}")
