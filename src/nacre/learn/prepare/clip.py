"""Numbers into bounds: what lies beyond becomes the bound (winsorising, after Tukey 1962)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Model
from nacre.estimator import Incremental, OneToOneFeatureMixin, Transforms, require
from nacre.learn.count.quantiles import ByQuantiles, Ranked, Search, narrowed, searching


@dataclass(frozen=True, eq=False)
class Clipped(Search):
    """A search for the bounds, where they are quantiles; the bounds themselves, (d,) each."""

    low: Array | None = None
    high: Array | None = None


@dataclass(eq=False, repr=False)
class Clip(OneToOneFeatureMixin, Transforms, Incremental, ByQuantiles):
    """Move what lies beyond two bounds onto them: quantiles of each column, or given numbers.

    Quantiles are exact after a fit, and within 1/256 of themselves after `partial_fit`. NaN stays
    NaN, and does not count.

    >>> Clip(0.0, 0.75).fit_transform(np.array([[1.0], [2.0], [3.0], [4.0], [1e9]])).ravel()
    array([1., 2., 3., 4., 4.])
    >>> Clip(bounds=(0.0, 2.5)).fit_transform(np.array([[-7.0], [2.0], [3.0]])).ravel()
    array([0. , 2. , 2.5])

    Args:
        lower: share of the rows, 0 to 1, that may lie below the lower bound; None: no bound.
        upper: share of the rows, 0 to 1, that may lie below the upper bound; None: no bound.
        bounds: two numbers for all columns, instead of quantiles; infinite ones bound nothing.
    """

    lower: float | None = 0.01
    upper: float | None = 0.99
    bounds: tuple[float, float] | list[float] | None = None

    answers: ClassVar[Sequence[str]] = ("transform",)
    gives: ClassVar[Sequence[str]] = ("nan",)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        for name in ("lower", "upper"):
            share = getattr(self, name)
            inside = isinstance(share, Real) and 0 <= float(share) <= 1
            require(share is None or inside, name, share, "None or a share, 0 to 1")
        if self.lower is not None and self.upper is not None:
            require(self.lower <= self.upper, "lower", self.lower, f"at most upper={self.upper}")
        self._given()

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but the width; given bounds need no search."""
        shares = [share for share in (self.lower, self.upper) if share is not None]
        return Clipped(*searching(head, shares if self.bounds is None else []))

    def advance(self, model: Clipped, told: Ranked) -> Model:
        """The bounds, as far as they are known."""
        found = narrowed(model, told)
        assert found.quantiles is not None, "a pass has told them"
        low, high = (np.full(model.d, bound) for bound in self._given())
        if self.bounds is None and self.lower is not None:
            low = found.quantiles[:, 0]
        if self.bounds is None and self.upper is not None:
            high = found.quantiles[:, -1]
        return replace(found, low=low, high=high)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """transform: (n, d), within the bounds as the rows' dtype has them."""
        with np.errstate(over="ignore"):  # a bound beyond float32 is none
            low, high = (bound.astype(batch.X.dtype) for bound in (model.low, model.high))
        return {"transform": np.clip(batch.X, low, high)}

    @property
    def lower_(self) -> Array:
        """(d,) float64: the lower bounds; -inf where there is none."""
        return self._model().low

    @property
    def upper_(self) -> Array:
        """(d,) float64: the upper bounds; inf where there is none."""
        return self._model().high

    def _given(self) -> tuple[float, float]:
        if self.bounds is None:
            return -np.inf, np.inf
        try:
            low, high = (float(bound) for bound in self.bounds)
        except (TypeError, ValueError):
            low, high = np.nan, np.nan
        require(low <= high, "bounds", self.bounds, "None or two numbers, the lower first")
        return low, high
