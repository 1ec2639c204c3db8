"""One cell of the grid: a whole run of honest clients and attackers under one rule."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from qrfld.aggregation import aggregate, attacks, rule, suspects
from qrfld.aggregation.collusion import Scene, collude, collusions
from qrfld.tasks.base import Context, Model
from qrfld.tasks.digits import Settings, learner_of, part_of
from qrfld.tasks.learners import CLASSES, Schedule, scores

Rows = NDArray[np.float32]
LABEL_FLIP = "label-flip"
NO_ATTACK = "none"


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured: ``honest`` clients and ``hostile`` attackers, ``f`` = ``hostile``.

    ``momentum`` is the clients' own (0 for none); ``epochs`` are local passes in each round.
    """

    rule: str
    attack: str
    honest: int
    hostile: int
    alpha: float
    seed: int
    rounds: int
    epochs: int
    momentum: float
    model: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    ``accuracy``: the honest clients' held-out samples that the last model knows, as a fraction;
    ``hits`` of ``chances`` hostile updates, and ``false_alarms`` of ``clean`` honest ones, were
    named by the detector.
    """

    accuracy: float
    hits: int
    chances: int
    false_alarms: int
    clean: int


def catalogue() -> tuple[str, ...]:
    """Names of all attacks that a cell can have, `NO_ATTACK` first."""
    return (NO_ATTACK, *attacks(), *collusions(), LABEL_FLIP)


@dataclass
class _Counts:
    hits: int = 0
    chances: int = 0
    false_alarms: int = 0
    clean: int = 0

    def add(self, named: list[int], honest: int, rows: int) -> None:
        self.clean += honest
        self.chances += rows - honest
        self.false_alarms += sum(row < honest for row in named)
        self.hits += sum(row >= honest for row in named)


@dataclass
class _Crowd:
    """All clients; the first ``honest`` are that."""

    cell: Cell
    settings: Settings
    template: Model
    momenta: Rows | None = field(default=None)

    def updates(self, base: Rows, number: int) -> Rows:
        """What every client's own training makes of ``base``, shape (n, d), attackers included."""
        rows = np.array([self._train(base, index, number) for index in range(self._count)])
        if self.cell.momentum == 0:
            return rows
        old = rows if self.momenta is None else self.momenta
        momenta = (self.cell.momentum * old + (1 - self.cell.momentum) * rows).astype(np.float32)
        self.momenta = momenta
        return momenta

    def accuracy(self, base: Rows) -> float:
        """Share of the honest clients' held-out samples that the model knows."""
        right = total = 0.0
        for index in range(self.cell.honest):
            part = part_of(self._context(index, 0), self.settings)
            logits = learner_of(self.settings.model).logits(self._shaped(base), part.held_inputs)
            share, _ = scores(logits, part.held_labels)
            right, total = right + share * len(part.held_labels), total + len(part.held_labels)
        return right / total

    @property
    def _count(self) -> int:
        return self.cell.honest + self.cell.hostile

    def _context(self, index: int, number: int) -> Context:
        return Context(index, self._count, number, self.cell.seed)

    def _train(self, base: Rows, index: int, number: int) -> Rows:
        part = part_of(self._context(index, number), self.settings)
        flips = self.cell.attack == LABEL_FLIP and index >= self.cell.honest
        labels = CLASSES - 1 - part.labels if flips else part.labels
        learner, model = learner_of(self.settings.model), self._shaped(base)
        schedule = Schedule(self.settings.epochs, learner.rate, self.settings.batch)
        rng = np.random.default_rng([self.cell.seed, number, index])
        learner.fit(model, part.inputs, labels, schedule, rng)
        return flat(model) - base

    def _shaped(self, vector: Rows) -> Model:
        ends = np.cumsum([array.size for array in self.template.values()])[:-1]
        parts = np.split(vector.copy(), ends)
        shapes = [array.shape for array in self.template.values()]
        return {
            name: part.reshape(shape)
            for name, part, shape in zip(self.template, parts, shapes, strict=True)
        }


def flat(model: Model) -> Rows:
    """All parameters as one row."""
    return np.concatenate([array.ravel() for array in model.values()])


def play(cell: Cell) -> Outcome:
    """Play one cell. Raises RuleError, RuleBoundError, TaskError for a cell that cannot be."""
    rule(cell.rule).check(cell.honest + cell.hostile, _f(cell))
    settings = msgspec.convert(
        {"model": cell.model, "alpha": cell.alpha, "epochs": cell.epochs}, Settings
    )
    template = learner_of(cell.model).init(np.random.default_rng(cell.seed))
    crowd, counts, base = _Crowd(cell, settings, template), _Counts(), flat(template)
    rng = np.random.default_rng([cell.seed, 1])
    for number in range(cell.rounds):
        rows = _sent(cell, crowd.updates(base, number), number, rng)
        rows = rows[np.isfinite(rows).all(axis=1)]  # the door refuses the others
        counts.add(suspects(rows), cell.honest, len(rows))
        base = base + aggregate(cell.rule, rows, f=_f(cell), rng=rng)
    return Outcome(accuracy=crowd.accuracy(base), **vars(counts))


def _f(cell: Cell) -> int:
    """The plain mean is told 0: it withstands none, and shows what happens then."""
    return 0 if rule(cell.rule).per_fault is None else cell.hostile


def _sent(cell: Cell, rows: Rows, number: int, rng: np.random.Generator) -> Rows:
    if cell.attack in (NO_ATTACK, LABEL_FLIP) or not cell.hostile:
        return rows
    honest, own = rows[: cell.honest], rows[cell.honest :]
    sent = collude(cell.attack, Scene(honest, own, number, cell.seed, rng))
    return np.concatenate([honest, sent])
