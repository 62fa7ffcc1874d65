"""Moments of the rows of many small cells, of those alone that have rows: strict sums in row order.

Rows are looked at from a point of their cell, so that sums of rows far from 0 lose nothing; M2 is
the sum, over rows and columns, of squares of differences from the cell's mean, which is known then.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

Array = Any  # ndarray or csr_array; the docstrings state shapes and dtypes

strict = numba.njit(nogil=True, cache=True)  # no fastmath, ever

NO_WEIGHT = np.empty(0)


class Cells(NamedTuple):
    """Cells with weight.

    Attributes:
        keys: (q,) int64 their numbers, sorted.
        n: (q,) weight.
        mean: (q, d).
        m2: (q,) weighted squared distances of the rows to the mean.
    """

    keys: Array
    n: Array
    mean: Array
    m2: Array


def moments(X: Array, weight: Array | None, labels: Array, points: Array) -> Cells:
    """Weight, mean and squared error of each cell that has weight.

    Args:
        X: (n, d) float32 or float64.
        weight: (n,) float64, at least 0; None counts each row once.
        labels: (n,) int32: each row's cell.
        points: (m, d) float: a point near the rows of each cell, as its centre is.

    >>> X, labels = np.array([[1.0], [3.0]]), np.array([1, 1], np.int32)
    >>> found = moments(X, None, labels, np.zeros((3, 1)))
    >>> found.keys.tolist(), found.n.tolist(), found.mean.tolist(), found.m2.tolist()
    ([1], [2.0], [[2.0]], [2.0])
    """
    w = NO_WEIGHT if weight is None else np.asarray(weight, np.float64)
    keys, at = _held(labels, w, len(points))
    near = points[keys].astype(np.float64)
    n, mean, columns = np.zeros(len(keys)), np.zeros(near.shape), np.zeros(near.shape)
    X = np.ascontiguousarray(X)
    _means(X, w, at, near, n, mean)
    _squares(X, w, at, mean, columns)
    return Cells(keys, n, mean, _rows(columns))


def sparse_moments(X: Array, weight: Array | None, labels: Array, m: int) -> Cells:
    """The same of CSR rows (n, d), columns sorted, in one of m cells each.

    >>> from scipy.sparse import csr_array
    >>> X = csr_array(np.array([[0.0, 2.0], [4.0, 2.0]]))
    >>> found = sparse_moments(X, None, np.zeros(2, np.int32), 1)
    >>> found.mean.tolist(), found.m2.tolist()
    ([[2.0, 2.0]], [8.0])
    """
    w = NO_WEIGHT if weight is None else np.asarray(weight, np.float64)
    keys, at = _held(labels, w, m)
    n, mean, m2 = np.zeros(len(keys)), np.zeros((len(keys), X.shape[1])), np.zeros(len(keys))
    rows = X.data, X.indices, X.indptr
    _sparse_means(rows, w, at, n, mean)
    _sparse_squares(rows, w, at, mean, m2)
    return Cells(keys, n, mean, m2)


def merged(a: Cells, b: Cells) -> Cells:
    """The cells of two sums: what one alone has stays as it is, others join as moments do.

    >>> one = Cells(np.array([3]), np.ones(1), np.array([[1.0]]), np.zeros(1))
    >>> other = Cells(np.array([2, 3]), np.ones(2), np.array([[9.0], [3.0]]), np.zeros(2))
    >>> found = merged(one, other)
    >>> found.keys.tolist(), found.n.tolist(), found.mean.tolist(), found.m2.tolist()
    ([2, 3], [1.0, 2.0], [[9.0], [2.0]], [0.0, 2.0])
    """
    most, d = len(a.keys) + len(b.keys), a.mean.shape[1]
    keys, n, mean, m2 = (
        np.empty(most, np.int64),
        np.empty(most),
        np.empty((most, d)),
        np.empty(most),
    )
    q = _merge(_still(a), _still(b), keys, n, mean, m2)
    return Cells(*(part if q == most else part[:q].copy() for part in (keys, n, mean, m2)))


def _still(a: Cells) -> Cells:
    """Read-only views: stored cells are so, and a kernel is compiled for each kind of array."""
    views = [part.view() for part in a]
    for view in views:
        view.flags.writeable = False
    return Cells(*views)


@strict
def _merge(a: Cells, b: Cells, keys: Array, n: Array, mean: Array, m2: Array) -> int:
    d = mean.shape[1]
    i = j = q = 0
    while i < len(a.keys) or j < len(b.keys):
        of_a = i < len(a.keys) and (j == len(b.keys) or a.keys[i] <= b.keys[j])
        of_b = j < len(b.keys) and (i == len(a.keys) or b.keys[j] <= a.keys[i])
        if of_a and of_b:
            n[q] = a.n[i] + b.n[j]
            apart = 0.0
            for t in range(d):
                z = b.mean[j, t] - a.mean[i, t]
                apart += z * z
                mean[q, t] = (a.n[i] * a.mean[i, t] + b.n[j] * b.mean[j, t]) / n[q]
            m2[q] = (a.m2[i] + b.m2[j]) + apart * (a.n[i] * b.n[j] / n[q])
        elif of_a:
            n[q], m2[q] = a.n[i], a.m2[i]
            mean[q, :] = a.mean[i]
        else:
            n[q], m2[q] = b.n[j], b.m2[j]
            mean[q, :] = b.mean[j]
        keys[q] = a.keys[i] if of_a else b.keys[j]
        i, j, q = i + of_a, j + of_b, q + 1
    return q


@strict
def _held(labels: Array, weight: Array, m: int) -> tuple[Array, Array]:
    """The cells with weight (q,) int64, and for each row which of them is its own, -1 for none."""
    place, keys, at = np.full(m, -1), np.empty(m, np.int64), np.empty(len(labels), np.int64)
    for i in range(len(labels)):
        if not weight.size or weight[i] > 0:
            place[labels[i]] = 0
    q = 0
    for j in range(m):
        if place[j] == 0:
            keys[q], place[j] = j, q
            q += 1
    for i in range(len(labels)):
        at[i] = place[labels[i]]
    return keys[:q].copy(), at


@strict
def _means(X: Array, weight: Array, at: Array, near: Array, n: Array, mean: Array) -> None:
    for i in range(len(X)):
        j, w = at[i], weight[i] if weight.size else 1.0
        if j >= 0:
            n[j] += w
            for t in range(X.shape[1]):
                mean[j, t] += w * (X[i, t] - near[j, t])
    for j in range(len(n)):
        for t in range(X.shape[1]):
            mean[j, t] = near[j, t] + mean[j, t] / n[j]


@strict
def _squares(X: Array, weight: Array, at: Array, mean: Array, columns: Array) -> None:
    for i in range(len(X)):
        j, w = at[i], weight[i] if weight.size else 1.0
        if j >= 0:
            for t in range(X.shape[1]):
                apart = X[i, t] - mean[j, t]
                columns[j, t] += w * apart * apart


@strict
def _rows(columns: Array) -> Array:
    """(q,) sums of (q, d) over the columns, in their order."""
    sums = np.zeros(len(columns))
    for j in range(len(columns)):
        for t in range(columns.shape[1]):
            sums[j] += columns[j, t]
    return sums


@strict
def _sparse_means(rows: Any, weight: Array, at: Array, n: Array, mean: Array) -> None:
    data, columns, begins = rows
    for i in range(len(at)):
        j, w = at[i], weight[i] if weight.size else 1.0
        if j >= 0:
            n[j] += w
            for p in range(begins[i], begins[i + 1]):
                mean[j, columns[p]] += w * data[p]
    for j in range(len(n)):
        for t in range(mean.shape[1]):
            mean[j, t] /= n[j]


@strict
def _sparse_squares(rows: Any, weight: Array, at: Array, mean: Array, m2: Array) -> None:
    data, columns, begins = rows
    d = mean.shape[1]
    for i in range(len(at)):
        j, w = at[i], weight[i] if weight.size else 1.0
        if j >= 0:
            total, t = 0.0, 0
            for p in range(begins[i], begins[i + 1]):
                for empty in range(t, columns[p]):
                    total += mean[j, empty] * mean[j, empty]
                apart = data[p] - mean[j, columns[p]]
                total += apart * apart
                t = columns[p] + 1
            for empty in range(t, d):
                total += mean[j, empty] * mean[j, empty]
            m2[j] += w * total
