"""Fill missing values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.estimator import Estimator, Incremental, OneToOneFeatureMixin, Transforms, require
from nacre.kernel.moments import known_square_sums, known_sums
from nacre.kinds import MomentSums
from nacre.learn.count.moments import NO_WEIGHT, ColumnMoments


@dataclass(frozen=True, eq=False)
class Filled(Model):
    """What NaN becomes in each column (d,)."""

    frame: ClassVar[tuple[str, ...]] = ("d",)
    d: int
    fill: Array | None = None


@dataclass(eq=False, repr=False)
class Impute(OneToOneFeatureMixin, Transforms, Incremental, Estimator):
    """Fill NaN with the column's mean over the rows that have it, or with a constant.

    A column without any value is filled with 0.

    >>> Impute().fit_transform(np.array([[1.0], [np.nan], [3.0]])).ravel()
    array([1., 2., 3.])

    Args:
        strategy: "mean" or "constant".
        fill_value: the constant.
    """

    strategy: str = "mean"
    fill_value: float = 0.0

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}
    answers: ClassVar[Sequence[str]] = ("transform",)
    takes_nan: ClassVar[bool] = True

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        require(
            self.strategy in ("mean", "constant"), "strategy", self.strategy, '"mean" or "constant"'
        )
        finite = isinstance(self.fill_value, Real) and np.isfinite(self.fill_value)
        require(bool(finite), "fill_value", self.fill_value, "a finite number")

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but the width."""
        return Filled(head.X.shape[1])

    def observe(self, model: Filled, batch: Batch) -> Summary:
        """Moments of each column over the rows that have it: n by column."""
        weight = NO_WEIGHT if batch.weight is None else batch.weight
        n, sums, m2 = np.zeros((3, batch.X.shape[1]))
        known_sums(batch.X, weight, n, sums)
        mean = sums / np.where(n > 0, n, 1)
        known_square_sums(batch.X, weight, mean, m2)
        return ColumnMoments.told(model, batch, moments=MomentSums(n, mean, m2))

    def advance(self, model: Filled, told: ColumnMoments) -> Model:
        """The means, or the constant."""
        constant = np.full(model.d, float(self.fill_value))
        return replace(model, fill=told.moments.mean if self.strategy == "mean" else constant)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """transform: (n, d) without NaN."""
        fill = model.fill.astype(batch.X.dtype)
        return {"transform": np.where(np.isnan(batch.X), fill, batch.X)}

    @property
    def statistics_(self) -> Array:
        """(d,) float64: what NaN becomes."""
        return self._model().fill
