"""The nearest centre of each row, and what each centre's rows say: the inner loop of k-means.

Fast and certified. Distances are compared in float32 as a matrix product, which is only a filter:
rows whose two best centres are closer than a rigorous bound of its error are decided by the
definition, in `kernel/truth.py`. So labels, distances and sums have the same bits whatever the
BLAS, the CPU, the blocks or the threads.

Everything is moved by `shift` and scaled by a power of two, so that the centres are of size 1. With
a = x - shift, b_j = c_j - shift, A = |a|², B_j = |b_j|², the filter computes, with rounding,

    L_j = (B_j - γ B_j) - 2 a·b_j,   so that   L_j - γ A  <=  d2_j - A  <=  L_j + γ A + 2 γ B_j,

and the label of least L is certain where the second least L is more than 2 γ (A + B_label) above.
γ = (d + 8) u (1 + ..), u the unit round-off: 2 |a||b| <= A + B times at most d roundings in a
product that is summed in any order, and 2 of a and b; 5 for B, L and their comparison; as much
again in units of 2^-51 for the rounding of the definition. How a BLAS blocks its sums is free.

Of many centres most are ruled out before, where that is faster: `kernel/pruned.py`.
"""

from __future__ import annotations

import functools
import math
import threading
import weakref
from typing import Any, NamedTuple

import numba
import numpy as np

from nacre.kernel import pruned
from nacre.kernel.truth import decide, measure, roots, strict, tally

Array = Any  # ndarray; the docstrings state shapes and dtypes

DIRECT = 160  # k * d up to which the definition is the fastest way
WIDE = 2048  # d beyond which the float32 bound is too loose, and the filter is float64
BLOCK = 256  # rows in a matrix product
TILE = 512  # centres in a matrix product
SCRATCH = 1 << 19  # numbers in a panel of products: many, as threads may wait between calls
PANEL = 1 << 20  # numbers in a panel of products of heads, which are looked at but once
FAR = 1e30  # beyond every scaled value
MANY = 96  # centres from which, with
BROAD = 192  # columns, and
MUCH = 1 << 16  # numbers in all, a look at a few directions may pay; and
ENOUGH = 1024  # rows for which they are worth finding

scan = numba.njit(nogil=True, cache=True, fastmath={"nnan", "ninf", "nsz"})
any_order = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})


class Nearest(NamedTuple):
    """What `nearest` found.

    Attributes:
        labels: (n,) int32.
        d2: (n,) float64, squared distance to the centre of the label.
        n_near: rows that the filter left open; it depends on the BLAS, the rest does not.
    """

    labels: Array
    d2: Array
    n_near: int


class Assigned(NamedTuple):
    """What `assign_sums` found.

    Attributes:
        labels, d2, n_near: as in Nearest.
        weights: (k,) float64 sum of weights; int64 counts where all rows count once.
        sums: (k, d) float64 sum of weight * row.
        sse: (k,) float64 sum of weight * d2.
    """

    labels: Array
    d2: Array
    weights: Array
    sums: Array
    sse: Array
    n_near: int


class Filter(NamedTuple):
    """The centres as the filter sees them; K is k rounded up to a multiple of 4, float its dtype.

    Attributes:
        aimed: (d, K) float: -2 b, scaled.
        lows: (K,) float: B - γ B; FAR where there is no centre.
        doubts: (K,) float32: 2 γ B.
        shift: (d,) of the rows' dtype.
        scale: a power of two, of the rows' dtype.
        gamma: float32: 2 γ.
    """

    aimed: Array
    lows: Array
    doubts: Array
    shift: Array
    scale: Any
    gamma: Any


class Scratch(threading.local):
    """Memory that a thread keeps between calls, at most a few MB.

    Given back to the system and taken again for each batch, it would make a pass a third slower
    where malloc trims eagerly, as in workers of Dask.
    """

    def __init__(self) -> None:
        self.kept: dict[str, Array] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array of any content, valid until the name is taken again by this thread."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if len(self.kept.get(name, ())) < size:
            self.kept[name] = np.empty(size, np.uint8)
        return self.kept[name][:size].view(dtype).reshape(shape)


_scratch = Scratch()


