"""Columns to mean 0 and deviation 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.errors import BadInput
from nacre.estimator import Estimator, Incremental, OneToOneFeatureMixin, Transforms, require
from nacre.kinds import MomentSums
from nacre.learn.count.moments import ColumnMoments, moments_of


@dataclass(frozen=True, eq=False)
class Scaled(Model):
    """What is taken away from each column (d,), and what it is divided by (d,)."""

    frame: ClassVar[tuple[str, ...]] = ("d",)
    last_look: ClassVar[bool] = True
    d: int
    mean: Array | None = None
    scale: Array | None = None


@dataclass(eq=False, repr=False)
class Scale(OneToOneFeatureMixin, Transforms, Incremental, Estimator):
    """Take away each column's mean and divide by its standard deviation.

    A constant column becomes 0.

    >>> Scale().fit_transform(np.array([[1.0], [3.0]])).ravel()
    array([-1.,  1.])

    Args:
        with_mean: take the mean away.
        with_std: divide by the deviation.
    """

    with_mean: bool = True
    with_std: bool = True

    grade: ClassVar[Mapping[str, Grade]] = {"space": "bits", "time": "bits", "erasure": "bits"}
    answers: ClassVar[Sequence[str]] = ("transform",)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        require(isinstance(self.with_mean, bool), "with_mean", self.with_mean, "True or False")
        require(isinstance(self.with_std, bool), "with_std", self.with_std, "True or False")

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but the width."""
        return Scaled(head.X.shape[1])

    def observe(self, model: Scaled, batch: Batch) -> Summary:
        """Mean and squared deviations of each column."""
        return ColumnMoments.told(model, batch, moments=moments_of(batch))

    def advance(self, model: Scaled, told: ColumnMoments) -> Model:
        """Mean and deviation from the moments."""
        d = model.d
        mean = told.moments.mean if self.with_mean else np.zeros(d)
        return replace(
            model,
            mean=mean,
            scale=deviation(told.moments, told.n_rows) if self.with_std else np.ones(d),
        )

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """transform: (n, d), computed in float64."""
        return {"transform": ((batch.X - model.mean) / model.scale).astype(batch.X.dtype)}

    def inverse_transform(self, X: Array) -> Array:
        """Rows as they were: (n, d) of what `transform` gave; integers become float64.

        Raises:
            BadInput: rows of another width.
        """
        model = self._model()
        return taken_back(X, model.mean, model.scale)

    @property
    def mean_(self) -> Array:
        """(d,) float64: the mean taken away."""
        return self._model().mean

    @property
    def scale_(self) -> Array:
        """(d,) float64: the deviation divided by; 1 where a column is constant."""
        return self._model().scale

    @property
    def var_(self) -> Array:
        """(d,) float64."""
        self._check_fitted()
        moments = self.state_.told.moments
        return moments.m2 / (moments.n or 1.0)


def taken_back(X: Array, centre: Array, scale: Array) -> Array:
    """(n, d) X * scale + centre, computed in float64, in X's dtype where that is a float.

    >>> taken_back(np.array([[1], [2]]), np.array([0.5]), np.array([1.0])).ravel()
    array([1.5, 2.5])

    Raises:
        BadInput: rows of another width.
    """
    X, d = np.asarray(X), len(centre)
    if X.ndim != 2 or X.shape[1] != d:
        raise BadInput(
            got=f"rows of shape {X.shape}",
            wanted=f"shape (n, {d})",
            do="Pass what `transform` gave.",
        )
    back = X.astype(np.float64) * scale + centre
    return back.astype(X.dtype) if X.dtype.kind == "f" else back


def deviation(moments: MomentSums, n_rows: int) -> Array:
    """(d,) standard deviations; 1 where only rounding moves a column (bound: Chan et al. 1983)."""
    doubt = n_rows * np.finfo(np.float64).eps
    variance = moments.m2 / (moments.n or 1.0)
    constant = variance <= doubt * variance + (moments.mean * doubt) ** 2
    return np.where(constant, 1.0, np.sqrt(variance))
