"""The product of all choices, cell by cell, into a file that an interrupted grid goes on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import msgspec

from qrfld.aggregation import rule
from qrfld.errors import QrfldError, UsageError
from qrfld.lab.trial import NO_ATTACK, Cell, Outcome, catalogue, play

MODELS = ("fourier", "softmax", "mlp")


class LabFileError(QrfldError):
    """The file of results is not one, or cannot be written."""


class Line(msgspec.Struct, frozen=True):
    """One line of the file."""

    cell: Cell
    outcome: Outcome


@dataclass(frozen=True)
class Plan:
    """What to go through. Raises UsageError, RuleError, RuleBoundError for what cannot be."""

    rules: Sequence[str]
    attacks: Sequence[str]
    hostile: Sequence[int]
    alphas: Sequence[float]
    seeds: Sequence[int]
    honest: int = 10
    rounds: int = 20
    epochs: int = 1
    momentum: float = 0.0
    model: str = "fourier"

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise UsageError(f"unknown model {self.model!r}", hint=f"one of {', '.join(MODELS)}")
        for name in self.attacks:
            if name not in catalogue():
                raise UsageError(
                    f"unknown attack {name!r}", hint=f"there are: {', '.join(catalogue())}"
                )
        for name, hostile in product(self.rules, self.hostile):
            if rule(name).per_fault is not None:
                rule(name).check(self.honest + hostile, hostile)

    def cells(self) -> Iterator[Cell]:
        """All cells; without attackers there is one attack, none."""
        for name, hostile, alpha, seed in product(
            self.rules, self.hostile, self.alphas, self.seeds
        ):
            for attack in self.attacks if hostile else (NO_ATTACK,):
                yield Cell(
                    rule=name,
                    attack=attack,
                    honest=self.honest,
                    hostile=hostile,
                    alpha=alpha,
                    seed=seed,
                    rounds=self.rounds,
                    epochs=self.epochs,
                    momentum=self.momentum,
                    model=self.model,
                )


def read(path: Path) -> list[Line]:
    """All whole lines of a file of results, none if it is absent. Raises LabFileError."""
    try:
        text = path.read_bytes() if path.exists() else b""
        # What follows the last newline was being written when the grid was interrupted.
        return [msgspec.json.decode(line, type=Line) for line in text.split(b"\n")[:-1]]
    except (OSError, msgspec.MsgspecError) as error:
        raise LabFileError(
            f"{path} cannot be read as results of the lab: {error}", hint="give another file"
        ) from error


def run(plan: Plan, path: Path, progress: Callable[[int, int, Line], None]) -> list[Line]:
    """Play every cell of ``plan`` that has no line in ``path`` yet, and return the plan's lines.

    ``progress`` hears of each with its number and the number of all. Raises LabFileError.
    """
    known = {line.cell: line for line in read(path)}
    cells = list(plan.cells())
    lines: list[Line] = []
    try:
        with path.open("ab") as file:
            _drop_torn_end(path)
            for number, cell in enumerate(cells, 1):
                line = known.get(cell)
                if line is None:
                    line = Line(cell, play(cell))
                    file.write(msgspec.json.encode(line) + b"\n")
                    file.flush()
                lines.append(line)
                progress(number, len(cells), line)
    except OSError as error:
        raise LabFileError(f"{path} cannot be written: {error.strerror}") from error
    return lines


def _drop_torn_end(path: Path) -> None:
    with path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)