class Sight:
    """What a pass makes of its centres once, for all batches.

    Attributes:
        exact: (k, d) float64, a copy of the centres.
        shift, dtype: what the filter was made for.
        filter: the centres as the filter sees them.
        of: a weak reference to the array that they were given in.
        n_rows: rows that were looked at, about: threads may count at once.
    """

    def __init__(self, centres: Array, shift: Array, dtype: Any) -> None:
        self.exact = np.array(centres, np.float64, order="C")
        self.shift, self.dtype = np.array(shift), dtype
        self.filter = _aim(self.exact, shift, dtype)
        self.of = weakref.ref(centres, _forget)
        self.n_rows = 0

    def is_of(self, centres: Array, shift: Array, dtype: Any) -> bool:
        """Whether these are the very centres; they may have been written to."""
        same = self.of() is centres and self.dtype == dtype and np.array_equal(self.shift, shift)
        return same and np.array_equal(centres, self.exact)

    @functools.cached_property
    def head(self) -> pruned.Head | None:
        """The centres in a few directions, found when they are first asked for."""
        k = len(self.exact)
        return pruned.head_of(self.filter.aimed[:, :k], self.filter.lows[:k])

    def head_for(self, n: int) -> pruned.Head | None:
        """The head, for n rows more; None where it would not pay."""
        k, d = self.exact.shape
        self.n_rows += n
        pays = k >= MANY and d >= BROAD and k * d >= MUCH and self.n_rows >= ENOUGH
        return self.head if pays else None


_last: dict[str, Sight] = {}  # the last one, while the centres are there


def _sight(centres: Array, shift: Array, dtype: Any) -> Sight:
    last = _last.get("sight")
    if last is None or not last.is_of(centres, shift, dtype):
        last = _last["sight"] = Sight(centres, shift, dtype)
    return last


def _forget(gone: Any) -> None:
    last = _last.get("sight")
    if last is not None and last.of is gone:
        _last.pop("sight", None)


def nearest(X: Array, centres: Array, shift: Array) -> Nearest:
    """The nearest centre of each row, the lowest of equals.

    Args:
        X: (n, d) float32 or float64, no NaN; squares must not overflow.
        centres: (k, d) of X's dtype, k at least 1.
        shift: (d,) float: a point amid the data, at best their mean; it changes the speed alone.

    >>> found = nearest(np.array([[0.0], [0.9]]), np.array([[1.0], [0.0], [0.0]]), np.zeros(1))
    >>> found.labels.tolist(), found.d2.round(2).tolist()
    ([1, 0], [0.0, 0.01])
    """
    _check(X, centres)
    if len(shift) != X.shape[1]:
        raise ValueError(f"rows of {X.shape[1]} columns, a shift of {len(shift)}")
    X = np.ascontiguousarray(X)
    labels, d2 = np.empty(len(X), np.int32), np.empty(len(X))
    n_near = _label(X, centres, shift, labels, d2)
    return Nearest(labels, d2, n_near)


def assign_sums(X: Array, weight: Array | None, centres: Array, shift: Array) -> Assigned:
    """The nearest centre of each row, and the sums over the rows of each centre, in row order.

    Args:
        X, centres, shift: as for `nearest`.
        weight: (n,) float64, at least 0; None counts each row once.

    >>> X = np.array([[0.0], [2.0], [9.0]])
    >>> told = assign_sums(X, None, np.array([[0.0], [9.0]]), np.zeros(1))
    >>> told.weights.tolist(), told.sums.tolist(), told.sse.tolist()
    ([2, 1], [[2.0], [9.0]], [4.0, 0.0])
    """
    X = np.ascontiguousarray(X)
    labels, d2, n_near = nearest(X, centres, shift)
    k, d = centres.shape
    weights, sums, sse = np.zeros(k), np.zeros((k, d)), np.zeros(k)
    w = np.ones(len(X)) if weight is None else np.array(weight, np.float64)
    tally(X, w, labels, d2, weights, sums, sse)
    counted = weights.astype(np.int64) if weight is None else weights
    return Assigned(labels, d2, counted, sums, sse, n_near)


def distances(X: Array, centres: Array) -> Array:
    """Euclidean distance of each row to each centre: (n, k) of X's dtype, computed in float64.

    >>> distances(np.array([[3.0, 4.0]]), np.zeros((1, 2))).tolist()
    [[5.0]]
    """
    _check(X, centres)
    out = np.empty((len(X), len(centres)), X.dtype)
    roots(np.ascontiguousarray(X), np.array(np.transpose(centres), np.float64, order="C"), out)
    return out


