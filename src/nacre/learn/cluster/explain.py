"""What sets each cluster apart: the columns in which its rows differ from all rows, with figures.

One pass adds up MOMENTS by cluster and column. The distance of a cluster's mean from the mean of
all is counted in standard deviations of all rows, column by column; a column's part of the squared
distance is its share in what sets the cluster apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nacre.contract import Array, Batch, Model, Summary
from nacre.forms import is_sparse
from nacre.kernel import sparse
from nacre.kernel.groups import group_moments
from nacre.kinds import MOMENTS, MomentSums, of

N_SHOWN = 3  # columns of a cluster that are printed


@dataclass(frozen=True, eq=False)
class Profiled(Model):
    """Centres whose rows are looked at column by column; k of them."""

    frame: ClassVar[tuple[str, ...]] = ("centres", "k")
    centres: Any
    k: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Profile(Summary):
    """Of each cluster: weight (k,), and of each column mean and squared deviations (k, d)."""

    moments: MomentSums = of(MOMENTS)


class Feature(NamedTuple):
    """A column, as a cluster has it.

    Attributes:
        name: of the column.
        mean, deviation: of the cluster's rows; NaN where it has none.
        mean_of_all: of all rows.
        apart: mean less mean_of_all, in standard deviations of all rows; 0 where these are 0.
        share: its part of the sum of squares of `apart` over all columns.
    """

    name: str
    mean: float
    deviation: float
    mean_of_all: float
    apart: float
    share: float


class Explained(NamedTuple):
    """A cluster.

    Attributes:
        cluster: its number.
        weight: of its rows: how many, where all count once.
        share: of the weight of all rows.
        features: all columns, those that set it apart most first.
    """

    cluster: int
    weight: float
    share: float
    features: tuple[Feature, ...]


class Explanation(tuple[Explained, ...]):
    """What `KMeans.explain` gives: a tuple of clusters by their numbers, that prints as a table."""

    __slots__ = ()

    @property
    def table(self) -> dict[str, list[Any]]:
        """Columns cluster, weight, name, mean, ..: a row for each cluster and feature."""
        rows = [(c.cluster, c.weight, *f) for c in self for f in c.features]
        names = ("cluster", "weight", *Feature._fields)
        return {name: [row[at] for row in rows] for at, name in enumerate(names)}

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def observed(model: Profiled, batch: Batch, labels: Array) -> Profile:
    """What a batch says of clusters; labels (n,) int32 of its rows, -1 for none."""
    if is_sparse(batch.X):
        return Profile.told(model, batch, moments=_of_sparse(batch, labels, model.k))
    told = group_moments(batch.X, batch.weights, labels, model.k)
    return Profile.told(model, batch, moments=MomentSums(*told))


def _of_sparse(batch: Batch, labels: Array, k: int) -> MomentSums:
    there = labels >= 0
    X, weight, labels = batch.X[there].astype(np.float64), batch.weights[there], labels[there]
    n, sums = sparse.tally(X, weight, labels, k)
    mean = np.divide(sums, n[:, None], out=np.zeros_like(sums), where=n[:, None] > 0)
    each = np.repeat(labels, np.diff(X.indptr))  # of every value that is stored
    X.data = (X.data - mean[each, X.indices]) ** 2
    _, squares = sparse.tally(X, weight, labels, k)
    X.data = np.ones(len(each))
    _, stored = sparse.tally(X, weight, labels, k)
    others = np.maximum(n[:, None] - stored, 0.0)  # zeros, all as far from the mean
    return MomentSums(n, mean, squares + others * mean**2)


def explanation(moments: MomentSums, names: Sequence[str]) -> Explanation:
    """Every cluster against all rows.

    Args:
        moments: n (k,), mean and M2 (k, d).
        names: (d,) of the columns.
    """
    n, mean = moments.n, moments.mean
    total = max(float(n.sum()), 1e-300)
    of_all = n @ mean / total
    steps = mean - of_all
    deviation = np.sqrt((moments.m2.sum(axis=0) + n @ (steps * steps)) / total)
    some = (deviation > 0) & (n[:, None] > 0)  # nothing sets a cluster without rows apart
    apart = np.divide(steps, deviation, out=np.zeros_like(steps), where=some)
    mean = np.where(n[:, None] > 0, mean, np.nan)
    squares = (apart * apart).sum(axis=1, keepdims=True)
    shares = np.divide(apart * apart, squares, out=np.zeros_like(apart), where=squares > 0)
    own = np.sqrt(np.divide(moments.m2, n[:, None], out=mean * np.nan, where=n[:, None] > 0))
    order = np.argsort(-np.abs(apart), axis=1, kind="stable")
    figures = mean, own, np.broadcast_to(of_all, mean.shape), apart, shares
    return Explanation(
        Explained(
            j,
            float(n[j]),
            float(n[j]) / total,
            tuple(Feature(names[t], *(float(f[j, t]) for f in figures)) for t in order[j]),
        )
        for j in range(len(n))
    )


def _lines(explained: Sequence[Explained]) -> list[str]:
    lines = []
    for one in explained:
        lines.append(f"cluster {one.cluster}: {one.weight:,.6g} rows, {one.share:.1%}")
        shown = [feature for feature in one.features[:N_SHOWN] if feature.apart]
        wide = max((len(feature.name) for feature in shown), default=0)
        for name, mean, _, of_all, apart, share in shown:
            lines.append(
                f"  {name:<{wide}}  {mean:.4g} (all rows {of_all:.4g}), {apart:+.1f} deviations, "
                f"{share:.0%} of what sets it apart"
            )
    return lines
