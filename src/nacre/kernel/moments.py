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
PIVOT_STRIDE = 16  # rows spread over a batch, so that no drift within it leaves the pivot far away


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
def centred(X: Array, weight: Array, pivot: Array, out: Array, sums: Array, largest: Array) -> None:
    """One look at the rows, for all that products about a pivot are made of.

    Args:
        X: (n, d) float32 or float64.
        weight: (n,) float64, or empty.
        pivot: (d,) of X's dtype.
        out: (n, d) of X's dtype: becomes sqrt(weight) (X - pivot).
        sums: (d,) float64: += weight . (X - pivot), in row order.
        largest: (d,) of X's dtype: the largest size in each column of `out` so far.
    """
    n, d = X.shape
    if weight.size:
        for i in range(n):
            w = weight[i]
            root = np.sqrt(w)
            for t in range(d):
                apart = X[i, t] - pivot[t]
                out[i, t] = root * apart
                sums[t] += w * np.float64(apart)
                largest[t] = max(largest[t], abs(out[i, t]))
    else:
        for i in range(n):
            for t in range(d):
                apart = X[i, t] - pivot[t]
                out[i, t] = apart
                sums[t] += np.float64(apart)
                largest[t] = max(largest[t], abs(apart))


def pivot_of(X: Array, weight: Array) -> Array:
    """(d,) of X's dtype: near the weighted mean of (n, d), from one row in PIVOT_STRIDE.

    Where those have no weight, from all; 0 where none has.
    """
    some, weights = np.ascontiguousarray(X[::PIVOT_STRIDE]), weight[::PIVOT_STRIDE]
    total = float(weights.sum()) if weight.size else float(len(some))
    if not total > 0:
        some, weights, total = X, weight, float(weight.sum())
    mean = np.zeros(X.shape[1])
    if total > 0:
        deviation_sums(some, weights, mean.copy(), mean)
        mean /= total
    return mean.astype(X.dtype)


def products(X: Array, weight: Array, pivot: Array) -> tuple[Array, Array]:
    """Sums over rows about a pivot: weight . (X - pivot), and the weighted products of its columns.

    Each block of rows is multiplied in X's dtype and added in float64. Where squares would overflow
    or vanish in that dtype, columns are scaled by powers of two first, which is exact.

    Args:
        X: (n, d) float32 or float64.
        weight: (n,) float64, or empty: each row counts once.
        pivot: (d,) of X's dtype; the nearer the mean, the less cancels.

    Returns:
        (d,) float64 sums, (d, d) float64 products.
    """
    n, d = X.shape
    sums, total = np.zeros(d), np.zeros((d, d))
    scratch = np.empty((min(n, PRODUCT_ROWS), d), X.dtype)
    product = np.empty((d, d), X.dtype)
    for start in range(0, n, PRODUCT_ROWS):
        block, its = X[start : start + PRODUCT_ROWS], weight[start : start + PRODUCT_ROWS]
        rows, largest = scratch[: len(block)], np.zeros(d, X.dtype)
        centred(block, its, pivot, rows, sums, largest)
        if is_tame(largest):
            np.dot(rows.T, rows, out=product)  # one operand twice: BLAS does half the work (syrk)
            total += product
        else:
            total += tamed_products(block, its, pivot)
    return sums, total


def is_tame(largest: Array) -> bool:
    """Whether sums of a block's squares neither overflow nor vanish in the dtype of `largest`."""
    power = np.finfo(largest.dtype).maxexp
    low, high = 2.0 ** (-0.35 * power), 2.0 ** (power / 2 - 9)
    return bool(((largest == 0) | ((largest > low) & (largest < high))).all())


def tamed_products(X: Array, weight: Array, pivot: Array) -> Array:
    """(d, d) float64 products of a block's columns, each scaled so that its largest is near 1."""
    apart = X.astype(np.float64) - pivot
    if weight.size:
        apart *= np.sqrt(weight)[:, None]
    power = np.frexp(np.abs(apart).max(axis=0))[1]
    rows = np.ldexp(apart, -power).astype(X.dtype)
    return np.ldexp(np.dot(rows.T, rows).astype(np.float64), power[:, None] + power)