def _check(X: Array, centres: Array) -> None:
    """Compiled code checks no bounds, so nothing of another width may come to it."""
    if centres.ndim != 2 or len(centres) < 1 or X.shape[1] != centres.shape[1]:
        raise ValueError(f"rows of {X.shape[1]} columns, centres of shape {centres.shape}")


def _label(X: Array, centres: Array, shift: Array, labels: Array, d2: Array) -> int:
    """Write labels and d2."""
    n, k = len(X), len(centres)
    if k == 1 or centres.size <= DIRECT:
        decide(X, np.arange(n), np.array(centres, np.float64, order="C"), labels, d2)
        return 0
    near = np.empty(n, np.int64)
    with np.errstate(all="ignore"):  # some BLAS raise flags where nothing is wrong
        sight = _sight(centres, shift, X.dtype)
        done, n_near = _prune(X, sight, labels, near)
        rest = near[n_near:]
        n_rest = _filter(X[done:], sight.filter, labels[done:], rest)
        rest[:n_rest] += done
    measure(X, sight.exact, labels, d2)
    decide(X, near[: n_near + n_rest], sight.exact, labels, d2)
    return n_near + n_rest


def _prune(X: Array, sight: Sight, labels: Array, near: Array) -> tuple[int, int]:
    """As `_filter`, by heads of rows and centres; return first how many rows were done: some, where
    too many centres were left.
    """
    (n, d), head = X.shape, sight.head_for(len(X))
    if head is None:
        return 0, 0
    aim, told = sight.filter, np.zeros(3, np.int64)
    h, K = head.aimed.shape
    width = max(16, min(BLOCK, PANEL // max(K, d) // 16 * 16))
    rows = _scratch.take("rows", (width, d), aim.aimed.dtype)
    heads = _scratch.take("heads", (width, h), aim.aimed.dtype)
    products = _scratch.take("products", (width, K), aim.aimed.dtype)
    doubt = np.empty(width, np.float32)
    for first in range(0, n, width):
        here = slice(first, first + width)
        m = len(labels[here])
        _move(X[here], aim.shift, aim.scale, aim.gamma, rows, doubt)
        np.matmul(rows[:m], head.basis, out=heads[:m])
        pruned.tails(heads[:m], doubt, aim.gamma, head.kappa)
        np.matmul(heads[:m], head.aimed, out=products[:m])
        seen = rows[:m], products[:m], doubt
        whole = aim.lows, aim.doubts, aim.gamma
        pruned.settle(seen, head, whole, first, labels[here], near, told)
        if told[0] < first + m:
            break
    return int(told[0]), int(told[2])


def _filter(X: Array, aim: Filter, labels: Array, near: Array) -> int:
    """Write the labels, and to `near` the rows whose label is not certain; return their number."""
    (n, d), K, dtype = X.shape, aim.aimed.shape[1], aim.aimed.dtype
    width = max(16, min(BLOCK, -(-n // 16) * 16, (1 << 20) // d // 16 * 16))
    tile = min(TILE, K)
    n_blocks = max(1, min(16, -(-n // width), SCRATCH // (width * max(d, tile))))
    rows = _scratch.take("rows", (n_blocks, width, d), dtype)
    flat = rows.reshape(-1, d)
    products = _scratch.take("products", (n_blocks * tile * width,), dtype)
    least, label = np.empty((2, n_blocks, width), dtype), np.empty((n_blocks, width), np.int32)
    doubt = np.empty(n_blocks * width, np.float32)
    n_near = 0
    for first in range(0, n, n_blocks * width):
        here = slice(first, first + n_blocks * width)
        n_here = len(labels[here])
        used = -(-n_here // width)
        _move(X[here], aim.shift, aim.scale, aim.gamma, flat, doubt)
        flat[n_here : used * width] = 0
        for start in range(0, K, tile):
            some = aim.aimed[:, start : start + tile].T
            product = products[: used * len(some) * width].reshape(used, len(some), width)
            np.matmul(some, rows[:used].swapaxes(1, 2), out=product)
            _two_least(product, start, aim.lows, least, label)
        found = least.reshape(2, -1), label.reshape(-1)
        n_near += _certify(*found, doubt, aim.doubts, first, labels[here], near[n_near:])
    return n_near


def _aim(centres: Array, shift: Array, dtype: Any) -> Filter:
    k, d = centres.shape
    kind = np.float32 if d <= WIDE else np.float64
    unit = (2.0**-24 if d <= WIDE else 2.0**-53) + 2.0**-51
    gamma = (d + 8) * unit * (1 + 2.0**-10 + d * 2.0**-23)
    K = -(-k // 4) * 4
    aimed, lows = np.zeros((d, K), kind), np.full(K, FAR, kind)
    doubts = np.zeros(K, np.float32)
    moved = np.array(shift, np.result_type(dtype, kind))
    scale = _aim_at(centres, moved.astype(np.float64), gamma, aimed, lows, doubts)
    return Filter(aimed, lows, doubts, moved, moved.dtype.type(scale), np.float32(2 * gamma))


@strict
def _aim_at(
    centres: Array, shift: Array, gamma: float, aimed: Array, lows: Array, doubts: Array
) -> float:
    """Fill in a Filter's arrays; return the scale."""
    k, d = centres.shape
    reach = 0.0
    for j in range(k):
        for t in range(d):
            reach = max(reach, abs(centres[j, t] - shift[t]))
    scale = math.ldexp(1.0, -max(-120, math.frexp(reach)[1]))  # 2^240 keeps what underflows small
    for j in range(k):
        norm = 0.0
        for t in range(d):
            b = (centres[j, t] - shift[t]) * scale
            aimed[t, j] = -2.0 * b
            norm += b * b
        doubt = gamma * norm + 2.0**-60  # more than all that can underflow
        lows[j] = norm - doubt
        doubts[j] = 2.0 * doubt
    return scale


@any_order
def _norm(rows: Array, i: int) -> Any:
    total = np.float32(0)
    for t in range(rows.shape[1]):
        total += np.float32(rows[i, t] * rows[i, t])
    return total


@strict
def _move(X: Array, shift: Array, scale: Any, gamma: Any, rows: Array, doubt: Array) -> None:
    """Write a = (x - shift) * scale to rows (at least n, d), and 2 γ A to doubt (at least n,)."""
    n, d = X.shape
    huge = np.float32(2.0**60)
    for i in range(n):
        for t in range(d):
            rows[i, t] = (X[i, t] - shift[t]) * scale
        norm = _norm(rows, i)
        doubt[i] = gamma * norm
        if not norm < huge:  # too far for float32: never certain, so that the truth decides
            doubt[i] = huge
            rows[i, :] = 0


@scan
def _closer(value: Any, own: Any, least: Any, second: Any, label: Any) -> tuple[Any, Any, Any]:
    """(least, second, label) after one more value."""
    second = min(second, max(value, least))
    label = own if value < least else label
    return min(least, value), second, label


@scan
def _two_least(product: Array, first: int, lows: Array, least: Array, label: Array) -> None:
    """Go on with the two least L of each row, and whose the first is.

    product (blocks, centres, width): -2 a·b of the centres from `first` on, a multiple of 4; least
    (2, blocks, width) float; label (blocks, width) int32. Rows are the inner loop, so that it
    vectorises; four centres share the loads and stores.
    """
    blocks, k, width = product.shape
    for b in range(blocks):
        if first == 0:
            least[0, b, :], least[1, b, :], label[b, :] = FAR, FAR, 0
        for j in range(0, k, 4):
            own = np.int32(first + j)
            low0, low1, low2, low3 = lows[own], lows[own + 1], lows[own + 2], lows[own + 3]
            for i in range(width):
                s = least[0, b, i], least[1, b, i], label[b, i]
                s = _closer(low0 + product[b, j, i], own, *s)
                s = _closer(low1 + product[b, j + 1, i], own + np.int32(1), *s)
                s = _closer(low2 + product[b, j + 2, i], own + np.int32(2), *s)
                s = _closer(low3 + product[b, j + 3, i], own + np.int32(3), *s)
                least[0, b, i], least[1, b, i], label[b, i] = s


@strict
def _certify(
    least: Array, label: Array, doubt: Array, doubts: Array, first: int, labels: Array, near: Array
) -> int:
    """Write the labels, and first + i to `near` where the two least L are too close; count those.

    least (2, at least n) float; label, doubt (at least n,); doubts (K,); labels (n,) int32.
    """
    n_near = 0
    for i in range(len(labels)):
        labels[i] = label[i]
        if least[1, i] - least[0, i] <= doubt[i] + doubts[label[i]]:
            near[n_near] = first + i
            n_near += 1
    return n_near
