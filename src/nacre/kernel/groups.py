"""Columns by group of rows: strict float64 sums in row order."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = Any  # ndarray; the docstrings state shapes and dtypes

strict = numba.njit(nogil=True, cache=True)  # no fastmath, ever


def group_moments(X: Array, weight: Array, labels: Array, k: int) -> tuple[Array, Array, Array]:
    """Weight, mean and squared deviations from it, of each column of each group.

    Args:
        X: (m, d) float.
        weight: (m,) float64, at least 0.
        labels: (m,) integers below k; a row of label -1 is in no group.
        k: how many groups.

    Returns:
        n (k,), mean (k, d), M2 (k, d), float64; 0 for a group without weight.

    >>> n, mean, m2 = group_moments(np.array([[1.0], [3.0]]), np.ones(2), np.zeros(2, np.int32), 2)
    >>> n.tolist(), mean.tolist(), m2.tolist()
    ([2.0, 0.0], [[2.0], [0.0]], [[2.0], [0.0]])
    """
    n, sums, m2 = np.zeros(k), np.zeros((k, X.shape[1])), np.zeros((k, X.shape[1]))
    X = np.ascontiguousarray(X)
    _sums(X, weight, labels, n, sums)
    mean = np.divide(sums, n[:, None], out=np.zeros_like(sums), where=n[:, None] > 0)
    _squares(X, weight, labels, mean, m2)
    return n, mean, m2


@strict
def _sums(X: Array, weight: Array, labels: Array, n: Array, sums: Array) -> None:
    for i in range(len(X)):
        j, w = labels[i], weight[i]
        if j >= 0 and w > 0:
            n[j] += w
            for t in range(X.shape[1]):
                sums[j, t] += w * X[i, t]


@strict
def _squares(X: Array, weight: Array, labels: Array, mean: Array, m2: Array) -> None:
    for i in range(len(X)):
        j, w = labels[i], weight[i]
        if j >= 0 and w > 0:
            for t in range(X.shape[1]):
                apart = X[i, t] - mean[j, t]
                m2[j, t] += w * apart * apart
