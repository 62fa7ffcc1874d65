"""64-bit hashes of texts and numbers: fixed for ever, the same everywhere; no defence against an
enemy.

A text is hashed by the eight bytes of each of its words, little-endian, the last one filled with
zeros, each through the finaliser of splitmix64 (Steele et al. 2014), which is a bijection: texts of
at most eight bytes and one length never collide under one seed.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

Array = Any


@nb.njit(nogil=True, cache=True, inline="always")
def _mixed(x: Any) -> Any:
    x += np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@nb.njit(nogil=True, cache=True)
def hash_texts(data: Array, starts: Array, seed: Any, hashes: Array) -> None:
    """hashes (n,) uint64: of the texts data[starts[i]:starts[i + 1]], bytes uint8."""
    for i in range(hashes.size):
        first, stop = starts[i], starts[i + 1]
        h = _mixed(seed ^ np.uint64(stop - first))
        while first + 8 <= stop:
            word = np.uint64(0)
            for t in range(8):
                word |= np.uint64(data[first + t]) << np.uint64(8 * t)
            h = _mixed(h ^ word)
            first += 8
        if first < stop:
            word = np.uint64(0)
            for t in range(stop - first):
                word |= np.uint64(data[first + t]) << np.uint64(8 * t)
            h = _mixed(h ^ word)
        hashes[i] = h


@nb.njit(nogil=True, cache=True)
def hash_numbers(values: Array, bits: Array, salts: Array, hashes: Array) -> None:
    """hashes (n,) uint64 of values (n,) float64; `bits`: the same memory as uint64.

    A whole number is hashed as the integer that it is, under salts[0] where an int64 holds it and
    under salts[2] where only a uint64 does; NaN under salts[3]; the bits of others under salts[1].
    """
    for i in range(values.size):
        x = values[i]
        if np.isnan(x):
            hashes[i] = _mixed(salts[3])
        elif x != np.floor(x) or x < -(2.0**63) or x >= 2.0**64:
            hashes[i] = _mixed(bits[i] ^ salts[1])
        elif x < 2.0**63:
            hashes[i] = _mixed(np.uint64(np.int64(x)) ^ salts[0])
        else:
            hashes[i] = _mixed(np.uint64(x) ^ salts[2])


@nb.njit(nogil=True, cache=True)
def find_firsts(high: Array, low: Array, wanted: Array, rest: Array, places: Array) -> None:
    """places (n,) int64: where (wanted, rest) stand in a sorted list of hashes, -1 for nowhere.

    Args:
        high, low: (m,) uint64, sorted; the rest of a hash stands above the lower 48 bits of `low`.
        wanted, rest: (n,) uint64.
        places: to be filled.
    """
    m = high.size
    for i in range(wanted.size):
        places[i] = -1
        if m == 0:
            continue
        # hashes are spread evenly, so a search begins where one should stand, in ever wider steps
        first = min(np.int64(np.float64(wanted[i]) * 2.0**-64 * m), m - 1)
        stop, step = first, np.int64(16)
        while first > 0 and high[first] >= wanted[i]:
            first, step = max(first - step, np.int64(0)), step * 2
        step = np.int64(16)
        while stop < m and high[stop] < wanted[i]:
            stop, step = min(stop + step, m), step * 2
        while first < stop:
            middle = (first + stop) // 2
            if high[middle] < wanted[i]:
                first = middle + 1
            else:
                stop = middle
        while first < m and high[first] == wanted[i]:
            if low[first] >> np.uint64(48) == rest[i]:
                places[i] = first
                break
            first += 1


@nb.njit(nogil=True, cache=True)
def merge_firsts(
    high_a: Array, low_a: Array, high_b: Array, low_b: Array, high: Array, low: Array
) -> int:
    """The sorted union of two sorted lists of (high, low), uint64; of those equal but for the lower
    48 bits of `low` the least alone.

    Returns:
        How many there are: they stand first in `high` and `low`, whose rest is not touched.
    """
    a, b, n = 0, 0, 0
    while a < high_a.size or b < high_b.size:
        if b == high_b.size:
            from_a, from_b = True, False
        elif a == high_a.size:
            from_a, from_b = False, True
        elif high_a[a] != high_b[b]:
            from_a = high_a[a] < high_b[b]
            from_b = not from_a
        else:
            first, second = low_a[a] >> np.uint64(48), low_b[b] >> np.uint64(48)
            from_a, from_b = first <= second, second <= first
        if from_a and (not from_b or low_a[a] <= low_b[b]):
            high[n], low[n] = high_a[a], low_a[a]
        else:
            high[n], low[n] = high_b[b], low_b[b]
        n += 1
        a += from_a
        b += from_b
    return n
