"""What a rule may look at before it decides: the rows' inner products and its own parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from qrfld.aggregation.blocks import Row
from qrfld.aggregation.errors import RuleError
from qrfld.aggregation.gram import Coefficients, Matrix, gram, squared_distances
from qrfld.aggregation.stages import Stage


@dataclass(frozen=True)
class View:
    """The n rows as a rule sees them, after the stages before it.

    ``f``: how many of them may be malicious; ``parameters``: the rule's own, by name, with its
    defaults; ``weights``: one integer a row (1 unless the caller gave some); ``rng``: None unless
    the caller gave one. ``has_reference``: whether the last row is the caller's reference, which
    is no update and never counts in ``n``.
    """

    rows: Sequence[Row]
    f: int
    weights: tuple[int, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    rng: np.random.Generator | None = None
    has_reference: bool = False
    stages: tuple[Stage, ...] = ()

    @cached_property
    def n(self) -> int:
        """How many updates there are after the stages."""
        return self.stages[-1].rows if self.stages else len(self.rows) - self.has_reference

    @cached_property
    def all_products(self) -> Matrix:
        """Inner products of the rows as they came, the reference last if there is one."""
        return gram(self.rows)

    @cached_property
    def products(self) -> Matrix:
        """Inner products of the n rows after the stages, shape (n, n)."""
        count = len(self.rows) - self.has_reference
        products = self.all_products[:count, :count]
        for stage in self.stages:
            products = stage.of_gram(products)
        return products

    @cached_property
    def squared_distances(self) -> Matrix:
        """Squared distances of the n rows, shape (n, n)."""
        return squared_distances(self.products)

    @cached_property
    def norms(self) -> Coefficients:
        """Length of each row, shape (n,)."""
        return np.sqrt(np.maximum(np.diagonal(self.products), 0.0))

    def after(self, stage: Stage) -> View:
        """The view of the rows that come out of ``stage``."""
        following = replace(self, stages=(*self.stages, stage), weights=(1,) * stage.rows)
        # The pass over the data is made once, whoever asks first.
        following.__dict__["all_products"] = self.all_products
        return following

    def need_rng(self, who: str) -> np.random.Generator:
        """The random source; raises RuleError if the caller gave none."""
        if self.rng is None:
            raise RuleError(f"{who!r} draws at random and got no rng", hint="give rng=")
        return self.rng

    def need_reference(self, who: str) -> Matrix:
        """Inner products with the reference in the last row and column.

        Raises RuleError if there is no reference, or if stages stand before the rule.
        """
        if not self.has_reference or self.stages:
            raise RuleError(
                f"{who!r} needs a reference row and the updates as they came",
                hint="give reference= your own update, and no pre-aggregation",
            )
        return self.all_products
