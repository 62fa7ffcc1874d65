"""Column sums and centred products of a block of rows: strict float64 sums in row order.

Loops run over rows outside and columns inside, so they vectorise along the columns and the order of
every sum is that of the rows, on every CPU.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

Array = Any

PRODUCT_ROWS = 2048  # rows of one float32 product: its error stays near 1e-6 of the variance


@nb.njit(nogil=True, cache=True)
def square_sums(X: Array, weight: Array, mean: Array, sums: Array) -> None:
    """sums (d,) += weight . (X - mean)**2."""
    n, d = X.shape
    for i in range(n):
        w = weight[i] if weight.size else 1.0
        for t in range(d):
            apart = np.float64(X[i, t]) - mean[t]
            sums[t] += w * apart * apart


@nb.njit(nogil=True, cache=True)
def deviation_sums(X: Array, weight: Array, mean: Array, sums: Array) -> None:
    """sums (d,) += weight (n,) . (X (n, d) - mean (d,)); an empty weight counts each row once."""
    n, d = X.shape
    for i in range(n):
        w = weight[i] if weight.size else 1.0
        for t in range(d):
            sums[t] += w * (np.float64(X[i, t]) - mean[t])


@nb.njit(nogil=True, cache=True)
def known_sums(X: Array, weight: Array, counts: Array, sums: Array) -> None:
    """Column sums from 0, over the rows where a column is not NaN; counts (d,) += their weight."""
    n, d = X.shape
    for i in range(n):
        w = weight[i] if weight.size else 1.0
        for t in range(d):
            x = np.float64(X[i, t])
            if x == x:
                counts[t] += w
                sums[t] += w * x


@nb.njit(nogil=True, cache=True)
def known_square_sums(X: Array, weight: Array, mean: Array, sums: Array) -> None:
    """As square_sums, over the rows where a column is not NaN."""
    n, d = X.shape
    for i in range(n):
        w = weight[i] if weight.size else 1.0
        for t in range(d):
            apart = np.float64(X[i, t]) - mean[t]
            if apart == apart:
                sums[t] += w * apart * apart


@nb.njit(nogil=True, cache=True)
def centred(X: Array, weight: Array, mean: Array, out: Array) -> None:
    """out (n, d) = sqrt(weight) (X - mean), taken in float64, rounded to out's dtype."""
    n, d = X.shape
    for i in range(n):
        root = np.sqrt(weight[i]) if weight.size else 1.0
        for t in range(d):
            out[i, t] = root * (np.float64(X[i, t]) - mean[t])


def products(X: Array, weight: Array, mean: Array) -> Array:
    """(d, d) float64: weighted products of the centred columns, each block of rows in X's dtype."""
    n, d = X.shape
    total = np.zeros((d, d))
    scratch = np.empty((min(n, PRODUCT_ROWS), d), X.dtype)
    product = np.empty((d, d), X.dtype)
    for start in range(0, n, PRODUCT_ROWS):
        block = X[start : start + PRODUCT_ROWS]
        rows = scratch[: len(block)]
        centred(block, weight[start : start + PRODUCT_ROWS], mean, rows)
        np.dot(rows.T, rows, out=product)  # one operand twice: BLAS does half the work (syrk)
        total += product
    return total
