"""The nearest centre of each sparse row: float64 sums in the order of the columns, bit for bit.

    d2[i, j] = (|x_i|² + |c_j|²) - 2 x_i·c_j,   at least 0,

each term a float64 sum over the columns, in their order, of those that are stored. A row takes its
values one by one and adds each to the products with all centres at once, which lie side by side in
memory (`turned`, (d, k)), so the loop vectorises across centres and no order changes. Rows are
never made dense, and no product needs a BLAS: no bit depends on the CPU, the blocks or the threads.

The subtraction loses what |x|² and |c|² have in common: about 1e-16 of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

Array = Any  # ndarray or csr_array; the docstrings state shapes and dtypes

strict = numba.njit(nogil=True, cache=True)  # no fastmath, ever

TILE = 1024  # centres whose products with a row are held at once


class Turned(NamedTuple):
    """The centres as sparse rows look at them.

    Attributes:
        turned: (d, k) float64.
        squares: (k,) float64, |c|².
    """

    turned: Array
    squares: Array


def turned(centres: Array) -> Turned:
    """Centres (k, d) of any float dtype for the functions of this file; worth keeping for a pass.

    >>> turned(np.array([[3.0, 4.0]])).squares.tolist()
    [25.0]
    """
    across = np.array(np.transpose(centres), np.float64, order="C")
    squares = np.zeros(across.shape[1])
    _squares(across, squares)
    return Turned(across, squares)


def nearest(X: Array, centres: Turned) -> tuple[Array, Array]:
    """The nearest centre of each row, the lowest of equals.

    Args:
        X: (n, d) CSR, float32 or float64, columns sorted, none twice, no NaN.
        centres: of the same d, at least one.

    Returns:
        labels (n,) int32, squared distances (n,) float64.

    >>> from scipy.sparse import csr_array
    >>> X = csr_array(np.array([[0.0, 2.0], [9.0, 0.0]]))
    >>> labels, d2 = nearest(X, turned(np.array([[8.0, 0.0], [0.0, 0.0]])))
    >>> labels.tolist(), d2.tolist()
    ([1, 0], [4.0, 1.0])
    """
    _check(X, centres)
    labels, d2 = np.empty(X.shape[0], np.int32), np.empty(X.shape[0])
    _nearest(_parts(X), centres, labels, d2)
    return labels, d2


def distances(X: Array, centres: Turned) -> Array:
    """Euclidean distance of each row to each centre: (n, k) of X's dtype.

    >>> from scipy.sparse import csr_array
    >>> distances(csr_array(np.array([[3.0, 4.0]])), turned(np.zeros((1, 2)))).tolist()
    [[5.0]]
    """
    _check(X, centres)
    out = np.empty((X.shape[0], len(centres.squares)), X.dtype)
    _distances(_parts(X), centres, out)
    return out


def tally(X: Array, weight: Array, labels: Array, k: int) -> tuple[Array, Array]:
    """Sums over the rows of each label, in row order.

    Args:
        X: (n, d) CSR.
        weight: (n,) float64.
        labels: (n,) int32, 0 to k - 1.
        k: how many labels there are.

    Returns:
        weights (k,) and sums of weight * row (k, d), float64.
    """
    weights, sums = np.zeros(k), np.zeros((k, X.shape[1]))
    _tally(_parts(X), np.asarray(weight, np.float64), labels, weights, sums)
    return weights, sums


def lower(X: Array, weight: Array, d2: Array, centres: Turned) -> tuple[Array, Array]:
    """What `d2` would be with one centre more, for each of some centres, and its weighted sum.

    Args:
        X: (m, d) CSR.
        weight, d2: (m,) float64.
        centres: q of them.

    Returns:
        (q, m) the lesser of d2 and the squared distance; (q,) its weighted sum in row order.
    """
    _check(X, centres)
    lowered, cost = np.empty((len(centres.squares), X.shape[0])), np.zeros(len(centres.squares))
    _lower(_parts(X), centres, weight, d2, lowered, cost)
    return lowered, cost


def _parts(X: Array) -> tuple[Array, Array, Array]:
    return X.data, X.indices, X.indptr


def _check(X: Array, centres: Turned) -> None:
    """Compiled code checks no bounds, so nothing of another width may come to it."""
    if X.shape[1] != len(centres.turned) or len(centres.squares) < 1:
        raise ValueError(f"rows of {X.shape[1]} columns, centres of {len(centres.turned)}")


@strict
def _squares(across: Array, squares: Array) -> None:
    d, k = across.shape
    for t in range(d):
        for j in range(k):
            squares[j] += across[t, j] * across[t, j]


@strict
def _row(rows: Any, i: int, turned: Array, first: int, out: Array) -> float:
    """Write -2 x·c of row i and the centres from `first` on; return |x|²."""
    data, columns, begins = rows
    own = 0.0
    out[:] = 0.0
    start = numba.uintp(first)
    for p in range(begins[i], begins[i + 1]):
        x = np.float64(data[p])
        t = columns[p]
        own += x * x
        for j in range(len(out)):
            out[j] += x * turned[t, start + numba.uintp(j)]
    for j in range(len(out)):
        out[j] *= -2.0
    return own


@strict
def _nearest(rows: Any, centres: Turned, labels: Array, d2: Array) -> None:
    turned, squares = centres
    k = len(squares)
    products = np.empty(min(k, TILE))
    for i in range(len(labels)):
        best, label = np.inf, 0
        for first in range(0, k, TILE):
            some = products[: min(TILE, k - first)]
            own = _row(rows, i, turned, first, some)
            for j in range(len(some)):
                value = max(0.0, (own + squares[first + j]) + some[j])
                if value < best:
                    best, label = value, first + j
        labels[i] = label
        d2[i] = best


@strict
def _distances(rows: Any, centres: Turned, out: Array) -> None:
    turned, squares = centres
    products = np.empty(len(squares))
    for i in range(len(out)):
        own = _row(rows, i, turned, 0, products)
        for j in range(len(squares)):
            out[i, j] = np.sqrt(max(0.0, (own + squares[j]) + products[j]))


@strict
def _tally(rows: Any, weight: Array, labels: Array, weights: Array, sums: Array) -> None:
    data, columns, begins = rows
    for i in range(len(labels)):
        j, w = labels[i], weight[i]
        weights[j] += w
        for p in range(begins[i], begins[i + 1]):
            sums[j, columns[p]] += w * data[p]


@strict
def _lower(
    rows: Any, centres: Turned, weight: Array, d2: Array, lowered: Array, cost: Array
) -> None:
    turned, squares = centres
    products = np.empty(len(squares))
    for i in range(len(d2)):
        own = _row(rows, i, turned, 0, products)
        for q in range(len(squares)):
            value = max(0.0, (own + squares[q]) + products[q])
            lowered[q, i] = min(d2[i], value)
            cost[q] += weight[i] * lowered[q, i]
