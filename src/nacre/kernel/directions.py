"""Rows by their direction alone: each divided by its length, with the same bits on every CPU."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

Array = Any  # ndarray; the docstrings state shapes and dtypes

strict = numba.njit(nogil=True, cache=True)  # no fastmath, ever


def directions(X: Array) -> tuple[Array, Array]:
    """Each row over its length, and which rows have none because all their values are 0.

    Args:
        X: (n, d) float32 or float64, no NaN; no length overflows or underflows.

    Returns:
        (n, d) of X's dtype, 0 where there is no direction; (n,) bool, True there.

    >>> unit, flat = directions(np.array([[3.0, 4.0], [0.0, 0.0]]))
    >>> unit.tolist(), flat.tolist()
    ([[0.6, 0.8], [0.0, 0.0]], [False, True])
    """
    n, d = X.shape
    ends = np.arange(n + 1, dtype=np.int64) * d
    out, flat = np.empty((n, d), X.dtype), np.empty(n, bool)
    _over_length(np.ascontiguousarray(X).reshape(-1), ends, out.reshape(-1), flat)
    return out, flat


def sparse_directions(data: Array, indptr: Array) -> tuple[Array, Array]:
    """The same for CSR rows: their values (nnz,) and where each row begins (n + 1,).

    >>> sparse_directions(np.array([3.0, 4.0]), np.array([0, 2, 2]))[0].tolist()
    [0.6, 0.8]
    """
    out, flat = np.empty(len(data), data.dtype), np.empty(len(indptr) - 1, bool)
    _over_length(np.ascontiguousarray(data), indptr.astype(np.int64), out, flat)
    return out, flat


@strict
def _over_length(values: Array, ends: Array, out: Array, flat: Array) -> None:
    """values, out (nnz,) float; ends (n + 1,) int64; flat (n,) bool, written."""
    for i in range(len(flat)):
        largest = 0.0
        for p in range(ends[i], ends[i + 1]):
            largest = max(largest, abs(np.float64(values[p])))
        flat[i] = largest == 0.0
        power = -max(-1000, math.frexp(largest)[1])  # a power of two: no bit is lost
        scale = math.ldexp(1.0, power)
        squares = 0.0
        for p in range(ends[i], ends[i + 1]):
            x = values[p] * scale
            squares += x * x
        length = 1.0 if flat[i] else math.sqrt(squares)
        for p in range(ends[i], ends[i + 1]):
            out[p] = values[p] * scale / length
