"""What rows do to a block of directions: their covariance times it, without the covariance.

    Z = sum over rows of weight (x - c) ((x - c) . Q),        Q (d, l), Z (d, l)

is linear in the rows, so shards add up, and it takes 8 d l bytes where the covariance takes 8 d d.
Sparse rows are never made dense: the centre c is taken from the products instead,

    T = X Q - 1 (c . Q),        Z = X' W T - c (1' W T).

Dense products are made in the rows' dtype, a block of rows at a time, and added in float64; sparse
ones are strict float64 sums in the order of rows and columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from nacre.kernel.moments import centred, is_tame, square_sums

Array = Any  # ndarray or csr_array; the docstrings state shapes and dtypes

BLOCK = 1 << 20  # values of a block of dense rows: long enough for BLAS, short enough for a cache
LEAST_ROWS, MOST_ROWS = 256, 2048  # of one product, as in kernel/moments.py
NONE = np.empty(0)


class Acted(NamedTuple):
    """Sums over rows about a centre c; all float64.

    Attributes:
        sums: (d,) of weight (x - c).
        squares: of weight |x - c|^2.
        actions: (d, l) of weight (x - c) ((x - c) . Q).
    """

    sums: Array
    squares: float
    actions: Array


def rows_together(d: int) -> int:
    """How many dense rows of d columns make a block."""
    return max(LEAST_ROWS, min(MOST_ROWS, BLOCK // max(d, 1)))


def dense_action(X: Array, weight: Array, basis: Array, centre: Array) -> Acted:
    """The action of rows in memory on a basis.

    Args:
        X: (n, d) float32 or float64.
        weight: (n,) float64, or empty: each row counts once.
        basis: (d, l) float64.
        centre: (d,) float64 that X's dtype can hold, near the mean.
    """
    n, d = X.shape
    sums, squares, actions = np.zeros(d), np.zeros(d), np.zeros(basis.shape)
    point, block = centre.astype(X.dtype), rows_together(d)
    directions, scratch = basis.astype(X.dtype), np.empty((min(n, block), d), X.dtype)
    for start in range(0, n, block):
        some, its = X[start : start + block], weight[start : start + block]
        rows, largest, power = scratch[: len(some)], np.zeros(d, X.dtype), 0
        centred(some, its, point, rows, sums, largest)
        if not is_tame(largest.max(keepdims=True)):
            rows, power = _tamed(some, its, centre)
        its_squares, origin = np.zeros(d), np.zeros(d)
        square_sums(rows, NONE, origin, its_squares)
        squares += np.ldexp(its_squares, 2 * power)
        product = np.dot(rows.T, np.dot(rows, directions))
        actions += np.ldexp(product.astype(np.float64), 2 * power) if power else product
    return Acted(sums, float(squares.sum()), actions)


def sparse_action(X: Array, weight: Array, basis: Array, centre: Array) -> Acted:
    """The same of CSR rows, about any centre (d,) float64."""
    d, width = basis.shape
    sums, actions, along = np.zeros(d), np.zeros((d, width)), np.zeros(width)
    parts = X.data, X.indices, X.indptr
    squares, n = _sparse(*parts, weight, basis, centre, centre @ basis, sums, actions, along)
    actions -= np.outer(centre, along)
    return Acted(sums - n * centre, squares + n * float(centre @ centre), actions)


def _tamed(X: Array, weight: Array, centre: Array) -> tuple[Array, int]:
    """Rows about the centre, times the power of two that brings the largest value near 1."""
    apart = X.astype(np.float64) - centre
    if weight.size:
        apart *= np.sqrt(weight)[:, None]
    power = int(np.frexp(np.abs(apart).max())[1])
    return np.ldexp(apart, -power).astype(X.dtype), power


@nb.njit(nogil=True, cache=True)
def _sparse(
    data: Array,
    columns: Array,
    begins: Array,
    weight: Array,
    basis: Array,
    centre: Array,
    offset: Array,
    sums: Array,
    actions: Array,
    along: Array,
) -> tuple[float, float]:
    """Add to sums (d,), actions (d, l) and along (l,); squares less those of the centre, weight."""
    width = len(offset)
    product, squares, total = np.empty(width), 0.0, 0.0
    for i in range(len(begins) - 1):
        w = weight[i] if weight.size else 1.0
        product[:] = -offset
        for p in range(begins[i], begins[i + 1]):
            x, t = np.float64(data[p]), columns[p]
            for j in range(width):
                product[j] += x * basis[t, j]
        for p in range(begins[i], begins[i + 1]):
            x, t = np.float64(data[p]), columns[p]
            sums[t] += w * x
            squares += w * x * (x - 2.0 * centre[t])
            for j in range(width):
                actions[t, j] += w * x * product[j]
        total += w
        for j in range(width):
            along[j] += w * product[j]
    return squares, total
