"""Principal components, from the covariance of the columns: one pass, exact however it is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nacre.contract import Array, Batch, Grade, Model, Summary
from nacre.errors import BadParameter
from nacre.estimator import (
    ClassNamePrefixFeaturesOutMixin,
    Estimator,
    Incremental,
    Transforms,
    is_count,
    require,
)
from nacre.learn.count.moments import ColumnMoments, freedom, moments_of


@dataclass(frozen=True, eq=False)
class Components(Model):
    """Orthonormal directions of greatest variance.

    Attributes:
        components: (k, d) float64, by falling variance, the largest entry of each positive; 0
            beyond the numerical rank.
        variance: (k,); total: of all columns; mean: (d,).
        whiten: answers have unit variance.
    """

    frame: ClassVar[tuple[str, ...]] = ("d",)
    d: int
    mean: Array | None = None
    components: Array | None = None
    variance: Array | None = None
    total: float = 0.0
    whiten: bool = False


@dataclass(eq=False, repr=False)
class PCA(ClassNamePrefixFeaturesOutMixin, Transforms, Incremental, Estimator):
    """Project rows on the directions of greatest variance.

    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> PCA(n_components=1).fit(X).explained_variance_ratio_
    array([1.])

    Args:
        n_components: how many directions; None: all, at most one for each row.
        whiten: divide by the deviation along each direction.
    """

    n_components: int | None = None
    whiten: bool = False

    grade: ClassVar[Mapping[str, Grade]] = {"space": "rounding", "time": "bits", "erasure": "bits"}
    answers: ClassVar[Sequence[str]] = ("transform",)

    def check_parameters(self) -> None:
        """Raise BadParameter for a hyper-parameter outside its range."""
        k = self.n_components
        require(
            k is None or is_count(k),
            "n_components",
            k,
            "None or an int, at least 1",
        )
        require(isinstance(self.whiten, bool), "whiten", self.whiten, "True or False")

    def start(self, head: Batch, n: int | None) -> Model:
        """Nothing is known but the width."""
        d = head.X.shape[1]
        if self.n_components is not None and self.n_components > d:
            raise BadParameter(
                got=f"n_components={self.n_components} for {d} columns",
                wanted=f"at most {d}",
                do="Lower n_components.",
            )
        return Components(d)

    def observe(self, model: Components, batch: Batch) -> Summary:
        """Moments of all pairs of columns."""
        return ColumnMoments.told(model, batch, moments=moments_of(batch, full=True))

    def advance(self, model: Components, told: ColumnMoments) -> Model:
        """Eigenvectors of the covariance (Pearson 1901), n counted by weight."""
        n, mean, m2 = told.moments.n, told.moments.mean, told.moments.m2
        counted = np.ceil(n) if n > 1 else told.n_rows  # weights that are shares count no rows
        free = freedom(n)
        k = self.n_components or int(max(1, min(model.d, counted)))
        values, vectors = np.linalg.eigh(m2 / free)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1].T
        noise = values[0] * model.d * np.finfo(np.float64).eps
        rank = int(min((values > noise).sum(), max(counted - 1, 0)))
        components, variance = vectors[:k].copy(), values[:k].copy()
        components[rank:], variance[rank:] = 0.0, 0.0  # beyond the rank any direction is as good
        largest = components[np.arange(k), np.abs(components).argmax(axis=1)]
        components *= np.where(largest < 0, -1.0, 1.0)[:, None]
        total = float(np.trace(m2)) / free
        return replace(
            model,
            mean=mean,
            components=components,
            variance=variance,
            total=total,
            whiten=self.whiten,
        )

    def answer(self, model: Any, batch: Batch, want: Sequence[str]) -> dict[str, Array]:
        """transform: (n, k)."""
        directions = model.components.T
        if model.whiten:
            deviation = np.sqrt(model.variance)
            directions = directions / np.where(deviation > 0, deviation, 1.0)
        centred = batch.X - model.mean  # in float64: float32 rows may lie far from 0
        return {"transform": (centred @ directions).astype(batch.X.dtype)}

    def inverse_transform(self, X: Array) -> Array:
        """Rows (n, d) in the old columns, of (n, k) that `transform` gave."""
        model = self._model()
        X = np.asarray(X)
        scale = np.sqrt(model.variance) if model.whiten else 1.0
        return ((X * scale) @ model.components + model.mean).astype(X.dtype)

    @property
    def components_(self) -> Array:
        """(k, d) orthonormal rows, in the rows' dtype."""
        return self._model().components.astype(self.state_.schema.dtype)

    @property
    def mean_(self) -> Array:
        """(d,) float64."""
        return self._model().mean

    @property
    def explained_variance_(self) -> Array:
        """(k,) float64, divided by n - 1."""
        return self._model().variance

    @property
    def explained_variance_ratio_(self) -> Array:
        """(k,) shares of the variance of all columns."""
        model = self._model()
        return model.variance / (model.total or 1.0)

    @property
    def singular_values_(self) -> Array:
        """(k,) of the centred rows."""
        model = self._model()
        return np.sqrt(model.variance * freedom(self.state_.told.moments.n))

    @property
    def n_components_(self) -> int:
        """Number of directions."""
        return self._n_features_out

    @property
    def _n_features_out(self) -> int:
        return len(self._model().components)
