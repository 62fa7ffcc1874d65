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
from nacre.learn.count.quantiles import Ranked, Search, carried, narrowed, ranked, searching


@dataclass(frozen=True, eq=False)
class Filled(Model):
    """What NaN becomes in each column (d,)."""

    frame: ClassVar[tuple[str, ...]] = ("d",)
    last_look: ClassVar[bool] = True
    d: int
    fill: Array | None = None


@dataclass(frozen=True, eq=False)
class Halved(Search):
    """A search for the medians, and what NaN becomes in each column (d,)."""

    fill: Array | None = None


@dataclass(eq=False, repr=False)
class Impute(OneToOneFeatureMixin, Transforms, Incremental, Estimator):
    """Fill NaN with the column's mean or median over the rows that have it, or with a constant.

    A column without any value is filled with 0. Medians are exact after a fit, in two or three
    passes, and within 1/256 of themselves after `partial_fit`.

    >>> Impute().fit_transform(np.array([[1.0], [np.nan], [3.0]])).ravel()
    array([1., 2., 3.])

    Args:
        strategy: "mean", "median" or "constant".
        fill_value: the constant.
    """

    strategy: str = "mean"
    fill_value: float = 0.0

    answers: ClassVar[Sequence[str]] = ("transform",)
    takes: ClassVar[Sequence[str]] = ("nan",)

    @property
    def grade(self) -> Mapping[str, Grade]:  # type: ignore[override]  # of this very strategy
        """Means and constants add up; a median that later rows move is known within 1/256."""
        time: Grade = "bounded" if self.strategy == "median" else "bits"
        return {"space": "bits", "time": time, "erasure": time}

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        known = self.strategy in ("mean", "median", "constant")
        require(known, "strategy", self.strategy, '"mean", "median" or "constant"')
        finite = isinstance(self.fill_value, Real) and np.isfinite(self.fill_value)
        require(bool(finite), "fill_value", self.fill_value, "a finite number")

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but the width."""
        if self.strategy == "constant":
            most = float(np.finfo(head.X.dtype).max)
            wanted = f"a number that {head.X.dtype} rows can hold, at most {most:g}"
            require(abs(self.fill_value) <= most, "fill_value", self.fill_value, wanted)
        if self.strategy == "median":
            return Halved(*searching(head, [0.5]))
        return Filled(head.X.shape[1])

    def observe(self, model: Filled | Halved, batch: Batch) -> Summary:
        """Moments of each column over the rows that have it, n by column; or weights in buckets."""
        if isinstance(model, Halved):
            return ranked(model, batch)
        weight = NO_WEIGHT if batch.weight is None else batch.weight
        n, sums, m2 = np.zeros((3, batch.X.shape[1]))
        known_sums(batch.X, weight, n, sums)
        mean = sums / np.where(n > 0, n, 1)
        known_square_sums(batch.X, weight, mean, m2)
        return ColumnMoments.told(model, batch, moments=MomentSums(n, mean, m2))

    def advance(self, model: Filled | Halved, told: Any) -> Model:
        """The means, the medians as far as they are known, or the constant."""
        if isinstance(model, Halved):
            found = narrowed(model, told)
            assert found.quantiles is not None, "a pass has told them"
            return replace(found, fill=found.quantiles[:, 0])
        constant = np.full(model.d, float(self.fill_value))
        return replace(model, fill=told.moments.mean if self.strategy == "mean" else constant)

    def carry(self, told: Any, old: Any, new: Any) -> Summary:
        """Of medians: the buckets stay as they are; steps are counted anew."""
        if isinstance(told, Ranked):
            return carried(told, old, new)
        return super().carry(told, old, new)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """transform: (n, d) without NaN."""
        fill = model.fill.astype(batch.X.dtype)
        return {"transform": np.where(np.isnan(batch.X), fill, batch.X)}

    @property
    def statistics_(self) -> Array:
        """(d,) float64: what NaN becomes."""
        return self._model().fill
