"""Means, variances and covariances of columns: the summary that scaling and PCA are made from.

A batch is shifted by its own float64 mean before any product, and batches join as Chan, Golub and
LeVeque (1979) join them: data far from 0 loses nothing, and no pilot shift stands in a frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.errors import UnknownName
from nacre.estimator import Estimator, Incremental, require
from nacre.kernel.moments import deviation_sums, pivot_of, products, square_sums
from nacre.kinds import MOMENTS, MomentSums, of

NO_WEIGHT = np.empty(0)


@dataclass(frozen=True, eq=False)
class Spread(Model):
    """mean (d,), and m2 (d,) or (d, d) over n in all, once a pass has been made."""

    frame: ClassVar[tuple[str, ...]] = ("d", "full")
    last_look: ClassVar[bool] = True
    d: int
    full: bool
    moments: MomentSums | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class ColumnMoments(Summary):
    """n, mean and squared deviations, by column or by pair of columns."""

    moments: MomentSums = of(MOMENTS)


def moments_of(batch: Batch, full: bool = False) -> MomentSums:
    """Moments of a batch's columns: M2 (d,), or (d, d) where `full`.

    >>> moments_of(Batch(np.array([[1.0], [3.0]]))).m2
    array([2.])
    """
    X, weight = batch.X, NO_WEIGHT if batch.weight is None else batch.weight
    d = X.shape[1]
    n = batch.counted[1]
    if n == 0:
        return MomentSums(0.0, np.zeros(d), np.zeros((d, d) if full else d))
    if full:
        pivot = pivot_of(X, weight)
        sums, m2 = products(X, weight, pivot)
        m2 -= np.outer(sums, sums) / n
        return MomentSums(n, pivot + sums / n, m2)
    mean, m2, rest = np.zeros(d), np.zeros(d), np.zeros(d)
    deviation_sums(X, weight, np.zeros(d), mean)
    mean /= n
    square_sums(X, weight, mean, m2)
    deviation_sums(X, weight, mean, rest)  # the corrected two-pass algorithm (Chan et al. 1983)
    return MomentSums(n, mean + rest / n, m2 - rest * rest / n)


def freedom(n: float) -> float:
    """What a covariance is divided by: n - 1, or n where weights are shares and count no rows."""
    return n - 1.0 if n > 1 else n or 1.0


@dataclass(eq=False, repr=False)
class Moments(Incremental, Estimator):
    """Mean and variance of each column, or the covariance of all, in one pass.

    >>> Moments().fit(np.array([[1.0], [2.0], [6.0]])).mean_
    array([3.])

    Args:
        covariance: all pairs of columns, (d, d), instead of (d,) variances.
    """

    covariance: bool = False

    grade: ClassVar[Mapping[str, Grade]] = {"space": "rounding", "time": "bits", "erasure": "bits"}
    answers: ClassVar[Sequence[str]] = ()

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        require(isinstance(self.covariance, bool), "covariance", self.covariance, "True or False")

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but the width."""
        return Spread(head.X.shape[1], self.covariance)

    def observe(self, model: Spread, batch: Batch) -> Summary:
        """Moments of the rows."""
        return ColumnMoments.told(model, batch, moments=moments_of(batch, model.full))

    def advance(self, model: Spread, told: ColumnMoments) -> Model:
        """The moments are the model."""
        return replace(model, moments=told.moments)

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """Nothing: the model is the answer."""
        return {}

    @property
    def mean_(self) -> Array:
        """(d,) float64."""
        return self._model().moments.mean

    @property
    def var_(self) -> Array:
        """(d,) float64, divided by n as numpy.var is."""
        moments = self._model().moments
        return (np.diag(moments.m2) if moments.m2.ndim == 2 else moments.m2) / (moments.n or 1.0)

    @property
    def covariance_(self) -> Array:
        """(d, d) float64, divided by n - 1 as numpy.cov is; needs covariance=True."""
        moments = self._model().moments
        if moments.m2.ndim != 2:
            raise UnknownName(
                got="covariance_ of variances alone",
                wanted="a fit with covariance=True",
                do="Fit Moments(covariance=True).",
            )
        return moments.m2 / freedom(moments.n)
