"""Columns to median 0 and interquartile range 1: a few far rows change neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Model
from nacre.estimator import Incremental, OneToOneFeatureMixin, Transforms, require
from nacre.learn.count.quantiles import ByQuantiles, Ranked, Search, narrowed, searching
from nacre.learn.prepare.scale import taken_back


@dataclass(frozen=True, eq=False)
class Robust(Search):
    """A search for low, median and high; what is taken away (d,), and what is divided by (d,)."""

    centre: Array | None = None
    scale: Array | None = None


@dataclass(eq=False, repr=False)
class RobustScale(OneToOneFeatureMixin, Transforms, Incremental, ByQuantiles):
    """Take away each column's median and divide by the range between two of its percentiles.

    Both are exact after a fit, as scikit-learn's RobustScaler has them, and within 1/256 of the
    percentiles after `partial_fit`. A column whose percentiles are one number is not divided. NaN
    stays NaN, and does not count.

    >>> RobustScale().fit_transform(np.array([[1.0], [2.0], [3.0], [4.0], [1e9]])).ravel()[:4]
    array([-1. , -0.5,  0. ,  0.5])

    Args:
        with_centering: take the median away.
        with_scaling: divide by the range.
        quantile_range: two percentiles, from 0 to 100, the lower first.
        unit_variance: divide the range by what it is for a normal distribution of variance 1.
    """

    with_centering: bool = True
    with_scaling: bool = True
    quantile_range: tuple[float, float] | list[float] = (25.0, 75.0)
    unit_variance: bool = False

    answers: ClassVar[Sequence[str]] = ("transform",)
    gives: ClassVar[Sequence[str]] = ("nan",)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        for name in ("with_centering", "with_scaling", "unit_variance"):
            require(
                isinstance(getattr(self, name), bool), name, getattr(self, name), "True or False"
            )
        self._percentiles()

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but the width."""
        low, high = self._percentiles()
        return Robust(*searching(head, [low / 100, 0.5, high / 100]))

    def advance(self, model: Robust, told: Ranked) -> Model:
        """Median and range from what is known of the percentiles."""
        found = narrowed(model, told)
        assert found.quantiles is not None, "a pass has told them"
        low, middle, high = found.quantiles.T
        apart = (high - low) / self._normal()
        return replace(
            found,
            centre=middle if self.with_centering else np.zeros(model.d),
            scale=np.where(apart > 0, apart, 1.0) if self.with_scaling else np.ones(model.d),
        )

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """transform: (n, d), computed in float64; what is too far for the dtype is its largest."""
        most = np.finfo(batch.X.dtype).max
        with np.errstate(over="ignore"):  # where all but a few rows are one number
            scaled = (batch.X - model.centre) / model.scale
        return {"transform": np.clip(scaled, -most, most).astype(batch.X.dtype)}

    def inverse_transform(self, X: Array) -> Array:
        """Rows as they were: (n, d) of what `transform` gave; integers become float64.

        Raises:
            BadInput: rows of another width.
        """
        model = self._model()
        return taken_back(X, model.centre, model.scale)

    @property
    def center_(self) -> Array:
        """(d,) float64: the median taken away; scikit-learn spells it so."""
        return self._model().centre

    @property
    def scale_(self) -> Array:
        """(d,) float64: the range divided by; 1 where it is nothing."""
        return self._model().scale

    def _percentiles(self) -> tuple[float, float]:
        try:
            low, high = (float(value) for value in self.quantile_range)
        except (TypeError, ValueError):
            low, high = 0.0, 0.0
        wanted = "two percentiles, 0 <= low < high <= 100"
        require(0 <= low < high <= 100, "quantile_range", self.quantile_range, wanted)
        if self.unit_variance:
            wanted = "percentiles between 0 and 100, for unit_variance=True"
            require(low > 0 and high < 100, "quantile_range", self.quantile_range, wanted)
        return low, high

    def _normal(self) -> float:
        """What the range of a standard normal distribution is, or 1."""
        if not self.unit_variance:
            return 1.0
        low, high = self._percentiles()
        return NormalDist().inv_cdf(high / 100) - NormalDist().inv_cdf(low / 100)
