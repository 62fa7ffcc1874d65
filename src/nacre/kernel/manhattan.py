"""The nearest centre of each row by the sum of absolute differences, and what k-medians counts.

The truth, bit for bit, is in float64 and in this order:

    d1[i, j] = sum over t = 0, 1, .. d-1 of |float64(x[i, t]) - float64(c[j, t])|

Rows of float32 are first compared in float32, twice as fast. That is only a filter: a difference
and each of d additions err by at most u = 2^-24 of what they give, and all terms are positive, so a
sum errs by at most γ = (d + 2) u (1 + ..) of itself. Where the second least sum is not more than
that above the least, the truth decides. So no bit depends on the CPU, the blocks or the threads.

Loops run across rows, which SIMD takes side by side; within a row the order of t stands. Offsets
are unsigned, as `kernel/truth.py` explains; kernels call only kernels of their own file, because
numba's cache of one file does not notice a change in another.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

Array = Any  # ndarray; the docstrings state shapes and dtypes

strict = numba.njit(nogil=True, cache=True)  # no fastmath, ever
scan = numba.njit(nogil=True, cache=True, fastmath={"nnan", "ninf", "nsz"})

LANES = 128  # rows in a tile
WIDE = 4096  # d beyond which the float32 bound leaves too many rows open


class Nearest(NamedTuple):
    """What `nearest` found.

    Attributes:
        labels: (n,) int32.
        d1: (n,) float64, sum of absolute differences to the centre of the label.
        n_near: rows that the filter left open.
    """

    labels: Array
    d1: Array
    n_near: int


def nearest(X: Array, centres: Array) -> Nearest:
    """The nearest centre of each row, the lowest of equals.

    Args:
        X: (n, d) float32 or float64, no NaN; sums must not overflow.
        centres: (k, d) of X's dtype, k at least 1.

    >>> found = nearest(np.array([[0.0, 0.0], [2.0, 1.0]]), np.array([[3.0, 0.0], [0.0, 1.0]]))
    >>> found.labels.tolist(), found.d1.tolist()
    ([1, 0], [1.0, 2.0])
    """
    _check(X, centres)
    X = np.ascontiguousarray(X)
    labels, d1 = np.empty(len(X), np.int32), np.empty(len(X))
    exact = np.array(centres, np.float64, order="C")
    near = np.arange(len(X))
    if X.dtype == np.float32 and X.shape[1] <= WIDE and len(centres) > 1:
        n_near = _filter(X, np.array(centres, np.float32, order="C"), labels, near)
        near = near[:n_near]
        _measure(X, exact, labels, d1)
    _decide(X, near, exact, labels, d1)
    return Nearest(labels, d1, len(near))


def distances(X: Array, centres: Array) -> Array:
    """Sum of absolute differences of each row to each centre: (n, k) of X's dtype.

    >>> distances(np.array([[3.0, 4.0]]), np.zeros((1, 2))).tolist()
    [[7.0]]
    """
    _check(X, centres)
    out = np.empty((len(X), len(centres)), X.dtype)
    _all(np.ascontiguousarray(X), np.array(np.transpose(centres), np.float64, order="C"), out)
    return out


def cell_sums(X: Array, weight: Array, labels: Array, lows: Array, steps: Array, n: int) -> Array:
    """What a histogram of each column of each cluster counts: the summary of k-medians.

    Cells 1 to n of column t of cluster j are `steps[j, t]` wide and begin at `lows[j, t]`; cell 0
    is all below, cell n + 1 all above. Sums run in row order.

    Args:
        X: (m, d) float.
        weight: (m,) float64.
        labels: (m,) int32.
        lows, steps: (k, d) float64; steps above 0.
        n: cells between those two.

    Returns:
        (k, d, n + 2, 2) float64: sums of weight, and of weight * value.

    >>> X, one = np.array([[0.5], [3.0]]), np.ones((1, 1))
    >>> cell_sums(X, np.ones(2), np.zeros(2, np.int32), 0 * one, one, 2)[0, 0].tolist()
    [[0.0, 0.0], [1.0, 0.5], [0.0, 0.0], [1.0, 3.0]]
    """
    cells = np.zeros((*lows.shape, n + 2, 2))
    order = np.argsort(labels, kind="stable")  # a cluster's cells stay in the cache; same bits
    _count(np.ascontiguousarray(X), order, weight, labels, lows, 1.0 / steps, cells)
    return cells


def lower(
    turned: Array, weight: Array, d1: Array, centres: Array, lowered: Array, cost: Array
) -> None:
    """As `truth.lower`, of absolute differences: what `d1` would be with one centre more.

    turned (d, m) float, the rows; weight, d1 (m,) float64; centres (q, d) float64. Written: lowered
    (q, m), the lesser of d1 and the distance; cost (q,), its weighted sum in row order.
    """
    _lower(turned, weight, d1, centres, lowered, cost)


def _check(X: Array, centres: Array) -> None:
    """Compiled code checks no bounds, so nothing of another width may come to it."""
    if centres.ndim != 2 or len(centres) < 1 or X.shape[1] != centres.shape[1]:
        raise ValueError(f"rows of {X.shape[1]} columns, centres of shape {centres.shape}")


def _filter(X: Array, centres: Array, labels: Array, near: Array) -> int:
    """Write labels, and to `near` the rows whose label is not certain; return their number."""
    gamma = (X.shape[1] + 2) * (2.0**-24 + 2.0**-51) * (1 + 2.0**-9)
    return int(_two_nearest(X, centres, (1 + gamma) / (1 - gamma), labels, near))


@strict
def _spans(turned: Array, first: int, lanes: int, centres: Array, j: int, out: Array) -> None:
    """Sums of absolute differences of some columns of `turned` (d, m) to one centre (k, d)."""
    d = turned.shape[0]
    start = numba.uintp(first)
    for i in range(lanes):
        out[i] = 0
    for t in range(0, d - 3, 4):  # four terms for one load and store of the sum
        c0, c1, c2, c3 = centres[j, t], centres[j, t + 1], centres[j, t + 2], centres[j, t + 3]
        for i in range(lanes):
            at = start + numba.uintp(i)
            s = out[i] + abs(turned[t, at] - c0)
            s += abs(turned[t + 1, at] - c1)
            s += abs(turned[t + 2, at] - c2)
            out[i] = s + abs(turned[t + 3, at] - c3)
    for t in range(d // 4 * 4, d):
        for i in range(lanes):
            out[i] += abs(turned[t, start + numba.uintp(i)] - centres[j, t])


@scan
def _closer(now: Array, own: Any, least: Array, second: Array, label: Array) -> None:
    """Go on with the two least of each lane, and whose the first is."""
    for i in range(len(now)):
        value = now[i]
        second[i] = min(second[i], max(value, least[i]))
        label[i] = own if value < least[i] else label[i]
        least[i] = min(least[i], value)


@strict
def _two_nearest(X: Array, centres: Array, doubt: float, labels: Array, near: Array) -> int:
    """Labels by float32 sums; rows whose two least are within a factor `doubt` go to `near`."""
    n, d = X.shape
    turned = np.zeros((d, LANES), np.float32)
    now, least, second = turned[0].copy(), turned[0].copy(), turned[0].copy()
    label = np.empty(LANES, np.int32)
    n_near = 0
    for first in range(0, n, LANES):
        lanes = min(LANES, n - first)
        for i in range(lanes):
            for t in range(d):
                turned[t, i] = X[first + i, t]
        least[:], second[:], label[:] = np.inf, np.inf, 0
        for j in range(len(centres)):
            _spans(turned, 0, LANES, centres, j, now)
            _closer(now, np.int32(j), least, second, label)
        for i in range(lanes):
            labels[first + i] = label[i]
            if np.float64(second[i]) <= np.float64(least[i]) * doubt:
                near[n_near] = first + i
                n_near += 1
    return n_near


@strict
def _decide(X: Array, rows: Array, centres: Array, labels: Array, d1: Array) -> None:
    """The nearest centre of each row in `rows` (m,) int64, the lowest of equals, by definition."""
    m, d = len(rows), X.shape[1]
    turned = np.zeros((d, LANES))
    now, best = np.empty(LANES), np.empty(LANES)
    label = np.empty(LANES, np.int32)
    for first in range(0, m, LANES):
        lanes = min(LANES, m - first)
        for i in range(lanes):
            best[i] = np.inf
            label[i] = 0
            for t in range(d):
                turned[t, i] = X[rows[first + i], t]
        for j in range(len(centres)):
            _spans(turned, 0, lanes, centres, j, now)
            own = np.int32(j)
            for i in range(lanes):
                label[i] = own if now[i] < best[i] else label[i]
                best[i] = now[i] if now[i] < best[i] else best[i]
        for i in range(lanes):
            labels[rows[first + i]] = label[i]
            d1[rows[first + i]] = best[i]


@strict
def _measure(X: Array, centres: Array, labels: Array, d1: Array) -> None:
    """Sum of absolute differences of each row to the centre of its label, by definition."""
    n, d = X.shape
    for first in range(0, n, 4):  # four sums at once hide the latency of each
        i0, i1 = first, min(first + 1, n - 1)
        i2, i3 = min(first + 2, n - 1), min(first + 3, n - 1)
        j0, j1, j2, j3 = labels[i0], labels[i1], labels[i2], labels[i3]
        s0 = s1 = s2 = s3 = 0.0
        for t in range(d):
            s0 += abs(X[i0, t] - centres[j0, t])
            s1 += abs(X[i1, t] - centres[j1, t])
            s2 += abs(X[i2, t] - centres[j2, t])
            s3 += abs(X[i3, t] - centres[j3, t])
        d1[i0], d1[i1], d1[i2], d1[i3] = s0, s1, s2, s3


@strict
def _all(X: Array, turned: Array, out: Array) -> None:
    """X (n, d) float; turned (d, k) float64, the centres; out (n, k) float, written."""
    n, d = X.shape
    k = turned.shape[1]
    s = np.empty(k)
    for i in range(n):
        s[:] = 0.0
        for t in range(d):
            x = np.float64(X[i, t])
            for j in range(k):
                s[j] += abs(x - turned[t, j])
        for j in range(k):
            out[i, j] = s[j]


@strict
def _count(
    X: Array,
    order: Array,
    weight: Array,
    labels: Array,
    lows: Array,
    inverse: Array,
    cells: Array,
) -> None:
    """cells (k, d, n + 2, 2) += the rows, in the order given."""
    d, last = X.shape[1], cells.shape[2] - 1
    for i in order:
        j, w = labels[i], weight[i]
        for t in range(d):
            x = np.float64(X[i, t])
            place = (x - lows[j, t]) * inverse[j, t]
            at = last if place >= last - 1 else np.intp(place) + 1
            at = at if place >= 0.0 else 0
            cells[j, t, at, 0] += w
            cells[j, t, at, 1] += w * x


@strict
def _lower(
    turned: Array, weight: Array, d1: Array, centres: Array, lowered: Array, cost: Array
) -> None:
    d, m = turned.shape
    width = max(64, min(1024, 32768 // d))  # of rows that stay in the cache for all centres
    now = np.empty(width)
    cost[:] = 0.0
    for first in range(0, m, width):
        start = numba.uintp(first)
        lanes = min(width, m - first)
        for q in range(len(centres)):
            _spans(turned, first, lanes, centres, q, now)
            for i in range(lanes):
                old = d1[start + numba.uintp(i)]
                lowered[q, start + numba.uintp(i)] = now[i] if now[i] < old else old
        for i in range(lanes):
            for q in range(len(centres)):
                cost[q] += weight[first + i] * lowered[q, first + i]
