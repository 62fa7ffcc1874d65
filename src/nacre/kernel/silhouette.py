"""What silhouettes are made of: distances of rows to the means of clusters, and to some few rows.

Differences are squared as they stand: nothing is expanded into a product of matrices, so nothing
cancels, equal rows are 0 apart, and no bit depends on the CPU or on which rows come together.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = Any  # ndarray; the docstrings state shapes and dtypes

strict = numba.njit(nogil=True, cache=True)  # no fastmath, ever

COLUMNS = 64  # whose squares are added in the dtype of the rows; beyond that in float64
TILE = 1 << 13  # numbers of the points that rows are held against in one go


@strict
def to_means(
    X: Array,
    weight: Array,
    labels: Array,
    turned: Array,
    spread: Array,
    own: Array,
    scores: Array,
    lengths: Array,
) -> None:
    """Silhouettes by mean squared distances, and distances to the own mean, by cluster.

    Args:
        X: (n, d) float.
        weight: (n,) float64, at least 0.
        labels: (n,) int64 below k; rows of label -1 are left out.
        turned: (d, k) float64, the means.
        spread: (k,) float64, the mean squared distance of a cluster's rows to their mean.
        own: (k,) float64: n / (n - 1) of each cluster, by which the mean over the other rows is
            more than that over all; 0 for a cluster of one row, whose silhouette is 0.
        scores: (k,) float64: += weight * silhouette.
        lengths: (k,) float64: += weight * distance to the mean.
    """
    n, d = X.shape
    k = turned.shape[1]
    s = np.empty(k)
    for i in range(n):
        label, w = labels[i], weight[i]
        if label < 0 or not w > 0.0:
            continue
        for j in range(k):
            s[j] = 0.0
        for t in range(d):
            x = np.float64(X[i, t])
            for j in range(k):
                z = x - turned[t, j]
                s[j] += z * z
        lengths[label] += w * np.sqrt(s[label])
        if own[label] > 0.0 and k > 1:
            a, b = (s[label] + spread[label]) * own[label], np.inf
            for j in range(k):
                b = min(b, s[j] + spread[j] if j != label else np.inf)
            scores[label] += w * ((b - a) / max(a, b) if max(a, b) > 0.0 else 0.0)


@strict
def add_squares(
    row: Array, begin: int, end: int, turned: Array, first: int, lanes: int, scale: Any, s: Array
) -> None:
    """s (at least lanes,) += squared differences in columns begin to end - 1 of a row, times
    `scale`, and of points first, first + 1, ..: columns of `turned`.
    """
    start = numba.uintp(first)
    for t in range(begin, end - 3, 4):  # four terms for one load and store of the sum
        x0, x1, x2, x3 = row[t] * scale, row[t + 1] * scale, row[t + 2] * scale, row[t + 3] * scale
        for p in range(lanes):
            at = start + numba.uintp(p)
            z = x0 - turned[t, at]
            r = s[p] + z * z
            z = x1 - turned[t + 1, at]
            r += z * z
            z = x2 - turned[t + 2, at]
            r += z * z
            z = x3 - turned[t + 3, at]
            s[p] = r + z * z
    for t in range(begin + (end - begin) // 4 * 4, end):
        x = row[t] * scale
        for p in range(lanes):
            z = x - turned[t, start + numba.uintp(p)]
            s[p] += z * z


@strict
def to_points(
    X: Array, weight: Array, labels: Array, turned: Array, scale: Any, sums: Array
) -> None:
    """Sums of the distances of a cluster's rows to each of some points.

    Args:
        X: (n, d) float.
        weight: (n,) float64, at least 0.
        labels: (n,) int64 below k; rows of label -1 are left out.
        turned: (d, m) of X's dtype: the points, times `scale`.
        scale: of X's dtype, a power of two by which rows and points are at most of size 1.
        sums: (k, m) float64: += weight * distance * scale.
    """
    n, d = X.shape
    m = turned.shape[1]
    width = max(64, min(1024, TILE // d))
    s, total = np.empty(width, X.dtype), np.empty(width)
    for first in range(0, m, width):
        start, lanes = numba.uintp(first), min(width, m - first)
        for i in range(n):
            label, w = labels[i], weight[i]
            if label < 0 or not w > 0.0:
                continue
            total[:] = 0.0
            for begin in range(0, d, COLUMNS):
                s[:] = 0
                add_squares(X[i], begin, min(begin + COLUMNS, d), turned, first, lanes, scale, s)
                if d > COLUMNS:
                    for p in range(lanes):
                        total[p] += s[p]
            if d > COLUMNS:
                for p in range(lanes):
                    sums[label, start + numba.uintp(p)] += w * np.sqrt(total[p])
            else:  # the root in the dtype of the rows: a third faster
                for p in range(lanes):
                    sums[label, start + numba.uintp(p)] += w * np.sqrt(s[p])
