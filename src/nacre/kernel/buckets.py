"""Log-linear buckets of numbers: the sign, the exponent and the first bits of the mantissa.

All bits of a float64 but its sign, read as an integer, grow with its size (IEEE 754). So its
*level*, that integer under the number's sign, orders the finite numbers, and cutting `shift` low
bits off makes buckets whose width is 2**(shift - 52) of the numbers in them, or less. Zero has a
bucket of its own; a positive number has 1 + (level >> shift), a negative one minus that.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

Array = Any

SIZE = 0x7FFFFFFFFFFFFFFF  # all bits but the sign
MANTISSA = 52  # bits of a float64's fraction
COLUMN = 1 << 29  # a key is column * COLUMN + bucket + COLUMN // 2
WIDE = 32  # columns at a time: their tables should fit into a cache
ROOMY = 4  # counters in a table for each value; beyond, values are sorted instead


@nb.njit(nogil=True, cache=True)
def level_of(x: Any) -> Any:
    """The level of a finite number, int64; 0 for both zeros."""
    bits = np.float64(x).view(np.int64)
    return bits & SIZE if bits >= 0 else -(bits & SIZE)


@nb.njit(nogil=True, cache=True)
def bucket_of(level: Any, shift: Any) -> Any:
    """The bucket that a level lies in."""
    if level == 0:
        return level
    return 1 + (level >> shift) if level > 0 else -1 - (-level >> shift)


@nb.njit(nogil=True, cache=True)
def extents(X: Array, shift: int, low: Array, high: Array) -> None:
    """low, high (d, 2): least and greatest size of a bucket, below zero and above, of each column.

    A side without a number keeps what it is given.
    """
    n, d = X.shape
    for i in range(n):
        for t in range(d):
            x = np.float64(X[i, t])
            bits = x.view(np.int64)
            if x == x and x != 0:
                side = np.int64(bits >= 0)
                size = 1 + ((bits & SIZE) >> shift)
                low[t, side] = min(low[t, side], size)
                high[t, side] = max(high[t, side], size)


@nb.njit(nogil=True, cache=True)
def tally(X: Array, weight: Array, shift: int, at: Array, table: Array) -> None:
    """table[at[t, side] + size of bucket] += weight; zeros at at[t, 2]; NaN nowhere."""
    n, d = X.shape
    for i in range(n):
        w = weight[i] if weight.size else 1.0
        for t in range(d):
            x = np.float64(X[i, t])
            if x == x:
                bits = x.view(np.int64)
                size = bits & SIZE
                place = at[t, np.int64(bits >= 0)] + 1 + (size >> shift)  # signs are hard to guess
                table[at[t, 2] if size == 0 else place] += w


@nb.njit(nogil=True, cache=True)
def read_off(table: Array, at: Array, low: Array, high: Array, keys: Array, sums: Array) -> int:
    """Keys and sums of what stands in a table, in the order of keys; how many there are."""
    n = 0
    for t in range(len(at)):
        middle = t * COLUMN + COLUMN // 2
        for size in range(high[t, 0], low[t, 0] - 1, -1):
            if table[at[t, 0] + size] > 0:
                keys[n], sums[n] = middle - size, table[at[t, 0] + size]
                n += 1
        if table[at[t, 2]] > 0:
            keys[n], sums[n] = middle, table[at[t, 2]]
            n += 1
        for size in range(low[t, 1], high[t, 1] + 1):
            if table[at[t, 1] + size] > 0:
                keys[n], sums[n] = middle + size, table[at[t, 1] + size]
                n += 1
    return n


@nb.njit(nogil=True, cache=True)
def keys_of(X: Array, weight: Array, shift: int, keys: Array, weights: Array) -> int:
    """The key and the weight of each number of weight above 0, row by row; how many there are."""
    n, d = X.shape
    found = 0
    for i in range(n):
        w = weight[i] if weight.size else 1.0
        for t in range(d):
            x = np.float64(X[i, t])
            if x == x and w > 0:
                keys[found] = t * COLUMN + COLUMN // 2 + bucket_of(level_of(x), shift)
                weights[found] = w
                found += 1
    return found


@nb.njit(nogil=True, cache=True)
def run_sums(keys: Array, weights: Array, out_keys: Array, sums: Array) -> int:
    """Sums over runs of equal keys, in order; how many runs there are."""
    n = 0
    for i in range(len(keys)):
        if n == 0 or keys[i] != out_keys[n - 1]:
            out_keys[n], sums[n] = keys[i], 0.0
            n += 1
        sums[n - 1] += weights[i]
    return n


@nb.njit(nogil=True, cache=True)
def merge(keys: Array, sums: Array, more_keys: Array, more: Array, out: Array, total: Array) -> int:
    """Two sparse sums as one: sorted keys, and at each a + b, or what one has alone; how many."""
    i, j, n = 0, 0, 0
    while i < len(keys) or j < len(more_keys):
        a = i < len(keys) and (j == len(more_keys) or keys[i] <= more_keys[j])
        b = j < len(more_keys) and (i == len(keys) or more_keys[j] <= keys[i])
        out[n] = keys[i] if a else more_keys[j]
        total[n] = sums[i] + more[j] if a and b else (sums[i] if a else more[j])
        i, j, n = i + a, j + b, n + 1
    return n


@nb.njit(nogil=True, cache=True)
def n_near(X: Array, shift: int, homes: Array) -> int:
    """How many pairs there are of a number and a bracket of its column with its bucket as home."""
    n, d = X.shape
    found = 0
    for i in range(n):
        for t in range(d):
            x = np.float64(X[i, t])
            if x == x:
                bucket = bucket_of(level_of(x), shift)
                for s in range(homes.shape[1]):
                    found += bucket == homes[t, s]
    return found


@nb.njit(nogil=True, cache=True)
def near(
    X: Array,
    weight: Array,
    shift: int,
    homes: Array,
    brackets: Array,
    keys: Array,
    weights: Array,
    most: Array,
) -> int:
    """Key and weight of each such pair: where in, below or above its bracket the number lies.

    Args:
        X: (n, d).
        weight: (n,), or empty where each row counts once.
        shift: of the buckets.
        homes: (d, b) int64 buckets.
        brackets: (d, b, 3) int64: first and last level, and the bits that a step takes off.
        keys, weights: to be filled; a key is the number of the bracket, then the step in it.
        most: (d, b, 2), raised to the greatest of minus the numbers inside, and of the numbers.
    """
    n, d = X.shape
    b = homes.shape[1]
    room = room_of(d * b)
    found = 0
    for i in range(n):
        w = weight[i] if weight.size else 1.0
        for t in range(d):
            x = np.float64(X[i, t])
            if x == x and w > 0:
                level = level_of(x)
                bucket = bucket_of(level, shift)
                for s in range(b):
                    if bucket == homes[t, s]:
                        step = step_of(
                            level, brackets[t, s, 0], brackets[t, s, 1], brackets[t, s, 2]
                        )
                        keys[found], weights[found] = ((t * b + s) << room) | step, w
                        found += 1
                        if brackets[t, s, 0] <= level <= brackets[t, s, 1]:
                            most[t, s, 0] = max(most[t, s, 0], -x)
                            most[t, s, 1] = max(most[t, s, 1], x)
    return found


@nb.njit(nogil=True, cache=True)
def step_of(level: Any, first: Any, last: Any, bits: Any) -> Any:
    """0 below a bracket, 1 and on for the steps in it, one more than the last above it."""
    if level < first:
        return np.int64(0)
    return 1 + ((level - first) >> bits) if level <= last else 2 + ((last - first) >> bits)


@nb.njit(nogil=True, cache=True)
def room_of(n_brackets: int) -> int:
    """Bits of a key that are left for the steps of a bracket."""
    bits = 63
    while n_brackets > 0:
        n_brackets >>= 1
        bits -= 1
    return bits


def bucket_sums(X: Array, weight: Array, shift: int) -> tuple[Array, Array]:
    """Keys (m,) int64, sorted, of the buckets with weight, and their weights (m,) float64.

    Args:
        X: (n, d); NaN is left out.
        weight: (n,), or empty where each row counts once.
        shift: bits that are cut off a level.
    """
    if X.shape[1] <= WIDE:
        return _bucket_sums(X, weight, shift)
    starts = range(0, X.shape[1], WIDE)
    blocks = (np.ascontiguousarray(X[:, start : start + WIDE]) for start in starts)
    found = [_bucket_sums(block, weight, shift) for block in blocks]
    keys = [keys + start * COLUMN for start, (keys, _) in zip(starts, found, strict=True)]
    return np.concatenate(keys), np.concatenate([sums for _, sums in found])


def _bucket_sums(X: Array, weight: Array, shift: int) -> tuple[Array, Array]:
    n, d = X.shape
    low, high = np.full((d, 2), COLUMN), np.zeros((d, 2), np.int64)
    extents(X, shift, low, high)
    widths = np.maximum(high - low + 1, 0)
    size = int(widths.sum()) + d
    if size > ROOMY * n * d:
        keys, weights = np.empty(n * d, np.int64), np.empty(n * d)
        found = keys_of(X, weight, shift, keys, weights)
        return summed(keys[:found], weights[:found])
    starts = np.hstack([widths, np.ones((d, 1), np.int64)])
    at = (np.cumsum(starts) - starts.ravel()).reshape(d, 3)
    at[:, :2] -= low
    table = np.zeros(size)
    tally(X, weight, shift, at, table)
    keys, sums = np.empty(size, np.int64), np.empty(size)
    found = read_off(table, at, low, high, keys, sums)
    return keys[:found].copy(), sums[:found].copy()


def summed(keys: Array, weights: Array) -> tuple[Array, Array]:
    """Sorted keys, once each, and the sums of their weights in the order that they came in."""
    order = np.argsort(keys, kind="stable")
    out, sums = np.empty(len(keys), np.int64), np.empty(len(keys))
    found = run_sums(keys[order], weights[order], out, sums)
    return out[:found].copy(), sums[:found].copy()


def bracket_sums(
    X: Array, weight: Array, shift: int, brackets: Array
) -> tuple[Array, Array, Array]:
    """Keys (m,) int64, sorted, and weights (m,) of the steps of brackets; (d, b, 2) their extremes.

    Args:
        X: (n, d); NaN is left out.
        weight: (n,), or empty where each row counts once.
        shift: of the buckets; a bracket lies in one of them.
        brackets: (d, b, 3), one without levels (last < first) finds nothing.
    """
    homes = buckets_of(brackets[:, :, 0], shift)
    homes[brackets[:, :, 1] < brackets[:, :, 0]] = COLUMN
    most = np.full((*homes.shape, 2), -np.inf)
    found = n_near(X, shift, homes)
    keys, weights = np.empty(found, np.int64), np.empty(found)
    found = near(X, weight, shift, homes, brackets, keys, weights, most)
    return (*summed(keys[:found], weights[:found]), most)


def merged(keys: Array, sums: Array, more_keys: Array, more: Array) -> tuple[Array, Array]:
    """Keys (m,) int64, sorted, and sums (m,) float64 of two sparse sums."""
    out, total = np.empty(len(keys) + len(more), np.int64), np.empty(len(keys) + len(more))
    n = merge(keys, sums, more_keys, more, out, total)
    return out[:n].copy(), total[:n].copy()


def levels(numbers: Array) -> Array:
    """The levels of finite numbers, int64.

    >>> levels(np.array([0.0, -0.0, 5e-324, -5e-324]))
    array([ 0,  0,  1, -1])
    """
    bits = np.asarray(numbers, np.float64).view(np.int64)
    return np.where(bits >= 0, bits & SIZE, -(bits & SIZE))


def numbers(levels: Array) -> Array:
    """The numbers of levels, float64: what `levels` undoes."""
    sizes = np.abs(np.asarray(levels, np.int64))
    return np.where(levels < 0, -1.0, 1.0) * sizes.view(np.float64)


def buckets_of(levels: Array, shift: int) -> Array:
    """The buckets that levels lie in, int64."""
    return np.sign(levels) * (1 + (np.abs(levels) >> shift))


def levels_in(buckets: Array, shift: int) -> tuple[Array, Array]:
    """First and last level of buckets, int64.

    >>> [int(edge[0]) for edge in levels_in(np.array([-2]), 3)]
    [-15, -8]
    """
    low = np.maximum((np.abs(buckets) - 1) << shift, np.abs(np.sign(buckets)))  # 0 is alone
    high = np.where(buckets == 0, 0, (np.abs(buckets) << shift) - 1)
    return np.where(buckets < 0, -high, low), np.where(buckets < 0, -low, high)


def middles(first: Array, last: Array) -> Array:
    """The numbers halfway between those of two levels of one sign."""
    low, high = numbers(first), numbers(last)
    return low + (high - low) / 2
