"""Most centres of many are ruled out by a look at a few directions: a head of each row and centre.

The product of all rows with all centres is what a pass of k-means costs. Where the centres spread
mostly along some h directions, h much less than d, a product of h + 1 columns bounds every distance
from below; the few centres that it leaves are looked at whole. It is a filter, as the whole product
in `kernel/assign.py` is, and as certain: which centre is the nearest does not depend on it.

With the notation of that file, a and b_j as they are stored, u the unit round-off, and a matrix P
(d, h) of nearly orthonormal columns, any that are computed, for which alone is asked

    E = P'P - I,  |E| <= ε.   Let p = P'a + e, q_j = P'b_j + e_j,  |e| <= θ |a|,  |e_j| <= θ |b_j|,

θ = √h d u (1 + ..), be the heads as they come out of a product that is summed in any order. With
the residuals r = a - P p and r_j = b_j - P q_j, by expansion and then by Cauchy-Schwarz,

    a·b_j = p·q_j - p·e_j - q_j·e - p'E q_j + r·r_j
         <= p·q_j + |r| |r_j| + (2 θ + ε) (1 + ..) |a| |b_j|,
    |r|²  = A - |p|² + 2 p·e + p'E p  <=  A - |p|² + (2 θ + ε) (1 + ..) A  =: s²,   and s_j alike.

So with 2 |a| |b_j| <= A + B_j, and κ = 1.05 (2 θ + ε + (2 d + 2 h + 16) 2^-24), whose last term is
for the rounding of A, which is a sum in float32, of |p|², s and the h + 1 terms of the product,

    H_j = (B_j - γ B_j - κ B_j) - 2 (p·q_j + s s_j)   has   H_j - κ A - γ A  <=  d2_j - A,

and no centre can be nearest, nor as near as c, of which  H_j > L_c + 2 γ A + κ A + 2 γ B_c. What
underflows is less than the 2^-59 by which H_j is lowered, as B_j is about 1; only s, a root of what
may underflow, is raised by 2^-38 for it.

The directions are those of the centres' greatest spread, roughly: one step of subspace iteration
(Halko, Martinsson & Tropp 2011, algorithm 4.4) from some of the centres. The better they are, the
fewer centres are left; nothing else depends on them. SuperKMeans (Kuffo, Hepkema & Boncz 2026)
rules out by the head of a random rotation, at a chance of losing the nearest.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

Array = Any  # ndarray; the docstrings state shapes and dtypes

CHUNK = 8  # centres that are passed over together
FAR = 1e30  # beyond every scaled value
HUGE = 2.0**60  # the doubt of a row that is too far for the filter
LEFT = 0.06  # of the centres left, beyond which the whole product is faster
PATIENCE = 16  # rows that may leave all they like
TINY = 2.0**-38

scan = numba.njit(nogil=True, cache=True, fastmath={"nnan", "ninf", "nsz"})
any_order = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})


class Head(NamedTuple):
    """What is seen of the centres by a few directions; K is their number with padding.

    Attributes:
        basis: (d, h + 1) float: P, and a column of zeros.
        aimed: (h + 1, K) float: -2 q above -2 s.
        lows: (K,) float: B - γ B - κ B; FAR where there is no centre.
        whole: (K, d) float: -2 b, row by row.
        kappa: κ.
        most: centres that may be left for a row, on average.
    """

    basis: Array
    aimed: Array
    lows: Array
    whole: Array
    kappa: float
    most: float


def head_of(aimed: Array, lows: Array, n_directions: int = 0) -> Head | None:
    """The head of some centres; None where there are no directions, as of equal centres.

    Args:
        aimed: (d, k) float: -2 b, of size about 1.
        lows: (k,) float: B - γ B.
        n_directions: h, at most; 0 for as many as pay.
    """
    d, k = aimed.shape
    n_directions = n_directions or min(63, 31 + max(k, d) // 1024 * 16)
    kind = aimed.dtype
    b = aimed * kind.type(-0.5)
    B = (b * b).sum(axis=0, dtype=np.float64)
    if not 0 < B.sum() < FAR:
        return None
    basis = directions(aimed, n_directions).astype(kind)
    h = basis.shape[1]
    kappa = _kappa(basis)
    if h == 0 or not kappa < 2.0**-5:
        return None
    K = -(-k // (16 * CHUNK)) * 16 * CHUNK
    q = basis.T @ b
    tail = np.maximum(B - (q * q).sum(axis=0, dtype=np.float64), 0) + kappa * B
    padded, low = np.zeros((h + 1, K), kind), np.full(K, FAR, kind)
    padded[:h, :k], padded[h, :k] = -2 * q, -2 * (np.sqrt(tail) + TINY)
    there = lows < FAR
    low[:k][there] = (lows - kappa * B - 2.0**-59)[there]
    wide = np.concatenate([basis, np.zeros((d, 1), kind)], axis=1)
    return Head(wide, padded, low, np.ascontiguousarray(aimed.T), kappa, LEFT * K)


def directions(aimed: Array, n_directions: int) -> Array:
    """(d, h) float64, orthonormal: about those in which the columns of (d, k) are widest."""
    d, k = aimed.shape
    some = np.linspace(0, k - 1, min(n_directions, k, d)).astype(np.int64)
    start = orthonormal(aimed[:, some]).astype(aimed.dtype)
    return orthonormal(aimed @ (aimed.T @ start))


def orthonormal(Y: Array) -> Array:
    """An orthonormal basis (d, r) float64 of the span of the columns of Y (d, h), as far as it is
    sure.
    """
    Y = Y.astype(np.float64)
    values, vectors = np.linalg.eigh(Y.T @ Y)
    sure = values > 1e-9 * values.max(initial=0.0)
    return Y @ (vectors[:, sure] / np.sqrt(values[sure]))


def _kappa(basis: Array) -> float:
    """κ of a basis (d, h); its last term in units of float32, in which A is summed."""
    d, h = basis.shape
    unit = float(np.finfo(basis.dtype).eps) / 2
    exact = basis.astype(np.float64)
    epsilon = float(np.linalg.norm(exact.T @ exact - np.eye(h))) + h * d * 2.0**-52
    theta = math.sqrt(h) * d * unit * (1 + 2.0 * d * unit + epsilon)
    return float(1.05 * (2 * theta + epsilon + (2 * d + 2 * h + 16) * 2.0**-24))


@any_order
def tails(p: Array, doubt: Array, gamma: Any, kappa: float) -> None:
    """Write s to the last column of the heads p (n, h + 1) of rows whose 2 γ A is doubt (n,)."""
    n, h = p.shape[0], p.shape[1] - 1
    for i in range(n):
        seen = 0.0
        for t in range(h):
            seen += p[i, t] * p[i, t]
        A = doubt[i] / gamma
        p[i, h] = math.sqrt(max(0.0, A - seen) + kappa * A) + TINY


@scan
def _least_of_chunks(products: Array, lows: Array, leasts: Array) -> int:
    """products (K,) become H; leasts (m,) those of chunks c, c + m, c + 2 m, ..; the place of the
    least.
    """
    m = len(leasts)
    leasts[:] = FAR
    for first in range(0, len(products), m):
        for c in range(m):
            value = products[first + c] + lows[first + c]
            products[first + c] = value
            leasts[c] = min(leasts[c], value)
    chunk = 0
    for c in range(m):
        if leasts[c] < leasts[chunk]:
            chunk = c
    at = chunk
    for j in range(chunk, len(products), m):
        if products[j] < products[at]:
            at = j
    return at


@any_order
def _dot(a: Array, b: Array) -> Any:
    total = a[0] * b[0]
    for t in range(1, len(a)):
        total += a[t] * b[t]
    return total


@numba.njit(nogil=True, cache=True)
def _among(
    a: Array, aimed: Array, H: Array, leasts: Array, first: int, terms: tuple[Array, Array, float]
) -> tuple[int, float, int]:
    """(centre of least L, how much more the second least is, centres looked at) of those that H
    leaves; `first` is looked at first. terms: lows, doubts of the centres; slack of the row.
    """
    lows, doubts, slack = terms
    label, n_left = first, 1
    least, second = np.float64(lows[first] + _dot(a, aimed[first])), FAR
    most = least + slack + doubts[first]
    for c in range(len(leasts)):
        if leasts[c] > most:
            continue
        for j in range(c, len(H), len(leasts)):
            if H[j] > most or j == first:
                continue
            n_left += 1
            value = np.float64(lows[j] + _dot(a, aimed[j]))
            if value < least:
                label, least, second = j, value, least
                most = min(most, value + slack + doubts[j])
            elif value < second:
                second = value
    return label, second - least, n_left


@numba.njit(nogil=True, cache=True)
def settle(
    seen: tuple[Array, Array, Array],
    head: Head,
    whole: tuple[Array, Array, Any],
    first: int,
    labels: Array,
    near: Array,
    told: Array,
) -> None:
    """Write the labels of rows, and first + i to `near` where they are not certain.

    Args:
        seen: the rows (n, d), their heads' products (n, K), overwritten, and their 2 γ A.
        head: of the centres.
        whole: B - γ B (at least k,), 2 γ B (at least k,), 2 γ.
        first: number of the first row.
        labels: (n,) int32, written.
        near: (..,) int64, written from told[2] on.
        told: (3,) int64, added to: rows decided, centres left, rows near. Rows are decided until
            too many centres are left.
    """
    rows, products, doubt = seen
    lows, doubts, gamma = whole
    n, K = products.shape
    leasts = np.empty(K // CHUNK, products.dtype)
    for i in range(n):
        if told[1] > head.most * (told[0] + PATIENCE):
            break
        told[0] += 1
        label = _least_of_chunks(products[i], head.lows, leasts)
        sure = doubt[i] < HUGE
        if sure:
            slack = doubt[i] + head.kappa * (np.float64(doubt[i]) / gamma)
            terms = lows, doubts, slack
            label, gap, n_left = _among(rows[i], head.whole, products[i], leasts, label, terms)
            told[1] += n_left
            sure = gap > doubt[i] + doubts[label]
        labels[i] = label
        if not sure:
            near[told[2]] = first + i
            told[2] += 1
