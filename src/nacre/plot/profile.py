"""What the rows of each cluster have on average, in the units of the columns, and its typical rows.

Means are taken over the rows themselves, so a value that is missing counts nowhere, and a chain
that dropped components or filled gaps does not colour what is said of the data.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nacre.kinds import MOMENTS, Array, MomentSums

MOST_LOOKED_AT = 10_000  # rows of a cluster among which examples of different keys are sought


@dataclass(frozen=True, eq=False)
class Profile:
    """What each of k clusters has in each of d columns.

    Attributes:
        n: (k,) int64 rows.
        moments: n, mean and M2 by cluster and column, (k, d) each, over the rows that have a value.
    """

    n: Array
    moments: MomentSums

    @functools.cached_property
    def of_all(self) -> MomentSums:
        """n, mean and M2 (d,) over the rows of all clusters."""
        m = self.moments
        rows = (MomentSums(m.n[j], m.mean[j], m.m2[j]) for j in range(len(self.n)))
        return functools.reduce(MOMENTS.join, rows)

    @property
    def mean(self) -> Array:
        """(k, d) float64 means; NaN where a cluster has no value."""
        return np.where(self.moments.n > 0, self.moments.mean, np.nan)

    @property
    def deviation(self) -> Array:
        """(k, d) how far each mean lies from that of all rows, in their standard deviations."""
        return (self.mean - self.of_all.mean) / self.spread

    @property
    def spread(self) -> Array:
        """(d,) standard deviations of all rows; 1 where a column is constant."""
        spread = np.sqrt(self.of_all.m2 / np.maximum(self.of_all.n, 1))
        return np.where(spread > 0, spread, 1.0)

    @property
    def share(self) -> Array:
        """(k,) of the rows."""
        return self.n / max(int(self.n.sum()), 1)

    @property
    def by_size(self) -> list[int]:
        """The numbers of the clusters, the largest first; of equals the lower number."""
        return [int(j) for j in np.argsort(-self.n, kind="stable")]


def profile(parts: Iterable[tuple[Array, Array]], k: int) -> Profile:
    """The profile of clusters from rows that come part by part.

    >>> X = np.array([[1.0, 5.0], [3.0, np.nan], [10.0, 7.0]])
    >>> profile([(X[:2], np.array([0, 0])), (X[2:], np.array([1]))], k=2).mean
    array([[ 2.,  5.],
           [10.,  7.]])

    Args:
        parts: X (n, d) floats, NaN where a value is missing, and labels (n,); a label outside
            0..k-1 belongs to no cluster.
        k: number of clusters.
    """
    n, moments = np.zeros(k, np.int64), None
    for X, labels in parts:
        some = _moments(np.asarray(X, np.float64), labels, k)
        moments = some if moments is None else MOMENTS.join(moments, some)
        n += np.bincount(labels[(labels >= 0) & (labels < k)], minlength=k)
    if moments is None:
        moments = MomentSums(*(np.zeros((k, 0)) for _ in range(3)))
    return Profile(n, moments)


def _moments(X: Array, labels: Array, k: int) -> MomentSums:
    n, mean, m2 = (np.zeros((k, X.shape[1])) for _ in range(3))
    for at, column in enumerate(X.T):
        has = ~np.isnan(column) & (labels >= 0) & (labels < k)
        values, label = column[has], labels[has]
        n[:, at] = np.bincount(label, minlength=k)
        sums = np.bincount(label, values, minlength=k)
        mean[:, at] = sums / np.maximum(n[:, at], 1)
        m2[:, at] = np.bincount(label, (values - mean[label, at]) ** 2, minlength=k)
    return MomentSums(n, mean, m2)


def typical(
    X: Array, labels: Array, of: Profile, *, most: int = 2, keys: Array | None = None
) -> list[list[int]]:
    """For each cluster the rows nearest to its mean, in standard deviations of all rows.

    Missing values count as the mean; of equals the earlier row is taken.

    Args:
        X: (n, d) floats; labels: (n,).
        most: rows for each cluster.
        keys: (n,): no two rows of a cluster have one key.
    """
    found = []
    for j, mean in enumerate(of.mean):
        rows = np.flatnonzero(labels == j)
        apart = (np.asarray(X[rows], np.float64) - mean) / of.spread
        near = np.argsort(np.nansum(apart**2, axis=1), kind="stable")[:MOST_LOOKED_AT]
        found.append(_first(rows[near], most, keys))
    return found


def _first(rows: Array, most: int, keys: Array | None) -> list[int]:
    seen: set[Any] = set()
    found: list[int] = []
    for row in rows.tolist():
        key = row if keys is None else keys[row]
        if len(found) < most and key not in seen:
            seen.add(key)
            found.append(row)
    return found
