"""Squared distances as they are defined: the truth that every faster way must return, bit for bit.

    d2[i, j] = sum over t = 0, 1, .. d-1, in this order, of (float64(x[i, t]) - float64(c[j, t]))**2

Nothing here is reassociated or fused, so no bit depends on the CPU or on which rows come together:
the loops run across rows, which SIMD may take side by side, and within a row the order of t stands.

Offsets into a row are unsigned: a signed index may count from the end, and numba's test for that
keeps LLVM from vectorising (three times slower). Kernels call only kernels of their own file,
because numba's cache of one file does not notice a change in another.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = Any  # ndarray; the docstrings state shapes and dtypes

strict = numba.njit(nogil=True, cache=True)  # no fastmath, ever

LANES = 128  # rows in a tile of `decide`; 64 to 256 were equally fast


@strict
def squares(turned: Array, first: int, lanes: int, centres: Array, j: int, out: Array) -> None:
    """Squared distances of some columns of `turned` to one centre.

    turned (d, m) float; centres (k, d) float64; out (at least lanes,) float64.
    """
    d = turned.shape[0]
    start = numba.uintp(first)
    for i in range(lanes):
        out[i] = 0.0
    for t in range(0, d - 3, 4):  # four terms for one load and store of the sum
        c0, c1, c2, c3 = centres[j, t], centres[j, t + 1], centres[j, t + 2], centres[j, t + 3]
        for i in range(lanes):
            at = start + numba.uintp(i)
            z = turned[t, at] - c0
            s = out[i] + z * z
            z = turned[t + 1, at] - c1
            s += z * z
            z = turned[t + 2, at] - c2
            s += z * z
            z = turned[t + 3, at] - c3
            out[i] = s + z * z
    for t in range(d // 4 * 4, d):
        for i in range(lanes):
            z = turned[t, start + numba.uintp(i)] - centres[j, t]
            out[i] += z * z


@strict
def decide(X: Array, rows: Array, centres: Array, labels: Array, d2: Array) -> None:
    """The nearest centre of each row in `rows`, the lowest of equals, by definition.

    X (n, d) float; rows (m,) int64; centres (k, d) float64; labels (n,) int32 and d2 (n,) float64
    are written at `rows`.
    """
    m, d = len(rows), X.shape[1]
    width = max(8, min(LANES, (m + 7) // 8 * 8))
    turned = np.zeros((d, width))
    now, best = np.empty(width), np.empty(width)
    label = np.empty(width, np.int32)
    for first in range(0, m, width):
        lanes = min(width, m - first)
        for i in range(lanes):
            row = rows[first + i]
            best[i] = np.inf
            label[i] = 0
            for t in range(d):
                turned[t, i] = X[row, t]
        for j in range(len(centres)):
            squares(turned, 0, lanes, centres, j, now)
            own = np.int32(j)
            for i in range(lanes):
                label[i] = own if now[i] < best[i] else label[i]
                best[i] = now[i] if now[i] < best[i] else best[i]
        for i in range(lanes):
            labels[rows[first + i]] = label[i]
            d2[rows[first + i]] = best[i]


@strict
def measure(X: Array, centres: Array, labels: Array, d2: Array) -> None:
    """Squared distance of each row to the centre of its label.

    X (n, d) float; centres (k, d) float64; labels (n,) int32; d2 (n,) float64, written.
    """
    n, d = X.shape
    squared = np.empty((4, d))
    for first in range(0, n, 4):  # four sums at once hide the latency of each
        for q in range(4):
            row = min(first + q, n - 1)
            j = labels[row]
            for t in range(d):
                z = X[row, t] - centres[j, t]
                squared[q, t] = z * z
        s0 = s1 = s2 = s3 = 0.0
        for t in range(d):
            s0 += squared[0, t]
            s1 += squared[1, t]
            s2 += squared[2, t]
            s3 += squared[3, t]
        s = (s0, s1, s2, s3)
        for q in range(min(4, n - first)):
            d2[first + q] = s[q]


@strict
def tally(
    X: Array, weight: Array, labels: Array, d2: Array, weights: Array, sums: Array, sse: Array
) -> None:
    """Add each row to its centre's sums, in row order.

    X (n, d) float; weight, d2 (n,) float64; labels (n,) int32; weights, sse (k,) and sums (k, d)
    float64 are added to.
    """
    n, d = X.shape
    for i in range(n):
        j, w = labels[i], weight[i]
        weights[j] += w
        sse[j] += w * d2[i]
        for t in range(d):
            sums[j, t] += w * X[i, t]


@strict
def roots(X: Array, turned: Array, out: Array) -> None:
    """Distance of each row to each centre.

    X (n, d) float; turned (d, k) float64, the centres; out (n, k) float, written.
    """
    n, d = X.shape
    k = turned.shape[1]
    s = np.empty(k)
    for i in range(n):
        for j in range(k):
            s[j] = 0.0
        for t in range(0, d - 3, 4):
            x0, x1, x2, x3 = X[i, t], X[i, t + 1], X[i, t + 2], X[i, t + 3]
            for j in range(k):
                z = x0 - turned[t, j]
                r = s[j] + z * z
                z = x1 - turned[t + 1, j]
                r += z * z
                z = x2 - turned[t + 2, j]
                r += z * z
                z = x3 - turned[t + 3, j]
                s[j] = r + z * z
        for t in range(d // 4 * 4, d):
            for j in range(k):
                z = X[i, t] - turned[t, j]
                s[j] += z * z
        for j in range(k):
            out[i, j] = np.sqrt(s[j])


@strict
def lower(
    turned: Array, weight: Array, d2: Array, centres: Array, lowered: Array, cost: Array
) -> None:
    """What `d2` would be with one centre more, for each of some centres, and its weighted sum.

    turned (d, m) float, the rows; weight, d2 (m,) float64; centres (q, d) float64. Written: lowered
    (q, m), the lesser of d2 and the squared distance; cost (q,), its weighted sum in row order.
    """
    d, m = turned.shape
    width = max(64, min(1024, 32768 // d))  # of rows that stay in the cache for all centres
    now = np.empty(width)
    cost[:] = 0.0
    for first in range(0, m, width):
        start = numba.uintp(first)
        lanes = min(width, m - first)
        for q in range(len(centres)):
            squares(turned, first, lanes, centres, q, now)
            for i in range(lanes):
                old = d2[start + numba.uintp(i)]
                lowered[q, start + numba.uintp(i)] = now[i] if now[i] < old else old
        for i in range(lanes):
            for q in range(len(centres)):
                cost[q] += weight[first + i] * lowered[q, first + i]


@strict
def merges(turned: Array, weights: Array, costs: Array, partners: Array) -> None:
    """What it costs at least to merge a centre into one that outweighs it, and into which: Ward's
    criterion, w_i w_j / (w_i + w_j) |c_i - c_j|², the squared error that their rows have more.

    turned (d, k) float64, the centres; weights (k,) float64; of equal weights the lower outweighs.
    Written: costs (k,) float64, inf for the heaviest; partners (k,) int64, the lowest of equals.
    """
    d, k = turned.shape
    now, centre = np.empty(k), np.empty((1, d))
    for i in range(k):
        costs[i], partners[i] = np.inf, i
        for t in range(d):
            centre[0, t] = turned[t, i]
        squares(turned, 0, k, centre, 0, now)
        for j in range(k):
            heavier = weights[j] > weights[i] or (weights[j] == weights[i] and j < i)
            both = weights[i] + weights[j]
            cost = now[j] * (weights[i] * weights[j] / both) if both > 0 else 0.0
            if heavier and cost < costs[i]:
                costs[i], partners[i] = cost, j
